"""Who may do what: a manager, a viewer and somebody with no role, as real users of the operating system."""
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal

import lab
from lab import COMMAND, Skip, holds, need, need_root, same, wait_for
from upstream import Upstream

# Four people and the daemon's own user; the names end with our process id, so that tests side by side differ.
LEFT_OVER = re.compile(r"cg(?:plain|view|mgr|other|srv)(\d+)g?")
PLAIN, VIEWER, MANAGER, OTHER, SERVICE = (f"cg{one}{os.getpid()}" for one in ("plain", "view", "mgr", "other", "srv"))


def is_over(name):
    """Whether this is a user or group of an earlier run, which was killed before it could clean up."""
    found = LEFT_OVER.fullmatch(name)
    if not found:
        return False
    try:
        command = pathlib.Path(f"/proc/{found[1]}/cmdline").read_bytes()
    except OSError:
        return True
    return int(found[1]) != os.getpid() and not any(one in command for one in (b"test_roles", b"test_approval"))


def remove_left_over(place):
    """Takes away what SIGKILL left of earlier runs."""
    for user in [one.pw_name for one in pwd.getpwall() if is_over(one.pw_name)]:
        place.run("userdel", "--force", user)
    for group in [one.gr_name for one in grp.getgrall() if is_over(one.gr_name)]:
        place.run("groupdel", group)


class Ended(Exception):
    """SIGTERM, as a failure of the test that runs: what it made is taken away."""


def end(*unused):
    raise Ended("ended by SIGTERM")


class People:
    """Makes the users and groups, and takes them away again; those of earlier runs, too."""

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        need("useradd", "userdel", "groupadd", "setpriv")
        remove_left_over(self.place)
        for group in (VIEWER, MANAGER):
            self.place.run("groupadd", "--system", group + "g", expect=0)
        for user, groups in ((PLAIN, ""), (VIEWER, VIEWER + "g"), (MANAGER, MANAGER + "g"), (OTHER, MANAGER + "g"),
                             (SERVICE, "")):
            self.place.run("useradd", "--system", "--no-create-home", "--user-group", "--groups", groups, user, expect=0)
        return self

    def __exit__(self, *unused):
        for user in (PLAIN, VIEWER, MANAGER, OTHER, SERVICE):
            self.place.run("userdel", user)
        for group in (VIEWER, MANAGER):
            self.place.run("groupdel", group + "g")


class Office:
    """A running resolver that these people may ask, each as themselves."""

    def __init__(self, place, more=""):
        need_root()
        place.enter(People(place))
        self.place = place
        self.command = place.folder / "bin" / COMMAND.name  # where everybody may run it
        self.command.parent.mkdir()
        shutil.copy2(COMMAND, self.command)
        self.upstream = place.enter(Upstream())
        place.configure(upstreams=[f"127.0.0.1:{self.upstream.port}"], more=f"user: {SERVICE}\nroles:\n"
                        f"  manager: [{MANAGER}g]\n  viewer: [{VIEWER}g]\n" + more)
        place.list_of("ads", ["tracker.example"])
        place.command("lists", "import", "--category", "ads", "--reason", "the test's ground",
                      place.folder / "lists" / "ads.txt")
        self.resolver = place.resolver()

    def as_user(self, user, *arguments, login=None):
        """Runs `chalkgate` as this user, of the given login (what sudo would leave behind)."""
        def sign_on():
            pathlib.Path("/proc/self/loginuid").write_text(str(pwd.getpwnam(login).pw_uid), encoding="ascii")
        prefix = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups"]
        return self.place.run(*(prefix if user != "root" else []), self.command, "--config", self.place.config_path,
                              *arguments, cwd="/", preexec_fn=sign_on if login else None)

    def changes(self):
        return json.loads(self.as_user("root", "--json", "changes").stdout)


    def records(self):
        """A denial on record, by its case code."""
        self.resolver.ask("tracker.example")
        return wait_for("a denial on record", lambda: self.place.denials("--name", "tracker.example"))[0]["case"]


