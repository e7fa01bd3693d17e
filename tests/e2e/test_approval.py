"""What waits for a second manager, while all else goes on: edits, reloads in crowds, a kill, keys that need a restart."""
import json
import os
import pwd
import subprocess
import sys

import lab
from lab import Skip, holds, need, same, wait_for
from test_roles import MANAGER, OTHER, PLAIN, SERVICE, VIEWER, Office, edit

APPROVAL = "  requires-approval: true\n"


def waiting(office):
    done = office.as_user(VIEWER, "--json", "grants")
    return [one for one in json.loads(done.stdout) if one["state"] == "pending"] if done.returncode == 0 else []


def whole(office):
    same(json.loads(office.as_user(VIEWER, "--json", "changes", "verify").stdout)["whole"], True, "the chain")


def begin_as(office, user, *arguments):
    """Runs `chalkgate` as this user, beside whatever else goes on."""
    return subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", str(office.command), "--config",
                             str(office.place.config_path), *map(str, arguments)], cwd="/", text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


REFUSALS = ("it was you who asked", "does not wait", "there is no grant", "edited since", "no manager has asked")


def test_grants_wait_in_a_storm_of_reloads(place):
    """While grants are asked for, files edited, reloads asked and signalled, and two managers confirm the same requests at
    once: each request is there until it is confirmed, once, by somebody else than who asked; and the chain verifies."""
    office = Office(place, more=APPROVAL)
    text, ends = place.config_path.read_text(), []
    for turn in range(5):
        known = waiting(office)
        crowd = [begin_as(office, who, "allow", f"{who}{turn}.example", "--group", "pupils", "--for", "1h", "--reason", "x")
                 for who in (MANAGER, OTHER)]
        crowd += [begin_as(office, who, "approve", one["id"], "--reason", "fine") for one in known for who in (MANAGER, OTHER)]
        # Every other file is stricter than the first, the others loosen what is in force and wait.
        denied = '"deny": ["d.example", "ads", ' if turn % 2 else '"deny": ['
        fresh = place.write("fresh.yaml", text.replace('"deny": ["ads", ', denied))
        fresh.rename(place.config_path)
        crowd += [begin_as(office, who, "reload", "--reason", f"turn {turn}") for who in (MANAGER, OTHER)]
        for _ in range(5):
            office.resolver.signal(1)
        same(office.resolver.ask("open.example").rcode, "NOERROR", "a question in between")
        outcomes = [(one.communicate(), one.returncode) for one in crowd]
        for (out, err), code in outcomes[:2]:
            holds(code == 0 and "waits for another manager" in out, f"asked: {code} {out}{err}")
        for (_, err), code in outcomes[2:2 + 2 * len(known)]:
            holds(code == 0 or any(one in err for one in REFUSALS), f"refused: {code} {err}")
        ends += [code for _, code in outcomes[2:2 + 2 * len(known)]]
    place.config_path.write_text(text)
    office.resolver.stop()
    office.resolver = place.resolver()
    entries = office.changes()
    asked = {one["after"]["id"]: one for one in entries if one["action"] == "allow"}
    same(len(asked), 10, "requests on record")
    confirmed = [one for one in entries if one["action"] == "approve"]
    targets = [(one.get("before") or {}).get("id") for one in confirmed]
    ids = [one for one in targets if one]
    same(len(ids), len(set(ids)), f"none was confirmed twice: {ids}")
    same(len(confirmed), ends.count(0), "each word that was taken is on record, and no other one")
    for one in confirmed:
        if one.get("before"):
            holds(asked[one["before"]["id"]]["by"]["user"] != one["by"]["user"], f"their own: {one}")
    left = {one["id"] for one in waiting(office) if one["kind"] == "allow"}
    same(left | set(ids), set(asked), "what was asked for waits, or was confirmed")
    same(left & set(ids), set(), "not both")
    active = json.loads(office.as_user(VIEWER, "--json", "grants").stdout)
    same({one["id"] for one in active if one["state"] == "active"}, set(ids), "in force")
    whole(office)


