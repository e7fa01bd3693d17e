"""The lists in force cut or written to on the disk, while they are in use: nothing listed is let through, and the
generation before takes their place."""
import json
import os
import shutil
import threading

import dns
import lab
from lab import holds, same, wait_for
from upstream import Upstream

LISTED = [f"listed-{i}.example" for i in range(4000)]


def opened(place, generations=2):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"])
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", LISTED))
    for number in range(1, generations):
        place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", [f"game{number}.example"]))
    return file_of(place, generations)


def file_of(place, generation):
    return place.state / "lists" / f"{generation:08}.mdb"


class Watch:
    """Clients that ask for listed names all the time, and remember those that got an address."""

    def __init__(self, place):
        self.place, self.stop, self.leaked, self.asked = place, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(at,)) for at in range(3)]

    def run(self, number):
        at = number * 1000
        while not self.stop.is_set():
            at += 1
            answer = dns.ask(LISTED[at % len(LISTED)], port=self.place.port, timeout=3)
            self.asked += 1
            if answer is not None and answer.rcode == "NOERROR":
                self.leaked.append(LISTED[at % len(LISTED)])

    def __enter__(self):
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for one in self.threads:
            one.join()

    def check(self):
        holds(self.asked > 20, f"only {self.asked} questions")
        same(self.leaked[:5], [], "listed names that were let through")


def in_force(place):
    return place.json("status")["generation"]


def warned(place, text):
    told = place.json("status")["warnings"]
    holds(any(text in one for one in told), f"'{text}' among the warnings {told}")


def mended(place, resolver):
    """Generation 1 is in force, on record, and told."""
    wait_for("the generation before is in force", lambda: in_force(place) == 1)
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a listed name")
    same(resolver.ask("free.example").rcode, "NOERROR", "another name")
    warned(place, "the lists of generation 2 are damaged")
    holds("the lists of generation 2 are damaged" in resolver.log(), resolver.log())
    holds("lists-rollback" in place.command("--json", "changes").stdout, "the change log")
    same(os.readlink(place.state / "lists" / "current"), "00000001.mdb", "what a restart will find")


def does_not_start(place, words):
    refused = place.resolver(wait=False)
    same(refused.process.wait(30), 1, "it does not start")
    holds(words in refused.log(), refused.log())


def test_cut_under_load(place):
    path = opened(place)
    resolver = place.resolver()
    with Watch(place) as watch:
        os.truncate(path, 3 * 4096)
        mended(place, resolver)
    watch.check()


def test_emptied(place):
    path = opened(place)
    resolver = place.resolver()
    with Watch(place) as watch:
        os.truncate(path, 0)
        mended(place, resolver)
    watch.check()


def test_written_to(place):
    """No page is missing, but the file's time tells, and its checksum then."""
    path = opened(place)
    resolver = place.resolver()
    with open(path, "r+b") as file:
        file.seek(-20000, os.SEEK_END)
        file.write(b"\xff" * 64)
    mended(place, resolver)


def test_touched_only(place):
    path = opened(place)
    place.resolver()
    os.utime(path)
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["other.example"]))
    same(in_force(place), 3, "lists go on as usual")
    same([one for one in place.json("status")["warnings"] if "damaged" in one], [], "warnings")


def test_nothing_to_go_back_to(place):
    path = opened(place, generations=1)
    resolver = place.resolver()
    with Watch(place) as watch:
        os.truncate(path, 0)
        wait_for("the warning", lambda: "nothing can replace them" in resolver.log())
        same(resolver.ask("free.example").rcode, "SERVFAIL", "a name that cannot be judged")
        warned(place, "No name is let through")
        (place.state / "lists" / "current").unlink()
        place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", LISTED))
        same(resolver.ask("free.example").rcode, "NOERROR", "once there are lists again")
        same([one for one in place.json("status")["warnings"] if "damaged" in one], [], "warnings")
    watch.check()


def test_found_at_the_start(place):
    path = opened(place)
    os.truncate(path, 5000)
    mended(place, place.resolver())