# Each verb with what it is given and who may: A anyone, V viewers and managers, M managers, R root. In order: what
# the first has made, the next may need. Whoever may is answered with 0, or 4 where nothing is there to show.
VERBS = """
A status
A lists show
A lists diff
A lists export ads
A lists catalogue
A lists import --category ads --preview {list}
V why open.example --group pupils
V grants
V policy show
V policy show --document
V changes
V changes verify
V session show
V denials
V denials --format csv
V report
V case {case}
V incident list
V fault list
V selftest
V incident open {case} --reason seen --again
V incident note 1 spoken-to
V incident export 1 --reason for-parents
V incident close 1 --outcome fine
V fault report missed.example --reason seen --should-be blocked
V fault close 1 --outcome listed
M lists import --category ads --reason more {list}
M lists rollback
M allow tracker.example --group pupils --for 45m --reason lesson
M deny other.example --group pupils --until 23:59 --reason lesson
M block-device 127.0.0.9 --for 10m --reason sanction
M session start --address 127.0.0.7 --user mary --group pupils --for 1h
M session end --user mary
M revoke 1 --reason over
M approve 1 --reason fine
M flush
M flush tracker.example
M reload --reason edited
R backup {folder}/backup.tar
R restore {folder}/backup.tar
V questions
V questions --each --reason x
M reveal device-0000-0000 --reason x
"""
WAITING = ("incident note", "incident close", "incident export", "fault close", "approve")


def test_each_verb_by_each(place):
    office = Office(place)
    fill = {"list": place.folder / "lists" / "ads.txt", "case": office.records(), "folder": place.folder}
    for line in VERBS.strip().split("\n"):
        who, rest = line.split(" ", 1)
        for user, rank in ((PLAIN, "A"), (VIEWER, "AV"), (MANAGER, "AVM")):
            done = office.as_user(user, *rest.format(**fill).split(" "))
            told = f"{rest} by {user}: {done.returncode}\n{done.stdout}{done.stderr}"
            if who in rank:
                again = user == MANAGER and rest.startswith(WAITING)  # the viewer has closed it already
                holds(done.returncode in ((0, 2, 4) if again else (0, 4)), told)
                continue
            same(done.returncode, 3, told)
            holds(f"{user} may not do this: it needs the role" in done.stderr or who == "R" and user == MANAGER and
                  "use sudo" in done.stderr, told)
    refused = {(one["by"]["user"], one["target"]) for one in office.changes() if one["action"] == "refused"}
    for verb in ("why", "grants", "policy", "changes", "changes-verify", "denials", "report", "case", "selftest",
                 "incident-open", "fault-report"):
        holds((PLAIN, verb) in refused, f"{verb} refused to {PLAIN} is not on record: {refused}")
        holds((VIEWER, verb) not in refused, f"{verb} was refused to a viewer")
    for verb in ("lists-adopt", "lists-rollback", "grant", "block-device", "session-start", "session-end", "revoke",
                 "approve", "flush", "reload", "backup", "restore"):
        holds({(PLAIN, verb), (VIEWER, verb)} <= refused, f"{verb} refused is not on record: {refused}")
    holds(not [one for one in refused if one[0] == MANAGER], f"a manager was refused: {refused}")
    same(json.loads(office.as_user(VIEWER, "--json", "changes", "verify").stdout)["whole"], True, "the chain")


def test_nothing_was_done_for_them(place):
    """What is refused has no effect; files of the records are as private as the verbs."""
    office = Office(place)
    office.records()
    for user in (PLAIN, VIEWER):
        same(office.as_user(user, "allow", "tracker.example", "-g", "pupils", "--permanent", "-r", "x").returncode, 3, user)
    same(office.resolver.ask("tracker.example").rcode, "NXDOMAIN", "a refused exception")
    same(office.as_user(MANAGER, "grants").returncode, 4, "the exceptions on record")
    for path in place.state.rglob("*"):
        if not path.is_file() or path.relative_to(place.state).parts[0] not in ("denials", "journal", "state.mdb"):
            continue
        read = {user: place.run("setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups",
                                "cat", path).returncode == 0 for user in (PLAIN, VIEWER, MANAGER)}
        written = {user: place.run("setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}",
                                   "--init-groups", "test", "-w", path).returncode == 0 for user in (PLAIN, VIEWER, MANAGER)}
        record = path.name != "state.mdb" and "state.mdb" not in path.name
        same(read, {PLAIN: False, VIEWER: record, MANAGER: record}, f"who can read {path.relative_to(place.state)}")
        same(written, {PLAIN: False, VIEWER: False, MANAGER: False}, f"who can write {path.relative_to(place.state)}")


def test_roles_follow_a_reload(place):
    """Who is a viewer is what the configuration says now, for files as well."""
    office = Office(place)
    office.records()
    same(office.as_user(VIEWER, "denials").returncode, 0, "a viewer")
    text = place.config_path.read_text()
    place.config_path.write_text(text.replace(f"  viewer: [{VIEWER}g]\n", ""))
    office.as_user(MANAGER, "reload", "--reason", "nobody views")
    same(office.as_user(VIEWER, "denials").returncode, 3, "nobody's viewer")
    same(office.as_user(VIEWER, "grants").returncode, 3, "nobody's viewer")
    same(office.as_user(MANAGER, "denials").returncode, 0, "a manager")