def test_reloads_in_crowds(place):
    """Whoever reloads when, one request waits at most, it is the last one, and only what it shows can be approved."""
    office = Office(place, more=APPROVAL)
    ask, text, last = office.resolver.ask, place.config_path.read_text(), None
    for turn in range(4):
        place.config_path.write_text(text.replace('"deny": ["ads", ', f'"allow": ["n{turn}.example"], "deny": ['))
        same(office.as_user(MANAGER, "reload", "--reason", f"turn {turn}").returncode, 0, "asked")
        for _ in range(3):
            office.resolver.signal(1)
        now = waiting(office)
        same([(one["by"], one["reason"]) for one in now], [(MANAGER, f"turn {turn}")], "what waits")
        if last:
            done = office.as_user(OTHER, "approve", last, "--reason", "late")
            holds(done.returncode and "there is no grant" in done.stderr, f"superseded: {done.stdout}{done.stderr}")
        last = now[0]["id"]
    same(ask("tracker.example").rcode, "NXDOMAIN", "nothing was approved")

    # All at once: two who reload, one who edits and one who approves whatever waits.
    def begin(user, *arguments):
        return begin_as(office, user, *arguments)

    approved = []
    for turn in range(6):
        looser = text.replace('"deny": ["ads", ', f'"allow": ["m{turn}.example"], "deny": [')
        fresh = place.write("fresh.yaml", looser)
        crowd = [begin(MANAGER, "reload", "--reason", "x"), begin(OTHER, "approve", str(last), "--reason", "x")]
        fresh.rename(place.config_path)
        crowd.append(begin(MANAGER, "reload", "--reason", "y"))
        office.resolver.signal(1)
        outcomes = [one.communicate() + (one.returncode,) for one in crowd]
        if outcomes[1][2] == 0:
            approved.append(last)
        else:
            holds("has been edited since" in outcomes[1][1] or "there is no grant" in outcomes[1][1], f"refused: {outcomes[1]}")
        now = waiting(office)
        holds(len(now) <= 1, f"{len(now)} wait")
        last = now[0]["id"] if now else last
    # A request that was approved is the only way in which a name came to be allowed.
    entries = office.changes()
    asked = {one["after"]["id"]: json.dumps(one["after"]["loosens"]) for one in entries if one["action"] == "reload-asked"}
    holds(not approved or any("category:ads" in asked[one] for one in approved), f"{approved} of {asked}")
    same(ask("tracker.example").rcode, "NOERROR" if approved else "NXDOMAIN", f"in force; approved were {approved}")
    whole(office)


def test_edited_a_second_time(place):
    """An approval of a file that has been edited since takes nothing of it: not what goes on record either."""
    office = Office(place, more=APPROVAL + "recording: {pseudonyms: true}\n")
    edit(place, '"deny": ["ads", ', '"deny": [')
    holds("waits for a second manager" in office.as_user(MANAGER, "reload", "--reason", "adverts again").stdout, "it waits")
    number = waiting(office)[0]["id"]
    edit(place, "recording: {pseudonyms: true}\n", "")
    done = office.as_user(OTHER, "approve", number, "--reason", "fine")
    holds(done.returncode == 2 and "has been edited since" in done.stderr, f"{done.returncode} {done.stderr}")
    same(office.resolver.ask("tracker.example").rcode, "NXDOMAIN", "in force")
    record = wait_for("the record", lambda: place.denials("--name", "tracker.example"))[-1]
    holds(record["client"].startswith("device-"), f"recorded as before: {record}")
    same(office.as_user(MANAGER, "reload", "--reason", "and their addresses").returncode, 0, "asked anew")
    now = waiting(office)
    same([one["reason"] for one in now], ["and their addresses"], "what waits")
    same(office.as_user(OTHER, "approve", now[0]["id"], "--reason", "both").returncode, 0, "approved")
    same(office.resolver.ask("tracker.example").rcode, "NOERROR", "in force")
    whole(office)


def test_killed_between_approval_and_reload(place):
    """Once an approval is on record it counts, though the process ended before anything else was done."""
    need("strace")
    office = Office(place, more=APPROVAL)
    edit(place, '"deny": ["ads", ', '"deny": [')
    same(office.as_user(MANAGER, "reload", "--reason", "adverts again").returncode, 0, "asked")
    number = waiting(office)[0]["id"]
    office.resolver.stop()
    office.resolver = place.resolver(before=("strace", "-f", "-o", "/dev/null", "-P", place.state / "approved.yaml.new", "-e",
                                             "trace=openat", "-e", "inject=openat:signal=SIGKILL"))
    same(office.resolver.ask("tracker.example").rcode, "NXDOMAIN", "before")
    holds(office.as_user(OTHER, "approve", number, "--reason", "looked at it").returncode != 0, "the daemon was killed")
    office.resolver.process.wait()
    kept = (place.state / "approved.yaml").read_text()
    holds("ads" in kept.split("groups:")[1].split("deny:")[1][:40], "what was kept for the next start is of before")
    office.resolver = place.resolver()
    same(office.resolver.ask("tracker.example").rcode, "NOERROR", "approved")
    same(waiting(office), [], "what waits")
    holds("waits for a second manager" not in office.resolver.log(), office.resolver.log())
    same([one["action"] for one in office.changes()[-2:]], ["approve", "start"], "on record")
    # It counts for this file only, and once: what was in force between is not in force again.
    edit(place, '"deny": [', '"deny": ["ads", ')
    same(office.as_user(MANAGER, "reload", "--reason", "no adverts").returncode, 0, "tightened")
    edit(place, '"deny": ["ads", ', '"deny": [')
    office.resolver.kill()
    office.resolver = place.resolver()
    same(office.resolver.ask("tracker.example").rcode, "NXDOMAIN", "loosened again by hand")
    same(len(waiting(office)), 1, "what waits")
    whole(office)


