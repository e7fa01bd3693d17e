"""Lists that loosen wait for a second manager: what waits and what does not, confirmed, rejected, overtaken, killed, damaged."""
import json
import pathlib
import signal

import lab
from lab import holds, need, same, wait_for
from test_approval import APPROVAL, begin_as, waiting, whole
from test_roles import MANAGER, OTHER, PLAIN, SERVICE, VIEWER, Office, edit, end


class Lists(Office):
    """Where a second manager is wanted, and the category ads has three names."""

    def __init__(self, place, more=""):
        super().__init__(place, more=APPROVAL + more)
        same(self.take(MANAGER, "tracker", "banner", "popup").returncode, 0, "more names wait for nobody")
        holds(not waiting(self), "more names wait")

    def take(self, who, *names, more=()):
        """An import of the category ads, whose list is these names from now on."""
        return self.as_user(who, "lists", "import", "--category", "ads", "--reason", "tidied up", *more,
                            self.place.list_of("ads", [f"{one}.example" for one in names]))

    def ask(self, who, *names, more=()):
        """One that waits; gives its number."""
        done = self.take(who, *names, more=more)
        holds(done.returncode == 0 and "waits for a second manager" in done.stdout, f"{done.returncode} {done.stdout}{done.stderr}")
        same([one["kind"] for one in waiting(self)], ["lists"], "what waits")
        return waiting(self)[0]["id"]

    def approve(self, who, number):
        return self.as_user(who, "approve", number, "--reason", "looked at it")

    def files(self):
        return sorted(one.name for one in (self.place.state / "lists").glob("waiting-*"))

    def rcodes(self):
        return [self.resolver.ask(f"{one}.example").rcode for one in ("tracker", "banner", "popup")]

    def restart(self):
        self.resolver.kill()
        self.resolver = self.place.resolver()

    def actions(self):
        return [one["action"] for one in self.changes()]


def test_imports_that_wait(place):
    """What would go is shown, and goes once another manager confirms it, over a kill, however often they say so."""
    office = Lists(place)
    before = json.loads(office.as_user(PLAIN, "--json", "status").stdout)["generation"]
    number = office.ask(MANAGER, "banner", "popup")
    same(office.files(), [f"waiting-{number:08}.mdb"], "on the disk")
    same(office.rcodes(), ["NXDOMAIN"] * 3, "what was in force stays in force")
    sentence = "ads: 1 entry would not be denied any more: tracker.example"
    shown = office.as_user(OTHER, "grants").stdout
    holds(sentence in shown and f"{number} waits for a second manager" in shown, shown)
    holds("1 request waits for a second manager" in office.as_user(PLAIN, "status").stdout, "status")
    last = office.changes()[-1]
    same((last["action"], last["by"]["login"], last["after"]["loosens"]), ("lists-asked", MANAGER, [sentence]), "on record")
    done = office.approve(MANAGER, number)
    holds(done.returncode == 3 and "another manager" in done.stderr, f"one's own: {done.returncode} {done.stderr}")
    same(office.approve(VIEWER, number).returncode, 3, "a viewer")
    office.restart()
    for _ in range(5):
        office.resolver.signal(1)  # reloads meet what follows, before it, between or after
    same(office.rcodes(), ["NXDOMAIN"] * 3, "asked for, and killed")
    crowd = [begin_as(office, OTHER, "approve", number, "--reason", "fine") for _ in range(3)]
    outcomes = [one.communicate()[1] + str(one.returncode) for one in crowd]
    same(sum(one == "0" for one in outcomes), 1, f"approved once: {outcomes}")
    same(office.rcodes(), ["NOERROR", "NXDOMAIN", "NXDOMAIN"], "approved")
    same((waiting(office), office.files()), ([], []), "what waits")
    entries = [one for one in office.changes() if one["action"] != "reload"]
    same([one["action"] for one in entries[-2:]], ["approve", "lists-adopt"], "on record")
    same(entries[-1]["before"]["generation"], before, "from which generation")
    office.restart()
    same(office.rcodes(), ["NOERROR", "NXDOMAIN", "NXDOMAIN"], "after a kill")
    holds("lists-found" not in office.actions(), "noted once")
    # What is allowed anew waits as well, also where the same names are denied; and --json says it.
    allowed = place.list_of("allowed", ["banner.example"])
    reply = json.loads(office.as_user(MANAGER, "--json", "lists", "import", "--category", "ads", "--allow", allowed).stdout)
    same((reply["generation"], reply["waiting"]["loosens"]), (0, [
        "ads: 1 entry to allow would be new: banner.example",
        "ads: 1 entry would not be denied any more, as other lists allow it: banner.example"]), "an exception")
    # Rejected, it is gone.
    number = waiting(office)[0]["id"]
    same(office.as_user(OTHER, "revoke", number, "--reason", "no").returncode, 0, "rejected")
    same((waiting(office), office.files()), ([], []), "what waits")
    same((office.changes()[-1]["action"], office.changes()[-1]["target"]), ("revoke", f"request {number}"), "on record")
    done = office.approve(OTHER, number)
    holds(done.returncode == 4 and "there is no grant" in done.stderr, f"{done.returncode} {done.stderr}")
    # Going back waits where something would go, and does not where nothing would.
    done = office.as_user(MANAGER, "lists", "rollback", "--reason", "as before")
    holds(done.returncode == 0 and "is in force again" in done.stdout, done.stdout + done.stderr)
    same(office.rcodes(), ["NXDOMAIN"] * 3, "gone back to more")
    done = office.as_user(MANAGER, "lists", "rollback", before + 1, "--reason", "and forth")
    holds(done.returncode == 0 and sentence in done.stdout, done.stdout + done.stderr)
    same(office.approve(OTHER, waiting(office)[0]["id"]).returncode, 0, "approved")
    same(office.rcodes(), ["NOERROR", "NXDOMAIN", "NXDOMAIN"], "gone back to less")
    same(office.actions()[-2:], ["approve", "lists-rollback"], "on record")
    whole(office)