def test_who_signed_on(place):
    """The change log names the login behind sudo; without a word of its own the operating-system user."""
    office = Office(place)
    with open("/proc/self/loginuid", encoding="ascii") as file:
        if file.read().strip() != "4294967295":
            raise Skip("this process has a login already")
    done = office.as_user("root", "deny", "a.example", "-g", "pupils", "--for", "1h", "-r", "a lesson", login=OTHER)
    same(done.returncode, 0, done.stderr)
    by = office.changes()[-1]["by"]
    same((by["user"], by["uid"], by["login"]), ("root", 0, OTHER), "who it was")
    if shutil.which("sudo"):  # the real one, from root's shell: nobody signed on for it but the login stays
        def sign_on():
            pathlib.Path("/proc/self/loginuid").write_text(str(pwd.getpwnam(OTHER).pw_uid), encoding="ascii")
        done = place.run("sudo", "-n", "-u", MANAGER, office.command, "--config", place.config_path, "deny", "c.example",
                         "-g", "pupils", "--for", "1h", "-r", "by sudo", cwd="/", preexec_fn=sign_on)
        same(done.returncode, 0, done.stderr)
        by = office.changes()[-1]["by"]
        same((by["user"], by["login"]), (MANAGER, OTHER), "who it was, by sudo")
    done = office.as_user(PLAIN, "deny", "b.example", "-g", "pupils", "--for", "1h", "-r", "a lesson", login=MANAGER)
    same(done.returncode, 3, "the login of a manager is no role: " + done.stderr)
    last = office.changes()[-1]
    same((last["action"], last["by"]["user"], last["by"]["login"]), ("refused", PLAIN, MANAGER), "who it was")


def edit(place, before, after):
    text = place.config_path.read_text()
    holds(before in text, f"{before} in the configuration")
    place.config_path.write_text(text.replace(before, after))


def test_a_second_manager_for_a_reload(place):
    """A configuration that loosens the policy waits for another manager, however it comes; one that does not, does not."""
    office = Office(place, more="  requires-approval: true\n")
    ask, resolver = office.resolver.ask, office.resolver
    edit(place, '"deny": ["ads", ', '"deny": [')
    done = office.as_user(MANAGER, "reload", "--reason", "adverts again")
    same(done.returncode, 0, done.stderr)
    holds("waits for a second manager" in done.stdout and "category:ads was denied and would be not denied" in done.stdout,
          done.stdout)
    same(ask("tracker.example").rcode, "NXDOMAIN", "what was in force stays in force")
    last = office.changes()[-1]
    same((last["action"], last["by"]["login"], last["reason"]), ("reload-asked", MANAGER, "adverts again"), "the entry")
    waiting = json.loads(office.as_user(MANAGER, "--json", "grants").stdout)
    same([(one["kind"], one["state"], one["by"]) for one in waiting], [("reload", "pending", MANAGER)], "what waits")
    number = waiting[0]["id"]
    # A signal is the word of one person, too; and asked again it is the same request.
    resolver.signal(1)
    wait_for("the signal was taken", lambda: resolver.log().count("waits for a second manager") == 2)
    same(ask("tracker.example").rcode, "NXDOMAIN", "after SIGHUP")
    same(len(json.loads(office.as_user(MANAGER, "--json", "grants").stdout)), 1, "requests that wait")
    done = office.as_user(MANAGER, "approve", number, "--reason", "fine by me")
    same(done.returncode, 3, "one's own request: " + done.stdout)
    holds("another manager" in done.stderr, done.stderr)
    same(office.as_user(VIEWER, "approve", number, "--reason", "fine").returncode, 3, "a viewer")
    # What was asked for is what is approved.
    whole = place.config_path.read_text()
    edit(place, "requires-approval: true", "requires-approval: false")
    done = office.as_user(OTHER, "approve", number, "--reason", "looked at it")
    holds(done.returncode == 2 and "has been edited since" in done.stderr, f"{done.returncode} {done.stderr}")
    same(ask("tracker.example").rcode, "NXDOMAIN", "after an approval of something else")
    place.config_path.write_text(whole)
    done = office.as_user(OTHER, "approve", number, "--reason", "looked at it")
    same(done.returncode, 0, done.stderr)
    same(ask("tracker.example").rcode, "NOERROR", "approved")
    last = office.changes()[-1]
    same((last["action"], last["by"]["login"]), ("approve", OTHER), "the entry")
    same(office.as_user(OTHER, "grants").returncode, 4, "what waits")
    # Tightening takes one.
    edit(place, '"deny": [', '"deny": ["ads", ')
    done = office.as_user(MANAGER, "reload", "--reason", "no adverts")
    holds(done.returncode == 0 and "waits" not in done.stdout, done.stdout + done.stderr)
    same(ask("tracker.example").rcode, "NXDOMAIN", "tightened")
    # Doing away with the second manager takes a second manager.
    edit(place, "requires-approval: true", "requires-approval: false")
    holds("would no longer be asked" in office.as_user(MANAGER, "reload", "--reason", "tired").stdout, "no second manager")
    same(office.as_user(MANAGER, "revoke", number + 1, "--reason", "on second thoughts").returncode, 0, "withdrawn")
    same(json.loads(office.as_user(VIEWER, "--json", "changes", "verify").stdout)["whole"], True, "the chain")


