"""Allowed look-ups: counted without anybody's address, kept one by one only where the configuration says so."""
import json

import lab
from lab import holds, same, wait_for
from upstream import Upstream

GROUPS = {"pupils": (["127.0.1.0/24", "127.0.0.1/32"], ["games"]), "staff": (["127.0.2.0/24"], [])}


def ground(place, more=""):
    upstream = place.enter(Upstream())
    place.configure([f"127.0.0.1:{upstream.port}"], GROUPS, more=more)
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["game.test"]))
    return place.resolver()


def ask_by(resolver, name, net, count):
    for host in range(1, count + 1):
        same(resolver.ask(name, source=f"127.0.{net}.{host}").rcode, "NOERROR", f"{name} for 127.0.{net}.{host}")


def counted(place, *arguments):
    done = place.command("--json", "questions", *arguments, expect=None)
    holds(done.returncode in (0, 4), f"questions: {done.stderr}")
    return {(one["group"], one["name"]): one["times"] for one in json.loads(done.stdout)["names"]}


def reload(place, allowed):
    text = place.config_path.read_text()
    place.config_path.write_text(text.split("recording:")[0] + f"recording: {{allowed: {allowed}}}\n")
    place.command("reload", "--reason", f"allowed look-ups: {allowed}")


def test_counts_name_nobody(place):
    resolver = ground(place)
    ask_by(resolver, "lesson.example", 1, 20)
    ask_by(resolver, "mail.example", 2, 20)
    for _ in range(30):
        ask_by(resolver, "secret.example", 1, 2)
    same(resolver.stop(), 0, "the end")
    same(counted(place), {("pupils", "lesson.example"): 20, ("staff", "mail.example"): 20}, "what many asked, and only that")
    same(counted(place, "--group", "staff"), {("staff", "mail.example"): 20}, "of one group")
    same(counted(place, "--since", "2020-01-01", "--until", "2020-02-01"), {}, "days without data")
    text = place.command("questions").stdout
    holds("lesson.example" in text and "127.0." not in text, f"for people: {text}")

    # No client in any form, in any file that was written.
    files = [path for path in place.state.rglob("*") if path.is_file() and "lists" not in path.parts]
    holds(any(path.parent.name == "counts" for path in files), "there is a file of counts")
    for path in files:
        if path.parent.name in ("counts", "denials", "journal", "allowed"):
            octets = path.read_bytes()
            for net in (1, 2):
                for host in range(1, 21):
                    holds(bytes((127, 0, net, host)) not in octets and f"127.0.{net}.{host}".encode() not in octets,
                          f"{path}: holds 127.0.{net}.{host}")

    # A restart goes on from there; a kill loses what was counted since it was written, and no more.
    resolver = place.resolver()
    ask_by(resolver, "lesson.example", 1, 20)
    same(resolver.stop(), 0, "the end")
    same(counted(place)[("pupils", "lesson.example")], 40, "after a restart")
    resolver = place.resolver()
    ask_by(resolver, "lesson.example", 1, 20)
    same(resolver.ask("game.test", source="127.0.1.3").rcode, "NXDOMAIN", "a denial")
    resolver.kill()
    same(counted(place)[("pupils", "lesson.example")], 40, "after a kill")

    for audience, shown in (("dsl", True), ("head", True), ("governors", False)):
        for form in ("text", "html", "csv", "json"):
            told = place.command("report", "--day", "today", "--audience", audience, "--format", form).stdout
            same("lesson.example" in told, shown, f"the report for {audience} as {form}")


def test_previews_use_them(place):
    resolver = ground(place)
    ask_by(resolver, "www.lesson.example", 1, 20)
    ask_by(resolver, "www.lesson.example", 2, 20)
    same(resolver.ask("game.test", source="127.0.1.3").rcode, "NXDOMAIN", "a denial")
    same(resolver.stop(), 0, "the end")
    more = place.list_of("more", ["lesson.example"])
    told = place.json("lists", "import", "--preview", "--category", "games", more)
    same([(one["group"], one["name"], one["times"], one["denied"]) for one in told["refusals"]],
         [("pupils", "www.lesson.example", 20, True)], "only for the group that is denied games")
    place.resolver()  # and through a running daemon's folder
    place.command("lists", "import", "--category", "games", "--reason", "x", more)
    told = place.json("lists", "diff")
    same([(one["group"], one["name"], one["denied"]) for one in told["effects"]], [("pupils", "www.lesson.example", True)],
         "what a change did")
    told = place.json("lists", "diff", "2", "1")
    same([(one["group"], one["name"], one["denied"]) for one in told["effects"]],
         [("pupils", "www.lesson.example", False)], "and what going back would")
    text = place.command("lists", "diff").stdout
    holds("www.lesson.example" in text and "1 refusals and the 40 answers" in text, text)


def test_each_where_a_school_wants_it(place):
    resolver = ground(place)
    same(resolver.ask("before.example", source="127.0.1.1").rcode, "NOERROR", "before")
    holds(not (place.state / "allowed").exists(), "nothing is kept one by one by default")
    reload(place, "all")
    same(resolver.ask("visited.example", source="127.0.1.7").rcode, "NOERROR", "an answer")
    same(resolver.ask("visited.example", source="127.0.2.8").rcode, "NOERROR", "an answer")
    same(resolver.ask("game.test", source="127.0.1.7").rcode, "NXDOMAIN", "a denial")
    same((place.state / "allowed").stat().st_mode & 0o777, 0o700, "for nobody but the daemon")
    place.command("questions", "--each", expect=2)

    def each(*arguments):
        done = place.command("--json", "questions", "--each", "--reason", "a parent asks", *arguments, expect=None)
        holds(done.returncode in (0, 4), done.stderr)
        return [(one["device"], one["group"], one["name"]) for one in json.loads(done.stdout)["questions"]]
    wait_for("both on record", lambda: len(each()) == 2)
    same(each("--client", "127.0.1.7"), [("127.0.1.7", "pupils", "visited.example")], "of one device")
    same(each("--name", "other.example"), [], "nothing")
    same([one["name"] for one in place.denials()], ["game.test"], "denials stay by themselves")
    reads = [one for one in place.json("changes") if one["action"] == "read"]
    holds(reads and all(one["reason"] == "a parent asks" for one in reads), f"who looked is on record: {reads}")

    reload(place, "none")
    same(resolver.ask("after.example", source="127.0.1.7").rcode, "NOERROR", "an answer")
    same(resolver.stop(), 0, "the end")
    place.command("questions", expect=4)
    same(len(each()), 2, "what is there stays, nothing is added; without a daemon, too")
    text = json.dumps(place.json("changes"))
    for word in ("none", "all"):
        holds(f"allowed look-ups: {word}" in text and "recording.allowed" in text, f"the switch to {word} is on record")

    # Damaged: told, and the rest is read.
    day = next((place.state / "allowed" / "denials").glob("*.mdb"))
    day.write_bytes(day.read_bytes()[:5000])
    done = place.command("--json", "questions", "--each", "--reason", "x", expect=None)
    holds(done.returncode in (0, 4), f"a cut segment: {done.stderr}")


if __name__ == "__main__":
    lab.main()