def test_another_generation_in_its_place(place):
    path = opened(place)
    shutil.copy(path, path.with_suffix(".copy"))
    shutil.copy(file_of(place, 1), path)
    mended(place, place.resolver())
    place.resolvers[-1].stop()
    os.replace(path.with_suffix(".copy"), file_of(place, 1))
    done = place.command("lists", "rollback", "2", expect=1)
    holds("by what it says of itself" in done.stderr, done.stderr)


def test_not_there_at_the_start(place):
    path = opened(place)
    path.unlink()
    resolver = place.resolver(wait=False)
    same(resolver.process.wait(30), 1, "it does not start")
    holds("is not there any more" in resolver.log() and "lists rollback" in resolver.log(), resolver.log())
    place.command("lists", "rollback")
    same(place.resolver().ask(LISTED[7]).rcode, "NXDOMAIN", "what the message advises")


def test_the_only_one_at_the_start(place):
    path = opened(place, generations=1)
    os.truncate(path, 5000)
    resolver = place.resolver(wait=False)
    same(resolver.process.wait(30), 1, "it does not start")
    holds("cut off" in resolver.log(), resolver.log())


ILLEGAL = [f"bad{i}.example" for i in range(100)]


def sealed(place, *steps, more=""):
    """Generations, each of one import: (category, names). "illegal" is sealed."""
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], groups={"pupils": (["127.0.0.0/8"], ["ads"])}, more=more,
                    categories=["ads", "games", ("illegal", {"title": "Illegal", "severity": "urgent", "sealed": True})])
    for category, names in steps:
        place.command("lists", "import", "--category", category, "--reason", "x", place.list_of(category, names))


def stuck(place, resolver, words):
    """Nothing can take the place of the damaged lists: no name is let through, and it says why."""
    wait_for("the warning", lambda: "nothing can replace them" in resolver.log())
    for name in (ILLEGAL[0], ILLEGAL[99], "free.example"):
        same(resolver.ask(name).rcode, "SERVFAIL", name)
    warned(place, "No name is let through")
    warned(place, words)


def test_not_back_to_before_a_sealed_category(place):
    sealed(place, ("ads", LISTED), ("illegal", ILLEGAL))
    resolver = place.resolver()
    os.truncate(file_of(place, 2), 3 * 4096)
    stuck(place, resolver, "generation 1 has nothing in the sealed category illegal")
    same(os.readlink(place.state / "lists" / "current"), "00000002.mdb", "what is in force on the disk")


def test_sealed_lists_that_grew_a_little(place):
    """What was in force before will do for a while, and what it lacks is told: in the log, by status, as an alert."""
    alerts = place.folder / "alerts"
    sealed(place, ("illegal", ILLEGAL[:90]), ("illegal", ILLEGAL),
           more=f"alerts: {{command: [/bin/sh, -c, 'cat >> {alerts}']}}\n")
    resolver = place.resolver()
    os.truncate(file_of(place, 2), 3 * 4096)
    wait_for("the generation before is in force", lambda: in_force(place) == 1)
    same(resolver.ask(ILLEGAL[7]).rcode, "NXDOMAIN", "a sealed name")
    same(resolver.ask("free.example").rcode, "NOERROR", "the school goes on")
    warned(place, "generation 1 has 90 of the 100 entries of the sealed category illegal")
    wait_for("the alert", lambda: alerts.exists() and "lists-damaged" in alerts.read_text() and "90 of the 100" in alerts.read_text())
    place.command("lists", "import", "--category", "illegal", place.list_of("illegal", ILLEGAL))
    same([one for one in place.json("status")["warnings"] if "damaged" in one], [], "warnings")


