"""The policy under change: grants and reloads under load, a full disk, damaged state, ten thousand grants."""
import json
import re
import socket
import threading
import time

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
        begun = time.monotonic()
        done = place.run("dnsperf", "-s", "127.0.0.1", "-p", place.port, "-d", queries, "-l", "8", "-Q", "1000", "-c", "4",
                         expect=0)
        took = time.monotonic() - begun
    same(changes.faults[:3], [], "changes that failed")
    holds(changes.count >= took * 200 / 60, f"only {changes.count} changes in {took:.0f} s")
    holds("Queries lost:         0 " in done.stdout, done.stdout)
    codes = {word: int(count) for word, count in re.findall(r"([A-Z]+) (\d+) \(", done.stdout.split("Response codes:")[1])}
    same(set(codes), {"NXDOMAIN", "NOERROR"}, f"response codes\n{done.stdout}")
    holds(abs(codes["NXDOMAIN"] - codes["NOERROR"]) <= 1, f"answered by a mixture: {codes}")
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


if __name__ == "__main__":
    lab.main()