def test_overtaken_and_damaged(place):
    """Lists of meanwhile end what waits; a seal of meanwhile, and a damaged file, stand in the way of an approval."""
    office = Lists(place)
    first = office.ask(MANAGER, "banner", "popup")
    number = office.ask(MANAGER, "popup")
    holds(first != number and office.files() == [f"waiting-{number:08}.mdb"], f"one waits: {office.files()}")
    same(office.take(OTHER, "tracker", "banner", "popup", "more").returncode, 0, "more names")
    same((waiting(office), office.files()), ([], []), "overtaken")
    done = office.approve(OTHER, number)
    holds(done.returncode == 4 and "there is no grant" in done.stderr, f"overtaken: {done.returncode} {done.stderr}")
    same(office.actions().count("lists-superseded"), 2, "each is on record")
    # Sealed meanwhile: nobody's word is enough.
    number = office.ask(MANAGER, "banner", "popup", "more")
    text = place.config_path.read_text()
    edit(place, "  ads: {title: Ads}", "  ads: {title: Ads, sealed: true}")
    done = office.as_user(MANAGER, "reload", "--reason", "sealed")
    same(done.returncode, 0, done.stderr)
    done = office.approve(OTHER, number)
    holds(done.returncode == 3 and "ads is sealed and would lose" in done.stderr, f"{done.returncode} {done.stderr}")
    same(office.actions()[-2:], ["approve", "lists-failed"], "on record")
    same([one["id"] for one in waiting(office)], [number], "it waits again")
    same(office.rcodes(), ["NXDOMAIN"] * 3, "sealed")
    holds("sealed: true" in place.config_path.read_text() != text, "the seal stays for the rest")
    # A category of its own, for a seal is for good; what is on record of it stands in no manager's way.
    wait_for("what the sealed categories hold", lambda: (place.state / "lists" / "sealed.json").exists())
    office.as_user(MANAGER, "lists", "import", "--category", "games", "--reason", "x",
                   place.list_of("games", ["chess.example", "go.example"]))
    done = office.as_user(MANAGER, "lists", "import", "--category", "games", "--reason", "x",
                          place.list_of("games", ["go.example"]))
    holds("waits for a second manager" in done.stdout, done.stdout + done.stderr)
    number = waiting(office)[0]["id"]
    file = place.state / "lists" / f"waiting-{number:08}.mdb"
    octets = file.read_bytes()
    for damaged, words in ((octets[:-300], "cut off"), (octets[:9000] + b"\xff" * 64 + octets[9064:], "refused"), (None, "any more")):
        file.unlink()
        if damaged:
            file.write_bytes(damaged)
        done = office.approve(OTHER, number)
        holds(done.returncode not in (0, 2) and words in done.stderr, f"{words}: {done.returncode} {done.stderr}")
        same([one["id"] for one in waiting(office)], [number], "it waits again")
        same(office.resolver.ask("chess.example").rcode, "NXDOMAIN", "in force")
    file.write_bytes(octets)
    same(office.approve(OTHER, number).returncode, 0, "whole again")
    same(office.resolver.ask("chess.example").rcode, "NOERROR", "approved")
    whole(office)


