"""A machine that starts with a clock of 1970 or of years ahead: the time last known goes on, nothing ends or is destroyed,
and whoever looks is told."""
import glob
import os
import pathlib
import time

import lab
from lab import Skip, holds, same, wait_for
from upstream import Upstream


class Clock:
    """The clock of a machine, for the programs started with it."""

    def __init__(self, place, offset, fakes_monotonic=False):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise Skip("faketime is not installed")
        if lab.built_with("tsan"):  # it sees the waiting threads' locks taken and not given back
            raise Skip("faketime takes the place of ThreadSanitizer's waits on conditions")
        self.path = place.folder / "faketime"
        self.set(offset)
        self.variables = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": str(self.path), "FAKETIME_NO_CACHE": "1",
                          "FAKETIME_DONT_FAKE_MONOTONIC": "0" if fakes_monotonic else "1",
                          "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0:detect_leaks=0"}

        place.stack.callback(self.forget, place.processes)

    @staticmethod
    def forget(processes):
        """What faketime keeps in shared memory for a process stays there where that was killed."""
        for process in processes:
            for name in (f"faketime_shm_{process.pid}", f"sem.faketime_sem_{process.pid}"):
                pathlib.Path("/dev/shm", name).unlink(missing_ok=True)

    def set(self, offset):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{offset:+d}s\n")
        fresh.rename(self.path)

    def environment(self):
        return {**os.environ, **self.variables}


def opened(place):
    """A school where yesterday a denial was recorded and somebody was allowed a name for two hours."""
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"])
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["ads.example", "tracker.example"]))
    resolver = place.resolver()
    place.command("allow", "tracker.example", "--group", "pupils", "--for", "2h", "--reason", "a lesson")
    same(resolver.ask("ads.example").rcode, "NXDOMAIN", "a listed name")
    known = place.state / "clock"
    wait_for("the time is kept", lambda: known.exists() and abs(int(known.read_text()) - time.time()) < 60)
    same(resolver.stop(), 0, "its end")


def clock_warnings(place):
    return [one for one in place.json("status")["warnings"] if "the machine's clock says" in one]


def goes_on(place, offset, year):
    clock = Clock(place, offset)
    opened(place)
    resolver = place.resolver(env=clock.environment())
    holds(any(f"clock says {year}" in one for one in clock_warnings(place)), f"status warns: {place.json('status')['warnings']}")
    same(resolver.ask("tracker.example").rcode, "NOERROR", "the exception holds")
    same(resolver.ask("ads.example").rcode, "NXDOMAIN", "the policy holds")
    wait_for("both denials are of today", lambda: len(place.denials("--since", "-1h", "--name", "ads.example")) == 2)
    done = place.command("report", "--nightly", env=clock.variables, expect=1)
    holds("far from the time last known" in done.stderr, done.stderr)
    clock.set(1)
    wait_for("the clock is believed once it is right", lambda: not clock_warnings(place))
    same(resolver.ask("tracker.example").rcode, "NOERROR", "the exception still holds")
    holds("believed again" in resolver.log(), resolver.log())


def test_1970(place):
    goes_on(place, -int(time.time()) + 86400 * 2, 1970)


def test_ten_years_ahead(place):
    goes_on(place, 3653 * 86400, time.gmtime().tm_year + 10)


def test_1970_at_the_very_first_start(place):
    """No time is known yet but that of the lists."""
    clock = Clock(place, -int(time.time()) + 86400 * 2)
    opened(place)
    (place.state / "clock").unlink()
    resolver = place.resolver(env=clock.environment())
    same(len(clock_warnings(place)), 1, "status warns")
    same(resolver.ask("ads.example").rcode, "NXDOMAIN", "it filters")


def test_off_for_the_holidays(place):
    """Six weeks are no reason to doubt the clock."""
    clock = Clock(place, 42 * 86400)
    opened(place)
    resolver = place.resolver(env=clock.environment())
    same(clock_warnings(place), [], "warnings")
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "the exception ended")


def test_somebody_says_that_it_is_right(place):
    clock = Clock(place, 400 * 86400)
    opened(place)
    (place.state / "clock").unlink()
    place.resolver(env=clock.environment())
    same(clock_warnings(place), [], "warnings")


def test_a_leap_while_running(place):
    """The time of day follows the clock, but is not yet what the next start goes by."""
    clock = Clock(place, 0)
    opened(place)
    resolver = place.resolver(env=clock.environment())
    clock.set(400 * 86400)
    wait_for("the leap is noticed", lambda: "the clock leapt" in resolver.log())
    same(resolver.stop(), 0, "its end")
    same(abs(int((place.state / "clock").read_text()) - time.time()) < 3600, True, "the time that is known")
    place.resolver()
    same(clock_warnings(place), [], "warnings with the right clock again")


def test_leases_after_a_leap(place):
    """A clock that is far ahead ends leases; once it is set right they hold again at once, not a minute later."""
    clock = Clock(place, 0)
    upstream = place.enter(Upstream())
    leases = place.write("dnsmasq.leases", f"{int(time.time()) + 3600} 02:00:00:00:00:07 127.0.0.77 tablet-7 *\n")
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], more=f"leases: [{leases}]\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["ads.example"]))
    place.resolver(env=clock.environment())

    def known():
        return place.json("status")["devices"]["leases"]

    wait_for("the lease", lambda: known() == 1)
    clock.set(30 * 86400)
    wait_for("the lease has ended", lambda: known() == 0, patience=20)
    clock.set(1)
    wait_for("the lease holds", lambda: known() == 1, patience=20)


if __name__ == "__main__":
    lab.main()
