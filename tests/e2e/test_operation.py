"""Running it: privileges, signals, kills, reloads and swaps of lists under load."""
import concurrent.futures
import contextlib
import os
import pathlib
import pwd
import random
import signal
import threading
import time

import dns
import lab
from lab import DAEMON, Skip, holds, need_root, same, wait_for
from upstream import Upstream


def opened(place, names=("tracker.example",), **more):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], **more)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", names))
    return upstream


class Load:
    """Clients that ask all the time, and what they got."""

    def __init__(self, place, names, threads=4):
        self.place, self.names, self.stop = place, names, threading.Event()
        self.asked = self.lost = 0
        self.denied, self.wrong = [], []
        self.threads = [threading.Thread(target=self._run, args=(at,)) for at in range(threads)]
        self.lock = threading.Lock()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number):
        chance = random.Random(number)
        while not self.stop.is_set():
            name, expected = chance.choice(self.names)
            answer = dns.ask(name, port=self.place.port, timeout=3)
            with self.lock:
                self.asked += 1
                if answer is None:
                    self.lost += 1
                elif answer.rcode != expected:
                    self.wrong.append(f"{name}: {answer.rcode}")
                elif expected == "NXDOMAIN":
                    self.denied.append(name)

    def check(self):
        holds(self.asked > 20, f"only {self.asked} questions were asked")
        same(self.lost, 0, f"questions lost of {self.asked}")
        same(self.wrong[:5], [], f"wrong answers of {self.asked}")


def status_of(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().split("\n"):
        if line.startswith(key + ":"):
            return line.split(":")[1].split()
    return []


def test_privileges_are_dropped(place):
    need_root()
    opened(place, more="user: nobody\n")
    resolver = place.resolver()
    nobody = pwd.getpwnam("nobody")
    pid = resolver.process.pid
    same(status_of(pid, "Uid"), [str(nobody.pw_uid)] * 4, "the user")
    same(status_of(pid, "Gid"), [str(nobody.pw_gid)] * 4, "the group")
    holds(set(status_of(pid, "Groups")) <= {str(nobody.pw_gid)}, f"groups: {status_of(pid, 'Groups')}")
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
        if kind != "CapBnd":
            same(int(status_of(pid, kind)[0], 16), 0, kind)
    same(status_of(pid, "NoNewPrivs"), ["1"], "no new privileges")
    for task in os.listdir(f"/proc/{pid}/task"):
        same(status_of(f"{pid}/task/{task}", "Uid"), [str(nobody.pw_uid)] * 4, f"the user of thread {task}")
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "it answers")
    wait_for("a denial on record, written as that user", lambda: place.denials("--name", "tracker.example"))
    same(resolver.stop(), 0, "the exit code")


def test_low_ports_as_another_user(place):
    """Binding port 53 as root, then answering as nobody."""
    need_root()
    place.port = 53
    if dns.ask("x.example", server="127.0.0.53", port=53, timeout=0.3) is not None:
        raise Skip("something answers on 127.0.0.53 port 53 already")
    opened(place, listen=["127.0.0.153:53"], more="user: nobody\n")
    process = place.start(DAEMON, "--config", place.config_path, log="chalkgated.log")
    resolver = lab.Resolver(place, process, 53, process.log_path)
    place.resolvers.append(resolver)
    resolver.server = "127.0.0.153"

    def answers():
        holds(process.poll() is None, resolver.log())
        return resolver.ask("tracker.example", timeout=0.3)
    same(wait_for("the resolver answers", answers).rcode, "NXDOMAIN", "the listed name")


def test_unknown_user(place):
    need_root()
    opened(place, more="user: no-such-user\n")
    done = place.run(DAEMON, "--config", place.config_path, expect=None)
    holds(done.returncode in (1, 2), f"exit code {done.returncode}")
    holds("no-such-user" in done.stderr, done.stderr)


def test_term_answers_what_is_in_flight(place):
    opened(place)
    resolver = place.resolver()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(resolver.ask, f"n{at}.late-500.example") for at in range(8)]
        time.sleep(0.25)
        begun = time.monotonic()
        same(resolver.stop(), 0, "the exit code")
        took = time.monotonic() - begun
        answers = [one.result() for one in waiting]
    holds(took < 6, f"it took {took:.1f} s to end")
    holds(all(one is not None for one in answers), "questions in flight were dropped at the end")


def test_hangup_storm_under_load(place):
    opened(place)
    resolver = place.resolver()
    names = [("tracker.example", "NXDOMAIN"), ("a.tracker.example", "NXDOMAIN"), ("hot.site.example", "NOERROR")]
    with Load(place, names):
        time.sleep(1)  # ports towards upstreams and files of records are open once they are used
    files = len(os.listdir(f"/proc/{resolver.process.pid}/fd"))
    with Load(place, names) as load:
        for _ in range(200):
            resolver.signal(signal.SIGHUP)
            time.sleep(0.01)
        time.sleep(1)
    load.check()
    wait_for("descriptors as before", lambda: len(os.listdir(f"/proc/{resolver.process.pid}/fd")) <= files + 4, 10)