def test_a_second_manager_for_a_restart(place):
    """A start with a configuration that loosens keeps what was in force, and asks; killed or not, state.mdb whole or not."""
    office = Office(place, more="  requires-approval: true\n")
    kept, whole = place.state / "approved.yaml", place.config_path.read_text()
    same(oct(kept.stat().st_mode & 0o777), "0o600", "the mode of what was approved")

    def start(rcode, what):
        office.resolver.kill()
        office.resolver = place.resolver()
        same(office.resolver.ask("tracker.example").rcode, rcode, what)
        return office.resolver.log()

    def waiting():
        done = office.as_user(VIEWER, "--json", "grants")
        return [(one["id"], one["by"], one["state"]) for one in json.loads(done.stdout)] if done.returncode == 0 else []

    edit(place, '"deny": ["ads", ', '"deny": [')
    place.config_path.write_text("workers: 3\n" + re.sub(r"(?m)^workers: .*\n", "", place.config_path.read_text()))
    log = start("NXDOMAIN", "started with a looser file")
    holds("waits for a second manager" in log, log)
    same(waiting(), [(1, "the system at start", "pending")], "what waits")
    asked = [one for one in office.changes() if one["action"] == "reload-asked"]
    same([one["by"]["login"] for one in asked], ["the system at start"], "on record")
    holds("category:ads was denied" in json.dumps(asked[0]["after"]["loosens"]), f"what it loosens: {asked}")
    holds("would loosen the policy and waits" in office.as_user(PLAIN, "status").stdout, "status is silent")
    start("NXDOMAIN", "once more")
    same(waiting(), [(1, "the system at start", "pending")], "the same request")
    # It takes two, so a start counts for nobody: a manager has to want it before another one can confirm it.
    done = office.as_user(OTHER, "approve", 1, "--reason", "fine")
    holds(done.returncode == 3 and "no manager has asked for it yet" in done.stderr, f"{done.returncode} {done.stderr}")
    same(office.as_user(MANAGER, "reload", "--reason", "adverts again").returncode, 0, "asked by a manager")
    same(waiting(), [(2, MANAGER, "pending")], "what waits")
    start("NXDOMAIN", "asked for, not approved")
    same(waiting(), [(2, MANAGER, "pending")], "a start leaves a manager's request alone")
    # Without its database it can ask nobody.
    database = place.state / "state.mdb"
    office.resolver.kill()
    octets = database.read_bytes()
    database.write_bytes(octets[:5000])
    log = start("NXDOMAIN", "with a damaged state.mdb")
    holds("what was in force before is in force" in log, log)
    office.resolver.kill()
    database.write_bytes(octets)
    start("NXDOMAIN", "with state.mdb again")
    done = office.as_user(OTHER, "approve", 2, "--reason", "looked at it")
    same(done.returncode, 0, done.stderr)
    same(office.resolver.ask("tracker.example").rcode, "NOERROR", "approved")
    holds("waits" not in office.as_user(PLAIN, "status").stdout, "status after the approval")
    log = start("NOERROR", "what was approved is what a start begins with")
    holds("waits for a second manager" not in log, log)
    # A tighter file needs nobody, also at a start, and is then what a looser one is held against.
    place.config_path.write_text(whole)
    start("NXDOMAIN", "tightened")
    edit(place, "requires-approval: true", "requires-approval: false")
    holds("waits for a second manager" in start("NXDOMAIN", "without the second manager"), "doing away with it")
    # Half of what was kept would be a looser policy, so it is none: the file counts, and that is on record.
    office.resolver.kill()
    kept.write_text(kept.read_text()[:-30])
    log = start("NXDOMAIN", "a damaged approved.yaml")
    holds("it is damaged" in log, log)
    same(len([one for one in office.changes() if one["action"] == "start-unapproved"]), 1, "the entry")
    same(kept.exists(), False, "kept where nobody wants approval")
    same(json.loads(office.as_user(VIEWER, "--json", "changes", "verify").stdout)["whole"], True, "the chain")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    lab.main()