def test_sealed_lists_that_grew_a_lot(place):
    """A few names to try the resolver with are no sealed list, neither at once nor at the next start nor for a hand."""
    sealed(place, ("illegal", ILLEGAL[:3]), ("illegal", ILLEGAL))
    resolver = place.resolver()
    record = place.state / "lists" / "sealed.json"
    wait_for("what they hold is on record", lambda: record.exists() and json.loads(record.read_text()) ==
             {"generation": 2, **{one: {"illegal": 100} for one in ("entries", "most", "whole", "most-whole")}})
    os.truncate(file_of(place, 2), 0)
    words = "generation 1 has 3 of the 100 entries of the sealed category illegal"
    stuck(place, resolver, words)
    for arguments in (["rollback", "1"], ["rollback"]):
        done = place.command("lists", *arguments, expect=3)
        holds(words in done.stderr, done.stderr)
    (place.state / "lists" / "current").unlink()
    done = place.command("lists", "import", "--category", "illegal", place.list_of("illegal", ILLEGAL[:50]), expect=3)
    holds("50 of the 100" in done.stderr, done.stderr)
    os.symlink("00000002.mdb", place.state / "lists" / "current")
    resolver.stop()
    does_not_start(place, words)
    same(os.readlink(place.state / "lists" / "current"), "00000002.mdb", "what is in force on the disk")
    (place.state / "lists" / "current").unlink()
    place.command("lists", "import", "--category", "illegal", place.list_of("illegal", ILLEGAL))
    same(place.resolver().ask(ILLEGAL[99]).rcode, "NXDOMAIN", "once the lists are there again")


def test_no_resolver_ever_ran(place):
    """The import itself leaves on record what the sealed categories hold."""
    sealed(place, ("illegal", ILLEGAL[:3]), ("illegal", ILLEGAL))
    record = json.loads((place.state / "lists" / "sealed.json").read_text())
    same(record, {"generation": 2, **{one: {"illegal": 100} for one in ("entries", "most", "whole", "most-whole")}}, "the record")
    os.truncate(file_of(place, 2), 0)
    words = "generation 1 has 3 of the 100 entries of the sealed category illegal"
    done = place.command("lists", "rollback", "1", expect=3)
    holds(words in done.stderr, done.stderr)
    does_not_start(place, words)
    (place.state / "lists" / "current").unlink()
    done = place.command("lists", "rollback", "1", expect=3)
    holds(words in done.stderr, done.stderr)
    done = place.command("lists", "import", "--category", "illegal", place.list_of("illegal", ILLEGAL[:50]), expect=3)
    holds("50 of the 100" in done.stderr, done.stderr)
    place.command("lists", "import", "--category", "illegal", place.list_of("illegal", ILLEGAL))
    same(place.resolver().ask(ILLEGAL[99]).rcode, "NXDOMAIN", "once the lists are there again")


def test_a_record_of_an_earlier_generation(place):
    """As a kill leaves it, before lists that just came into force are noted: what was ever held guards all the same."""
    sealed(place, ("illegal", ILLEGAL[:3]), ("illegal", ILLEGAL), ("games", ["game.example"]))
    record = place.state / "lists" / "sealed.json"
    record.write_text(json.dumps(dict(json.loads(record.read_text()), generation=2)))
    for generation in (2, 3):
        os.truncate(file_of(place, generation), 0)
    words = "generation 1 has 3 of the 100 entries of the sealed category illegal"
    done = place.command("lists", "rollback", "1", expect=3)
    holds(words in done.stderr, done.stderr)
    does_not_start(place, words)


def test_a_removed_generation_is_no_way_round_a_seal(place):
    """Without a resolver that knows better, the newest generation that is kept guards what is sealed."""
    sealed(place, ("illegal", ILLEGAL[:3]), ("illegal", ILLEGAL), ("games", ["game.example"]))
    file_of(place, 3).unlink()
    done = place.command("lists", "rollback", "1", expect=3)
    holds("sealed" in done.stderr, done.stderr)
    (place.state / "lists" / "current").unlink()
    done = place.command("lists", "import", "--category", "illegal", place.list_of("illegal", ILLEGAL[:50]), expect=3)
    holds("sealed" in done.stderr, done.stderr)
    place.command("lists", "rollback", "2")
    same(place.resolver().ask(ILLEGAL[99]).rcode, "NXDOMAIN", "a sealed name")


if __name__ == "__main__":
    lab.main()