def test_refreshes_do_not_wait(place):
    """A timer's refresh of what the configuration in force subscribes to waits for nobody; a person's does, and so does one
    that goes by a file that nobody has confirmed, or needs --allow-shrink."""
    office = Lists(place)
    names = [f"g{one}.example" for one in range(200)]
    games, ours = place.list_of("games", names), place.list_of("ours", ["ours.example"])
    sources = json.dumps([{"location": str(games)}, {"location": str(ours)}])
    edit(place, "  games: {title: Games}", f"  games: {{title: Games, sources: {sources}}}")
    same(office.as_user(MANAGER, "reload", "--reason", "subscribed").returncode, 0, "subscribed")
    same(office.as_user(SERVICE, "lists", "update").returncode, 0, "the first")

    def rcode(name):
        return office.resolver.ask(name).rcode
    place.list_of("games", names[1:])
    done = office.as_user(MANAGER, "lists", "update")
    holds("waits for a second manager" in done.stdout and rcode("g0.example") == "NXDOMAIN", f"by hand: {done.stdout}{done.stderr}")
    done = office.as_user(SERVICE, "lists", "update")
    same((done.returncode, rcode("g0.example"), waiting(office)), (0, "NOERROR", []), "by the timer")
    # Not what the timer's user imports, nor what it is told to let go.
    same(office.take(SERVICE, "banner").returncode, 0, "an import")
    same(len(waiting(office)), 1, "an import waits")
    place.list_of("games", names[100:])
    done = office.as_user(SERVICE, "lists", "update")
    holds(done.returncode == 1 and "more than 20 %" in done.stderr, f"the guard: {done.returncode} {done.stderr}")
    done = office.as_user(SERVICE, "lists", "update", "--allow-shrink")
    holds("waits for a second manager" in done.stdout and rcode("g50.example") == "NXDOMAIN", done.stdout + done.stderr)
    # A file that was edited and not confirmed is nobody's word.
    place.list_of("games", names[2:])
    text = place.config_path.read_text()
    edit(place, json.dumps({"location": str(ours)}), json.dumps({"location": str(ours), "action": "allow"}))
    done = office.as_user(SERVICE, "lists", "update")
    holds("waits for a second manager" in done.stdout, f"an edited subscription: {done.stdout}{done.stderr}")
    done = office.approve(MANAGER, [one["id"] for one in waiting(office) if one["kind"] == "lists"][0])
    holds(done.returncode == 3 and "no manager has asked for it yet" in done.stderr, f"one alone: {done.returncode} {done.stderr}")
    same(rcode("ours.example"), "NXDOMAIN", "an edited subscription")
    place.config_path.write_text(text)
    edit(place, ", " + json.dumps({"location": str(ours)}), "")
    done = office.as_user(SERVICE, "lists", "update")
    holds("waits for a second manager" in done.stdout and rcode("ours.example") == "NXDOMAIN", done.stdout + done.stderr)
    same(office.as_user(MANAGER, "reload", "--reason", "not ours").returncode, 0, "asked")
    request = [one["id"] for one in waiting(office) if one["kind"] == "reload"][0]
    same(office.approve(OTHER, request).returncode, 0, "confirmed")
    done = office.as_user(SERVICE, "lists", "update")
    same((done.returncode, rcode("ours.example")), (0, "NOERROR"), f"confirmed: {done.stdout}{done.stderr}")
    whole(office)


def test_more_than_was_shown(place):
    """What would loosen more than whoever confirms it was shown, as something was granted since, is asked for anew."""
    office = Lists(place)

    def take(*names):
        done = office.as_user(MANAGER, "lists", "import", "--category", "games", "--reason", "x",
                              place.list_of("games", [f"{one}.example" for one in names]))
        same(done.returncode, 0, done.stderr)
        return [one["id"] for one in waiting(office) if one["kind"] == "lists"]
    take("chess", "go")
    number = take("go", "poker")[0]
    same(office.as_user(MANAGER, "allow", "category:games", "--group", "pupils", "--for", "45m", "--reason", "a lesson").returncode, 0)
    same(office.approve(OTHER, [one["id"] for one in waiting(office) if one["kind"] == "allow"][0]).returncode, 0, "the grant")
    done = office.approve(OTHER, number)
    holds(done.returncode == 2 and "more by now" in done.stderr and "poker.example" in done.stderr, f"{done.returncode} {done.stderr}")
    same(office.actions()[-1], "approve", "nothing more on record")
    number = take("go", "poker")[0]
    holds("poker.example" in office.as_user(OTHER, "grants").stdout, "shown")
    same(office.approve(OTHER, number).returncode, 0, "confirmed")
    whole(office)


