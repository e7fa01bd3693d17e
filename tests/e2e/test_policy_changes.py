"""The policy under change: grants and reloads under load, a full disk, damaged state, ten thousand grants."""
import collections
import json
import re
import socket
import struct
import threading

import dns
import lab
from lab import holds, need, same, wait_for
from upstream import Upstream

# Each policy denies the aliases below: one by the name that is asked, the other by the name it leads to. Judged by
# parts of both, they would be answered.
ASKED, TARGET = "cloaked.example", "target.example"


def alias(number):
    return f"n{number}-_-target-_-example.{ASKED}"


def ask_daemon(place, **request):
    """What `chalkgate` says on the control socket, without a process for it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect(str(place.state / "control.sock"))
        control.sendall(json.dumps(request).encode() + b"\n")
        answer = b"".join(iter(lambda: control.recv(65536), b""))
    return json.loads(answer)


class Changes(threading.Thread):
    """Grants and reloads, one after the other, until it is told to stop."""

    def __init__(self, place, policies):
        super().__init__()
        self.place, self.policies, self.stopped, self.count, self.faults = place, policies, threading.Event(), 0, []

    def change(self, **request):
        answer = ask_daemon(self.place, reason="a change", **request)
        self.count += 1
        if not answer["ok"]:
            self.faults.append(answer)
        return answer

    def run(self):
        turn = 0
        while not self.stopped.is_set():
            turn += 1
            self.place.config_path.write_text(self.policies[turn % 2])
            self.change(verb="reload")
            made = self.change(verb="grant", kind="deny", target=f"other{turn}.example", group="pupils", seconds=600)
            if turn % 2:
                self.change(verb="revoke", id=made["grant"]["id"])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stopped.set()
        self.join()


def test_changes_under_load(place):
    """Hundreds of changes a minute under dnsperf: nothing lost, nothing judged by two policies at once."""
    need("dnsperf")
    upstream = place.enter(Upstream())
    policies = []
    for denied in ("asked", "target"):
        place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], categories=("asked", "target"),
                        groups={"pupils": (["127.0.0.0/8"], [denied])})
        policies.append(place.config_path.read_text())
    for category, name in (("asked", ASKED), ("target", TARGET)):
        place.command("lists", "import", "--category", category, "--reason", "x", place.list_of(category, [name]))
    place.resolver()
    queries = place.write("queries", "".join(f"{alias(at)} A\nhot{at % 50}.site.example A\n" for at in range(500)))
    with Changes(place, policies) as changes:
        runs = []
        while changes.count < 30 and not changes.faults and len(runs) < 12:  # in one of them where nothing else runs
            runs.append(place.run("dnsperf", "-s", "127.0.0.1", "-p", place.port, "-d", queries, "-l", "8", "-Q", "1000",
                                  "-c", "4", expect=0).stdout)
    same(changes.faults[:3], [], "changes that failed")
    holds(changes.count >= 30, f"only {changes.count} changes beside {len(runs)} runs of dnsperf")
    codes = collections.Counter()
    for text in runs:
        holds("Queries lost:         0 " in text, text)
        for word, count in re.findall(r"([A-Z]+) (\d+) \(", text.split("Response codes:")[1]):
            codes[word] += int(count)
    same(set(codes), {"NXDOMAIN", "NOERROR"}, "response codes")
    holds(abs(codes["NXDOMAIN"] - codes["NOERROR"]) <= len(runs), f"answered by a mixture: {codes}")
    # What each refusal says it was refused by was in force in the version that it is stamped with.
    records = wait_for("records", lambda: recorded(place, codes["NXDOMAIN"]), pause=0.5)
    versions, denied_in = sorted({one["policy-version"] for one in records}), {}
    holds(len(versions) > 10, f"only {len(versions)} versions refused something")
    for version in versions[::len(versions) // 10]:
        rows = ask_daemon(place, verb="policy", version=version)["rows"]
        denied_in[version] = {row["target"][9:] for row in rows if row["target"].startswith("category:") and
                              any(rule[0] == "deny" for rule in row["rules"])}
    for one in records:
        if one["policy-version"] not in denied_in:
            continue
        same({one["category"]}, denied_in[one["policy-version"]], f"denied in version {one['policy-version']}: {one}")
    same(place.json("changes", "verify")["whole"], True, "the chain")


def recorded(place, count):
    records = place.denials()
    return records if sum(one.get("count", 1) for one in records) == count else None


def ground(place, **more):
    """A resolver with a listed name, and one exception on record."""
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], **more)
    place.command("lists", "import", "--category", "ads", "--reason", "x",
                  place.list_of("ads", ["tracker.example", "chess.example"]))
    resolver = place.resolver()
    place.command("allow", "chess.example", "--group", "pupils", "--for", "2h", "--reason", "a lesson")
    verdicts(resolver, chess="NOERROR")
    return resolver


def verdicts(resolver, chess):
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "a listed name")
    same(resolver.ask("chess.example").rcode, chess, "the name of the exception")
    same(resolver.ask("hot.site.example").rcode, "NOERROR", "any other name")


def test_full_disk(place):
    """No room for a change: said, nothing half done, what was decided stays; with room again it works."""
    with place.small_state("56m"):  # six files of the journal have 48
        resolver = ground(place)
        before = len(place.json("changes"))
        ballast = place.state / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    pass
        refused = None
        for at in range(300):  # the file has some room of its own
            done = place.command("deny", f"n{at}.example", "-g", "pupils", "--permanent", "-r", "x" * 400, expect=None)
            if done.returncode:
                refused = at
                break
        same(done.returncode, 1, f"after {at} changes: {done.stderr}")
        holds("is full; nothing was changed" in done.stderr, done.stderr)
        verdicts(resolver, chess="NOERROR")
        same(resolver.ask(f"n{refused}.example").rcode, "NOERROR", "what was not recorded is not in force")
        same(len(place.json("changes")), before + refused, "entries")
        same(place.json("changes", "verify")["whole"], True, "the chain")
        ballast.unlink()
        place.command("deny", "late.example", "-g", "pupils", "--for", "1h", "-r", "with room")
        same(resolver.ask("late.example").rcode, "NXDOMAIN", "with room again")
        same(resolver.stop(), 0, "the exit code")
        verdicts(place.resolver(), chess="NOERROR")


def test_damaged_state(place):
    """Whatever became of state.mdb: the resolver starts and filters, and says what is the matter; put back, all is there."""
    resolver = ground(place)
    same(resolver.stop(), 0, "the exit code")
    path = place.state / "state.mdb"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    for at in range(4096 * 2, len(whole), 97):
        flipped[at] ^= 0xff
    for what, octets in {"octets flipped": bytes(flipped), "cut": whole[:len(whole) // 2 - 100], "rubbish": b"x" * 50000,
                         "a folder": None, "closed to us": b""}.items():
        path.unlink()
        if octets is None:
            path.mkdir()
        else:
            path.write_bytes(octets or whole)
        if not octets:
            path.chmod(0)
        resolver = place.resolver()
        verdicts(resolver, chess="NXDOMAIN")
        log = resolver.log()
        holds("state.mdb" in log and "the configuration's rules are" in log, f"{what}: {log}")
        done = place.command("allow", "chess.example", "-g", "pupils", "--for", "1h", "-r", "x", expect=1)
        holds("changes cannot be recorded, so they are refused" in done.stderr, f"{what}: {done.stderr}")
        holds("state.mdb" in place.command("status").stdout, f"{what}: status is silent")
        same(resolver.stop(), 0, f"{what}: the exit code")
        if octets is None:
            path.chmod(0o700)
            path.rmdir()
            path.touch()
        path.chmod(0o600)
    path.unlink()
    resolver = place.resolver()
    holds("is not there, though chalkgated has run here before" in resolver.log(), resolver.log())
    verdicts(resolver, chess="NXDOMAIN")
    resolver.stop()
    path.write_bytes(whole)
    verdicts(place.resolver(), chess="NOERROR")
    same(place.json("changes", "verify")["whole"], True, "the chain")


def ask_all(resolver, names):
    """The answer code of each name, over one connection."""
    with socket.create_connection(("127.0.0.1", resolver.port), timeout=60) as sock:
        wires = (dns.query(name, ident=ident) for ident, name in enumerate(names))
        sender = threading.Thread(target=sock.sendall, args=(b"".join(struct.pack(">H", len(one)) + one for one in wires),))
        sender.start()
        answers = [dns.Message(dns.tcp_read(sock)) for _ in names]
        sender.join()
    return {names[one.ident]: one.rcode for one in answers}


def test_a_document_for_each_version(place):
    """Fits 80 columns, says who made each version, and is as the policy was then: its lessons, too."""
    upstream = place.enter(Upstream())
    calendar = "calendar: {{time-zone: Europe/London, periods: {{lessons: {{times: ['08:50-{}']}}}}}}\n"
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], more=calendar.format("15:20"))
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["listed.example"]))
    resolver = place.resolver()
    first = place.json("policy", "show")["version"]
    place.command("allow", "listed.example", "--group", "pupils", "--for", "45m", "--reason", "Year 5 literacy", "--approved-by",
                  "Mrs Smith")
    place.config_path.write_text(place.config_path.read_text().replace("15:20", "12:00"))
    place.command("reload", "--reason", "the half day")
    same(place.json("policy", "show")["version"], first + 2, "an exception, and a bell that moved")
    shown = {version: place.command("policy", "show", "--document", "--version", str(version)).stdout
             for version in (first, first + 1, first + 2)}
    for text in shown.values():
        same([one for one in text.split("\n") if len(one) > 80], [], "wider than 80 columns")
        holds("| Version | Date             | Description                  | Revision Author |" in text, text)
    same(["Year 5 literacy. By root, approved by Mrs Smith." in " ".join(text.split()) for text in shown.values()],
         [False, True, True], "the exception")
    same(["08:50-15:20" in text for text in shown.values()], [True, True, False], "lessons")
    same(["the half day" in " ".join(text.split()) for text in shown.values()], [False, False, True], "why it was reloaded")
    same(place.command("policy", "show", "--version", str(first + 3), expect=4).stdout, "", "one that never was")
    resolver.stop()
    same(place.command("policy", "show", "--document").stdout.split("## School")[0], shown[first + 2].split("## School")[0],
         "while nothing runs")


def test_ten_thousand_grants(place):
    """All are there after a restart, and each is found: in the answers and on record."""
    count = 10000
    names = [f"n{at}.many.example" for at in range(count)]
    allowed = names[::10]
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"])
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", [*allowed, "listed.example"]))
    place.run(lab.BUILD / "tests" / "make-grants", place.state, count, expect=0)
    expected = {name: "NXDOMAIN" for name in names} | {name: "NOERROR" for name in allowed}
    resolver = place.resolver()
    same(resolver.ask(names[-1]).rcode, "NXDOMAIN", "the last one")
    resolver.kill()
    resolver = place.resolver()
    got = ask_all(resolver, names)
    wrong = [f"{name} {got[name]}" for name in names if got[name] != expected[name]]
    same(wrong[:5], [], f"{len(wrong)} of {count} answers")
    same(resolver.ask("listed.example").rcode, "NXDOMAIN", "a listed name that nobody allowed")
    same(resolver.ask(f"n{count}.many.example").rcode, "NOERROR", "a name of no grant")
    same({one["target"]: one["kind"] for one in place.json("grants")},
         {name: "deny" for name in names} | {name: "allow" for name in allowed}, "the grants")
    same(place.json("changes", "verify")["whole"], True, "the chain")


if __name__ == "__main__":
    lab.main()