def test_swaps_under_load(place):
    """Imports one after the other while clients ask: no question lost, no wrong verdict."""
    opened(place, names=["tracker.example", "always.example"])
    place.resolver()
    names = [("always.example", "NXDOMAIN"), ("x.always.example", "NXDOMAIN"), ("hot.site.example", "NOERROR")]
    with Load(place, names) as load:
        for at in range(10):
            place.command("lists", "import", "--category", "ads", "--reason", "a swap", "--allow-shrink",
                          place.list_of("ads", ["always.example", f"n{at}.example"]))
    load.check()
    same(dns.ask("n9.example", port=place.port).rcode, "NXDOMAIN", "the last import is in force")
    same(dns.ask("n0.example", port=place.port).rcode, "NOERROR", "the first is not")


def test_kill_loses_no_denial(place):
    opened(place, names=[f"n{at}.tracker.example" for at in range(200)])
    names = [(f"n{at}.tracker.example", "NXDOMAIN") for at in range(200)]
    got = 0
    for _ in range(5):
        begun = time.monotonic()
        resolver = place.resolver()
        started = time.monotonic() - begun
        holds(started < 15, f"it took {started:.1f} s to start again")
        with Load(place, names) as load:
            time.sleep(random.uniform(0.3, 1.2))
            resolver.kill()
        same(load.wrong[:5], [], "wrong answers")
        got += len(load.denied)
    place.resolver()

    def recorded():
        return sum(one.get("count", 1) for one in place.denials())
    wait_for(f"at least {got} denials on record", lambda: recorded() >= got, 20, 0.5)


def test_full_disk(place):
    """The state on a small file system that fills up: answers go on, denials are counted."""
    with place.small_state("48m"):
        opened(place)
        resolver = place.resolver()

        def filled():
            """False where journals just made for the workers leave no room for the file itself."""
            with contextlib.suppress(OSError), open(place.state / "ballast", "ab", buffering=0) as ballast:
                while True:
                    ballast.write(b"\0" * 65536)
            return (place.state / "ballast").exists()

        wait_for("the disk is full", filled)
        for at in range(3000):
            same(resolver.ask(f"n{at}.tracker.example").rcode, "NXDOMAIN", "a listed name on a full disk")
        same(resolver.ask("hot.site.example").rcode, "NOERROR", "an allowed one")
        done = place.command("lists", "import", "--category", "ads", "--reason", "x",
                             place.list_of("ads", [f"x{at}.example" for at in range(200000)]), expect=1)
        holds(done.stderr.strip(), "nothing was said")
        same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "the old lists run on")
        same(resolver.stop(), 0, "the exit code")


def test_not_allowed_clients(place):
    opened(place, groups={"pupils": (["127.0.0.1/32"], ["ads"])})
    resolver = place.resolver()
    for tcp in (False, True):
        same(resolver.ask("hot.site.example", tcp=tcp).rcode, "NOERROR", "a pupil")
        answer = resolver.ask("hot.site.example", tcp=tcp, source="127.0.0.2")
        holds(answer is None or (answer.rcode == "REFUSED" and not answer.answers), f"a stranger: {answer}")
        answer = resolver.ask("hot.site.example", tcp=tcp, server="::1")
        holds(answer is None or (answer.rcode == "REFUSED" and not answer.answers), f"a stranger over IPv6: {answer}")


def test_wildcard_answers_from_the_address_asked(place):
    """Sockets on wildcard addresses: the reply comes from where it was asked, and the group is the same for both families."""
    place.port = place.free_port()
    opened(place, listen=[f"[::]:{place.port}", f"0.0.0.0:{place.port}"])
    resolver = place.resolver()
    for server in ("127.0.0.1", "127.0.0.5", "127.1.2.3", "::1"):
        same(resolver.ask("tracker.example", server=server).rcode, "NXDOMAIN", f"asked at {server}")
        same(resolver.ask("tracker.example", server=server, tcp=True).rcode, "NXDOMAIN", f"asked at {server} over TCP")


def test_records_are_private(place):
    """Who looked for what is nobody's business but the readers': no file of records is open to everybody."""
    opened(place)
    resolver = place.resolver()
    resolver.ask("tracker.example")
    for path in [place.state / "journal", place.state / "denials", place.state / "state.mdb"]:
        for one in [path, *path.rglob("*")] if path.exists() else []:
            mode = one.stat().st_mode
            reached = mode & 0o007 and place.state.stat().st_mode & 0o007
            holds(not reached, f"{one.relative_to(place.folder)} is open to everybody: {oct(mode)}")


if __name__ == "__main__":
    lab.main()