def test_keys_that_need_a_restart(place):
    """Ports, workers and the user are told of when a file waits, when it is approved, and until the restart; then followed."""
    office = Office(place, more=APPROVAL)
    before = place.port
    edit(place, '"deny": ["ads", ', '"deny": [')
    place.port = place.free_port()
    edit(place, f"127.0.0.1:{before}", f"127.0.0.1:{place.port}")
    edit(place, "workers: 2", "workers: 3")
    sentence = f"`listen` and `workers` have changed in {place.config_path}: that takes effect with a restart"
    done = office.as_user(MANAGER, "reload", "--reason", "adverts again")
    holds("waits for a second manager" in done.stdout and f"Warning: {sentence}" in done.stdout, done.stdout)
    number = waiting(office)[0]["id"]
    # A start binds what the file says, whoever has to confirm the rest.
    office.resolver.stop()
    office.resolver = place.resolver()
    same(office.resolver.ask("tracker.example").rcode, "NXDOMAIN", "on the new port, by the policy of before")
    shown = office.as_user(PLAIN, "status").stdout
    holds("`listen` and `workers` have changed in" in shown and "followed at the start" in shown, shown)
    same(waiting(office)[0]["id"], number, "what waits")
    done = office.as_user(OTHER, "approve", number, "--reason", "fine")
    holds(done.returncode == 0 and "Warning" not in done.stdout, done.stdout + done.stderr)
    same(office.resolver.ask("tracker.example").rcode, "NOERROR", "approved")
    same(json.loads(office.as_user(PLAIN, "--json", "status").stdout)["warnings"], [], "nothing left to say")
    # Approved while it runs: said, until the restart.
    edit(place, "workers: 3", "workers: 1")
    edit(place, '"deny": [', '"allow": ["tracker.example"], "deny": ["ads", ')
    same(office.as_user(MANAGER, "reload", "--reason", "one for all").returncode, 0, "asked")
    same(len(waiting(office)), 1, "an exception loosens")
    sentence = f"`workers` has changed in {place.config_path}: that takes effect with a restart"
    done = office.as_user(OTHER, "approve", waiting(office)[0]["id"], "--reason", "fine")
    holds(f"Warning: {sentence}" in done.stdout, done.stdout + done.stderr)
    holds(sentence in office.as_user(PLAIN, "status").stdout, "status")
    office.resolver.stop()
    office.resolver = place.resolver()
    shown = office.as_user(PLAIN, "status").stdout
    holds("1 worker\n" in shown and "has changed" not in shown, shown)
    # Another state folder waits for a restart; the request can be approved all the same.
    edit(place, f"state: {place.state}", f"state: {place.folder}/other")
    edit(place, '"allow": ["tracker.example"], ', "")
    edit(place, '"deny": ["ads", ', '"deny": [')
    place.config_path.write_text(place.config_path.read_text() + "deny-ttl: 11s\n")
    reply = office.place.run("setpriv", f"--reuid={MANAGER}", f"--regid={MANAGER}", "--init-groups", office.command, "--config",
                             place.config_path, "--state", place.state, "reload", "--reason", "moved", cwd="/")
    holds("`state` has changed" in reply.stdout, reply.stdout + reply.stderr)
    whole_state = ["--state", place.state]
    now = [one for one in json.loads(office.as_user(VIEWER, *whole_state, "--json", "grants").stdout) if one["state"] == "pending"]
    done = office.as_user(OTHER, *whole_state, "approve", now[0]["id"], "--reason", "fine")
    holds(done.returncode == 0 and "`state` has changed" in done.stdout, done.stdout + done.stderr)
    same(office.resolver.ask("tracker.example").rcode, "NOERROR", "approved")


