"""The control socket and the command: one user cannot hold up another, a daemon that hangs or is not there is told in
plain words, and what is done without one is on record as well."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import lab
from lab import holds, need_root, same

MANY, NOBODY, ANOTHER = 60, 65534, 1


def opened(place):
    place.configure()
    place.command("lists", "import", "--category", "ads", "--reason", "the first", place.list_of("ads", ["ads.example"]))


def ask(path, request, timeout=20):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(b"".join(iter(lambda: sock.recv(65536), b"")))


HOARD = """
import os, socket, sys, time
os.setgid({uid}); os.setuid({uid})
held = []
for _ in range({many}):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect({path!r})
    held.append(sock)
    try:
        sock.sendall(b'{{"verb": ')   # and never the rest
    except BrokenPipeError:
        pass                          # refused by now
time.sleep(1)
refused = 0
for sock in held:
    try:
        refused += b"too many requests" in sock.recv(4096, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
print(refused, flush=True)
sys.stdin.read()
"""

ASK = """
import os, sys
sys.path.insert(0, {here!r})
from test_control import ask
os.setgid({uid}); os.setuid({uid})
print(ask({path!r}, {{"verb": "ping"}})["ok"])
"""


def as_user(program, **more):
    return [sys.executable, "-B", "-c", program.format(here=os.path.dirname(os.path.abspath(__file__)), **more)]


def test_one_user_does_not_hold_up_others(place):
    need_root()
    opened(place)
    place.resolver()
    path = str(place.state / "control.sock")
    hoard = subprocess.Popen(as_user(HOARD, uid=NOBODY, many=MANY, path=path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        refused = int(hoard.stdout.readline())
        same(refused, MANY - 8 - 16, "turned away: all but eight that are served and sixteen that wait")
        same(ask(path, {"verb": "ping"}, 5)["ok"], True, "root is answered")
        same(place.run(*as_user(ASK, uid=ANOTHER, path=path), expect=0).stdout.strip(), "True", "another user is answered")
        place.command("status", env={"CHALKGATE_PATIENCE": "5"})
    finally:
        hoard.stdin.close()
        hoard.wait(10)
    same(place.run(*as_user(ASK, uid=NOBODY, path=path), expect=0).stdout.strip(), "True", "the user itself, afterwards")


def test_a_burst_is_served(place):
    """More at once than threads: those that fit wait their turn."""
    opened(place)
    resolver = place.resolver()
    processes = [subprocess.Popen([lab.COMMAND, "--config", place.config_path, "status"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) for _ in range(12)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        same(process.returncode, 0, errors)
    same(resolver.stop(), 0, "its end")


def test_ends_with_callers_waiting(place):
    opened(place)
    resolver = place.resolver()
    held = []
    for _ in range(20):
        sock = place.enter(socket.socket(socket.AF_UNIX))
        sock.connect(str(place.state / "control.sock"))
        held.append(sock)
    time.sleep(0.3)
    begun = time.monotonic()
    same(resolver.stop(), 0, "its end")
    holds(time.monotonic() - begun < 8, "whoever stalls does not hold up the end")


def test_answers_come_before_commands(place):
    """The thread of a caller gives way on the processor, and those that answer do not."""
    opened(place)
    resolver = place.resolver()

    def nices():
        found = []
        for task in os.listdir(f"/proc/{resolver.process.pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                found.append(os.getpriority(os.PRIO_PROCESS, int(task)))
        return found

    lab.wait_for("nobody calls", lambda: 10 not in nices())
    sock = place.enter(socket.socket(socket.AF_UNIX))
    sock.connect(str(place.state / "control.sock"))
    lab.wait_for("a thread for the caller that gives way", lambda: nices().count(10) == 1)
    holds(nices().count(os.nice(0)) >= 2, f"the main thread and the workers: {nices()}")


def test_half_a_request(place):
    """Whoever stops in the middle, says too much or no JSON is told; nobody else waits, and nothing of it is done."""
    opened(place)
    resolver = place.resolver()
    path = str(place.state / "control.sock")
    whole = json.dumps({"verb": "allow", "target": "half.example", "group": "everyone", "for_s": 3600, "reason": "x"}).encode()

    def sent(*parts, end=False):
        sock = place.enter(socket.socket(socket.AF_UNIX))
        sock.settimeout(20)
        sock.connect(path)
        for part in parts:
            sock.sendall(part)
        if end:
            sock.shutdown(socket.SHUT_WR)
        return sock

    def told(sock):
        return json.loads(b"".join(iter(lambda: sock.recv(65536), b"")))
    stalled = sent(whole)  # all of it but the newline
    for at in (1, len(whole) // 2, len(whole)):
        same(sent(whole[:at], end=True).recv(1), b"", "who leaves in the middle gets no answer")
    same(told(sent(whole[:20] + b"\n"))["code"], 2, "half of it, as if it were whole")
    long = sent()
    try:
        for _ in range(300):
            long.sendall(b" " * 1024)
    except BrokenPipeError:
        pass
    try:
        holds("longer than" in told(long)["error"], "too long")
    except ConnectionResetError:
        pass  # it had not taken all that was sent
    same(told(sent(b'{"verb":', b'"pi', b'ng"}\n'))["ok"], True, "in pieces")
    holds("did not end within 10 s" in told(stalled)["error"], "who stalls is told")
    same(place.json("grants", expect=4), [], "nothing of it was done")
    same(resolver.stop(), 0, "its end")


def test_a_daemon_that_hangs(place):
    opened(place)
    resolver = place.resolver()
    resolver.signal(signal.SIGSTOP)
    try:
        for verb in (["status"], ["flush"], ["why", "ads.example", "--client", "127.0.0.1"], ["reload", "--reason", "x"]):
            done = place.command(*verb, expect=1, env={"CHALKGATE_PATIENCE": "1"})
            holds("has not answered for 1 seconds" in done.stderr and "restart chalkgated" in done.stderr, done.stderr)
    finally:
        resolver.signal(signal.SIGCONT)


def test_no_daemon(place):
    """Verbs that need one say so, and how to start it."""
    opened(place)
    for verb in (["status"], ["flush"], ["selftest"], ["reload", "--reason", "x"]):
        done = place.command(*verb, expect=1)
        holds("no chalkgated is running" in done.stderr and "systemctl start chalkgated" in done.stderr, done.stderr)


def test_lists_without_a_daemon_are_on_record(place):
    opened(place)
    place.command("lists", "import", "--category", "ads", "--reason", "the second", place.list_of("more", ["more.example"]))
    place.command("lists", "rollback", "--reason", "too many")
    told = place.json("changes")
    same([(one["action"], one["target"], one["reason"]) for one in told],
         [("lists-adopt", "generation 1", "the first"), ("lists-adopt", "generation 2", "the second"),
          ("lists-rollback", "generation 1", "too many")], "what is on record")
    same({one["by"]["user"] for one in told}, {place.run("id", "-un").stdout.strip()}, "by whom")
    same(place.json("lists", "show")["generation"], 1, "in force")
    place.resolver()
    place.command("changes", "verify")
    holds("start" in [one["action"] for one in place.json("changes")], "the daemon goes on with it")


def test_root_leaves_what_the_owner_can_go_on_with(place):
    need_root()
    place.configure()
    place.state.mkdir()
    os.chown(place.state, NOBODY, NOBODY)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["ads.example"]))
    place.command("deny", "bad.example", "--group", "pupils", "--permanent", "--reason", "x")
    for path in sorted(place.state.rglob("*")):
        same((path.name, path.lstat().st_uid), (path.name, NOBODY), "the owner")


if __name__ == "__main__":
    lab.main()
