"""What a change of lists costs in memory: the importer's and the resolver's own pages together, and what is left of it
afterwards (AdGuard Home 8491: more than twice the list, and 400 MiB that never came back)."""
import threading

import lab
from lab import holds, same, wait_for
from test_endurance import FRUGAL, memory_kib

NAMES = 1000000
FACTOR = 1.5


class Watch:
    """The most that some processes have had of pages of their own at one time, from /proc/PID/smaps_rollup."""

    def __init__(self, *pids):
        self.pids, self.most, self.looks, self.stop = list(pids), 0, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(0.005):
            self.look()

    def look(self):
        try:
            self.most = max(self.most, sum(memory_kib(pid) for pid in self.pids))
            self.looks += 1
        except (FileNotFoundError, ProcessLookupError):
            pass  # the importer has ended

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stop.set()
        self.thread.join()


def names_of(number):
    """Half of each list is in the next one, too."""
    return [f"n{i}.site{i % 977}.example" for i in range(number * NAMES // 2, (number + 2) * NAMES // 2)]


def import_args(place, number):
    return ["lists", "import", "--category", "ads", "--replace", "--allow-shrink", "--reason", "x",
            place.list_of(f"many{number}", names_of(number))]


def swap(place, resolver, number):
    """Imports the next list; gives the most that it took of the resolver's and the importer's memory, in KiB."""
    importer = place.start(lab.COMMAND, "--config", place.config_path, *import_args(place, number), env=FRUGAL)
    with Watch(resolver.process.pid, importer.pid) as watch:
        same(importer.wait(120), 0, importer.log_path.read_text())
    holds(watch.looks > 20, f"it was looked at {watch.looks} times only")
    same(resolver.ask(f"n{(number + 2) * NAMES // 2 - 1}.site{((number + 2) * NAMES // 2 - 1) % 977}.example").rcode, "NXDOMAIN",
         "the last name of the new list")
    return watch.most


def settled_kib(pid):
    """Its memory once that has been the same for half a second."""
    seen = []

    def is_settled():
        seen.append(memory_kib(pid))
        return len(seen) > 10 and len(set(seen[-10:])) == 1
    wait_for("its memory stays the same", is_settled, pause=0.05)
    return seen[-1]


def test_a_change_of_lists(place):
    if lab.built_with("tsan"):
        raise lab.Skip("ThreadSanitizer's own memory grows with every octet that is looked at")
    place.configure()
    place.command(*import_args(place, 0))
    size = max(one.stat().st_size for one in (place.state / "lists").glob("*.mdb")) // 1024
    resolver = place.resolver(env=FRUGAL)
    same(resolver.ask("n1.site1.example").rcode, "NXDOMAIN", "the list is in force")
    wait_for("the day's segment, which has buffers of its own", lambda: list((place.state / "denials").glob("*.mdb")))
    before = settled_kib(resolver.process.pid)
    most = [swap(place, resolver, number) for number in (1, 2)]
    print(f"KiB: list {size}, resolver {before}, while it changes {most}, after it {memory_kib(resolver.process.pid)}")
    holds(max(most) - before <= FACTOR * size, f"a change of a list of {size} KiB took {most} KiB, {before} of them before it")
    wait_for("all of it is given back", lambda: memory_kib(resolver.process.pid) <= before * 1.1 + 2048, 10)


if __name__ == "__main__":
    lab.main()