def test_grants_that_wait(place):
    """A grant is approved as the policy is then: not for a category that is sealed or gone meanwhile, and for its whole time."""
    office = Office(place, more=APPROVAL)
    for target in ("category:games", "category:gambling", "tracker.example"):
        done = office.as_user(MANAGER, "allow", target, "--group", "pupils", "--for", "45m", "--reason", "a lesson")
        holds("waits for another manager" in done.stdout, done.stdout + done.stderr)
    office.as_user(MANAGER, "allow", "tracker.example", "--group", "pupils", "--permanent", "--reason", "again")
    place.command("lists", "import", "--category", "gambling", "--reason", "x", place.list_of("gambling", ["casino.example"]))
    edit(place, "  gambling: {title: Gambling}", "  gambling: {title: Gambling, sealed: true}")
    edit(place, '  games: {title: Games}\n', "")
    edit(place, '"deny": ["ads", "games", ', '"deny": ["ads", ')
    done = office.as_user(MANAGER, "reload", "--reason", "sealed")
    request = waiting(office)[-1]
    same(request["kind"], "reload", "a category that goes waits, too")
    same(office.as_user(OTHER, "approve", request["id"], "--reason", "fine").returncode, 0, "approved")
    done = office.as_user(OTHER, "approve", "1", "--reason", "fine")
    holds(done.returncode == 2 and 'there is no category "games"' in done.stderr, done.stdout + done.stderr)
    done = office.as_user(OTHER, "approve", "2", "--reason", "fine")
    holds(done.returncode == 3 and "is sealed" in done.stderr, done.stdout + done.stderr)
    for number in (3, 4):
        same(office.as_user(OTHER, "approve", number, "--reason", "fine").returncode, 0, f"grant {number}")
    same(office.resolver.ask("tracker.example").rcode, "NOERROR", "the exceptions")
    same([one["id"] for one in waiting(office)], [1, 2], "what waits")
    whole(office)


def test_sessions_that_wait(place):
    """A session by hand into a looser group waits, over a kill and reloads; one that is no looser, or of a logon script, not."""
    office = Office(place, more=APPROVAL)
    edit(place, APPROVAL, APPROVAL + f"  automatic-sessions: {{{SERVICE}: [staff]}}\n")
    edit(place, "groups:\n", 'groups:\n  staff: {"subnets": ["127.0.1.0/24"], "deny": ["ads"]}\n'
         '  guests: {"subnets": [], "extends": "pupils", "deny": ["a.example"]}\n')
    office.as_user(MANAGER, "reload", "--reason", "two groups more")
    request = waiting(office)[0]
    same(office.as_user(OTHER, "approve", request["id"], "--reason", "fine").returncode, 0, "who is who")
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["chess.example"]))

    def sign_on(who, group, *more, address="127.0.0.5"):
        return office.as_user(who, "session", "start", "--address", address, "--user", "mary", "--group", group, "--for", "1h",
                              *more)

    def rcode():
        return office.resolver.ask("chess.example", source="127.0.0.5").rcode
    same(rcode(), "NXDOMAIN", "a pupil")
    done = sign_on(MANAGER, "staff")
    holds(done.returncode == 2 and "say why" in done.stderr, f"{done.returncode} {done.stderr}")
    done = sign_on(MANAGER, "staff", "--reason", "at a pupil's desk")
    holds(done.returncode == 0 and "waits for a second manager" in done.stdout and
          "staff instead of pupils: category:games was denied and would be not denied" in done.stdout, done.stdout + done.stderr)
    number = waiting(office)[0]["id"]
    shown = office.as_user(OTHER, "grants").stdout
    holds("mary at 127.0.0.5" in shown and "category:games was denied" in shown, shown)
    holds("1 request waits for a second manager" in office.as_user(PLAIN, "status").stdout, "status")
    holds("pending" in office.as_user(VIEWER, "session", "show").stdout, "sessions")
    done = office.as_user(MANAGER, "approve", number, "--reason", "fine")
    holds(done.returncode == 3 and "another manager" in done.stderr, f"one's own: {done.returncode} {done.stderr}")
    # One that is no looser begins at once, and takes the place of what waits at its address.
    same(sign_on(MANAGER, "guests").returncode, 0, "stricter")
    holds(not waiting(office), f"what waits: {waiting(office)}")
    same(office.resolver.ask("a.example", source="127.0.0.5").rcode, "NXDOMAIN", "a guest")
    sign_on(MANAGER, "staff", "--reason", "at a pupil's desk")
    number = waiting(office)[0]["id"]
    same(rcode(), "NXDOMAIN", "asked for")
    office.resolver.kill()
    office.resolver = place.resolver()
    for _ in range(5):
        office.resolver.signal(1)
    same([one["id"] for one in waiting(office)], [number], "waits after a kill")
    crowd = [begin_as(office, OTHER, "approve", number, "--reason", "saw her") for _ in range(3)]
    outcomes = [one.communicate()[1] + str(one.returncode) for one in crowd]
    same(sum(one == "0" for one in outcomes), 1, f"approved once: {outcomes}")
    same(rcode(), "NOERROR", "approved")
    office.resolver.kill()
    office.resolver = place.resolver()
    same(rcode(), "NOERROR", "after a kill")
    same([one["state"] for one in json.loads(office.as_user(VIEWER, "--json", "session", "show").stdout)], ["active"], "sessions")
    # What is rejected is gone; an end waits for nobody.
    same(office.as_user(MANAGER, "session", "end", "--user", "mary").returncode, 0, "signed off")
    same(rcode(), "NXDOMAIN", "signed off")
    sign_on(MANAGER, "staff", "--reason", "again")
    number = waiting(office)[0]["id"]
    same(office.as_user(OTHER, "revoke", number, "--reason", "not here").returncode, 0, "rejected")
    done = office.as_user(OTHER, "approve", number, "--reason", "or is she")
    holds(done.returncode == 4 and "there is no grant" in done.stderr, f"rejected: {done.returncode} {done.stderr}")
    # The logon script's; and not when a person signed on behind it.
    same(sign_on(SERVICE, "staff").returncode, 0, "a logon script")
    same(rcode(), "NOERROR", "by a logon script")
    actions = [one["action"] for one in office.changes() if one["action"].startswith(("session", "approve", "revoke"))]
    same(actions, ["approve", "session-asked", "session-start", "session-asked", "approve", "session-end", "session-asked",
                   "revoke", "session-start"], "on record")
    with open("/proc/self/loginuid", encoding="ascii") as file:
        if file.read().strip() == "4294967295":
            done = office.as_user(SERVICE, "session", "start", "--address", "127.0.0.6", "--user", "joe", "--group", "staff",
                                  "--for", "1h", "--reason", "x", login=MANAGER)
            holds("waits for a second manager" in done.stdout, f"a person behind it: {done.stdout}{done.stderr}")
    whole(office)