def test_without_a_resolver(place):
    """Imported while none runs, what loosens waits as well, and is confirmed once one does."""
    office = Lists(place)
    office.resolver.stop()
    done = office.take("root", "banner", "popup")
    holds(done.returncode == 0 and "waits for a second manager" in done.stdout, done.stdout + done.stderr)
    done = office.as_user("root", "lists", "rollback")
    holds(done.returncode == 0 and "waits for a second manager" in done.stdout, done.stdout + done.stderr)
    # An edited file has nobody's word: what was last in force counts.
    text = place.config_path.read_text()
    edit(place, "requires-approval: true", "requires-approval: false")
    done = office.take("root", "banner", "popup")
    holds(done.returncode == 0 and "waits for a second manager" in done.stdout, done.stdout + done.stderr)
    place.config_path.write_text(text)
    same(len(office.files()), 1, "one waits")
    number = json.loads(office.as_user("root", "--json", "grants").stdout)[0]["id"]
    done = office.as_user("root", "approve", number, "--reason", "x")
    holds(done.returncode == 2 and "while chalkgated runs" in done.stderr, f"{done.returncode} {done.stderr}")
    office.resolver = place.resolver()
    same(office.rcodes(), ["NXDOMAIN"] * 3, "started")
    same(office.approve(OTHER, number).returncode, 0, "approved")
    same(office.rcodes(), ["NOERROR", "NXDOMAIN", "NXDOMAIN"], "approved")
    whole(office)


def test_killed_at_each_step(place):
    """An approval that is on record counts, wherever the process was killed after it; one that is not has changed nothing."""
    need("strace")
    office = Lists(place)
    for call, when in (("fdatasync", 1), ("renameat", 1), ("renameat", 2), ("fdatasync", 2)):
        number = office.ask(MANAGER, "banner", "popup")
        process = office.resolver.process
        tracer = place.start("strace", "-f", "-o", "/dev/null", "-p", process.pid, "-e", f"trace={call}", "-e",
                             f"inject={call}:signal=SIGKILL:when={when}")
        wait_for("strace has it", lambda: "TracerPid:\t0" not in pathlib.Path(f"/proc/{process.pid}/status").read_text())
        done = office.approve(OTHER, number)
        what = f"killed at {call} {when}: {done.returncode} {done.stderr}"
        holds(done.returncode != 0, what)
        process.wait(30)
        same(process.returncode, -signal.SIGKILL, what)
        tracer.wait(30)
        office.resolver = place.resolver()
        entries = office.changes()
        approved = [one for one in entries if one["action"] == "approve" and one["target"] == f"request {number}"]
        same(len(approved), int((call, when) != ("fdatasync", 1)), what)
        if approved:
            same(office.rcodes(), ["NOERROR", "NXDOMAIN", "NXDOMAIN"], what)
            same((waiting(office), office.files()), ([], []), what)
            same([one["action"] for one in entries[-3:]], ["approve", "lists-adopt", "start"], what)
            same(office.take(MANAGER, "tracker", "banner", "popup").returncode, 0, "back")
        else:
            same(([one["id"] for one in waiting(office)], len(office.files())), ([number], 1), what)
        same(office.rcodes(), ["NXDOMAIN"] * 3, what)
        whole(office)
    holds("lists-found" not in office.actions(), "each was noted")


def test_overtaken_after_a_kill(place):
    """Other lists come into force while none runs, after a word that a kill left without effect: it is past, and does not wait."""
    need("strace")
    office = Lists(place)
    number = office.ask(MANAGER, "banner", "popup")
    process = office.resolver.process
    tracer = place.start("strace", "-f", "-o", "/dev/null", "-p", process.pid, "-e", "trace=renameat", "-e",
                         "inject=renameat:signal=SIGKILL:when=1")
    wait_for("strace has it", lambda: "TracerPid:\t0" not in pathlib.Path(f"/proc/{process.pid}/status").read_text())
    holds(office.approve(OTHER, number).returncode != 0, "killed")
    process.wait(30)
    tracer.wait(30)
    same(office.take("root", "tracker", "banner", "popup", "more").returncode, 0, "more names, without a resolver")
    office.resolver = place.resolver()
    same((waiting(office), office.files()), ([], []), "what waits")
    holds("lists-superseded" in office.actions() and "lists-failed" not in office.actions(), office.actions())
    same(office.rcodes(), ["NXDOMAIN"] * 3, "in force")
    whole(office)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    lab.main()