# Connects, leaves the connection to a child and ends; somebody else's process gets its number, and only then the child asks.
BORROWER = """
import json, os, socket, sys, time
path, uid, other, request = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
go, mine = os.pipe()
said, back = os.pipe()
parent = os.fork()
if parent == 0:
    os.setgroups(json.loads(sys.argv[5]))
    os.setgid(uid)
    os.setuid(uid)
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    if os.fork() == 0:
        os.read(go, 1)
        sock.sendall(request.encode() + b"\\n")
        os.write(back, sock.recv(65536))
    os._exit(0)
os.waitpid(parent, 0)
for attempt in range(100):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(parent - 1))
    number = os.fork()
    if number == 0:
        with open("/proc/self/loginuid", "w") as file:
            file.write(str(other))
        os.setuid(other)
        time.sleep(30)
        os._exit(0)
    if number == parent:
        break
    os.kill(number, 9)
    os.waitpid(number, 0)
time.sleep(0.2)
os.write(mine, b"x")
print(json.dumps({"same": number == parent, "reply": json.loads(os.read(said, 65536))}))
if number == parent:
    os.kill(number, 9)
"""


def test_a_borrowed_number(place):
    """Whoever leaves a connection to a child, and the number of the process to another manager's, is still who connected."""
    need("setpriv")
    with open("/proc/self/loginuid", encoding="ascii") as file:
        if file.read().strip() != "4294967295" or not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
            raise Skip("numbers of processes, or who signed on, cannot be chosen here")
    office = Office(place, more=APPROVAL)
    same(office.as_user(MANAGER, "allow", "tracker.example", "--group", "pupils", "--for", "45m", "--reason", "x").returncode, 0)
    request = json.dumps({"verb": "approve", "id": waiting(office)[0]["id"], "reason": "fine"})
    me, other = pwd.getpwnam(MANAGER), pwd.getpwnam(OTHER)
    for _ in range(20):  # other programs take numbers, too
        done = place.run(sys.executable, "-c", BORROWER, place.state / "control.sock", me.pw_uid, other.pw_uid, request,
                         json.dumps(os.getgrouplist(MANAGER, me.pw_gid)), expect=0)
        reply = json.loads(done.stdout)
        if reply["same"]:
            break
    holds(reply["same"], "the number was another's before")
    holds("it was you who asked" in reply["reply"].get("error", ""), f"one's own: {reply}")
    same(office.resolver.ask("tracker.example").rcode, "NXDOMAIN", "not approved")
    whole(office)


if __name__ == "__main__":
    lab.main()
