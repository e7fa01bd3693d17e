"""What the service manager hears (sd_notify): ready when it answers, a sign of life only while every thread has its
turns, reloads and the end."""
import ctypes
import os
import signal
import socket
import time

import lab
from lab import holds, same, wait_for

WAIT_S = 4
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, place):
        self.path = str(place.folder / "notify")
        self.socket = place.enter(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.heard, self.told = [], 0  # all of it; how much expect() has been through

    def environment(self):
        return {**os.environ, "NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(WAIT_S * 1000000)}

    def listen(self):
        """What came since the last time."""
        came = []
        while True:
            try:
                came.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                self.heard += came
                return came

    def expect(self, what):
        """The next message with `what` in it."""
        def found():
            self.listen()
            while self.told < len(self.heard):
                self.told += 1
                if what in self.heard[self.told - 1]:
                    return self.heard[self.told - 1]
            return None
        return wait_for(f"'{what}' among {self.heard}", found)

    def signs(self, seconds):
        self.listen()
        time.sleep(seconds)
        return self.listen().count("WATCHDOG=1")


def started(place):
    place.configure()
    place.command("lists", "import", "--category", "ads", "--reason", "test", place.list_of("ads", ["ads.example"]))
    manager = Manager(place)
    resolver = place.resolver(env=manager.environment())
    return manager, resolver


class Halted:
    """One thread of a process, halted as if it hung, while the others go on."""

    def __init__(self, resolver, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        tasks = f"/proc/{resolver.process.pid}/task"
        names = {}
        for one in os.listdir(tasks):
            with open(f"{tasks}/{one}/comm", encoding="utf-8") as comm:
                names[comm.read().strip()] = int(one)
        holds(name in names, f"a thread {name} among {names}")
        self.thread = names[name]

    def __enter__(self):
        if self.libc.ptrace(PTRACE_SEIZE, self.thread, None, None) < 0:
            raise lab.Skip(f"ptrace is not allowed here: {os.strerror(ctypes.get_errno())}")
        same(self.libc.ptrace(PTRACE_INTERRUPT, self.thread, None, None), 0, "halting the thread")
        os.waitpid(self.thread, WALL)

    def __exit__(self, *_):
        self.libc.ptrace(PTRACE_DETACH, self.thread, None, None)


def test_ready_reloading_stopping(place):
    manager, resolver = started(place)
    ready = manager.expect("READY=1")
    holds("STATUS=1 name on the lists, generation 1, 2 workers" in ready, ready)
    resolver.signal(signal.SIGHUP)
    manager.expect("RELOADING=1\nMONOTONIC_USEC=")
    holds("STATUS=1 name " in manager.expect("READY=1"), "what is in force after the reload")
    place.config_path.write_text("nonsense: [\n")
    resolver.signal(signal.SIGHUP)
    told = manager.expect("STATUS=reload refused: ")
    same(told.count("\n"), 1, f"two lines: {told!r}")
    same(resolver.stop(), 0, "its end")
    manager.expect("STOPPING=1")


def test_signs_of_life(place):
    manager, _ = started(place)
    manager.expect("READY=1")
    manager.expect("WATCHDOG=1")
    holds(manager.signs(WAIT_S) >= 2, f"signs of a healthy daemon within the time: {manager.heard}")


def hangs(place, thread, word):
    manager, resolver = started(place)
    manager.expect("WATCHDOG=1")
    with Halted(resolver, thread):
        manager.signs(WAIT_S / 2)  # one may have been due
        same(manager.signs(WAIT_S), 0, f"signs of life while {thread} hangs")
        holds("no sign of life for" in resolver.log() and word in resolver.log(), resolver.log())
    manager.told = len(manager.heard)
    manager.expect("WATCHDOG=1")


def test_a_worker_hangs(place):
    hangs(place, "worker 1", "from: worker 1;")


def test_the_writer_hangs(place):
    hangs(place, "writer", "the writer of denials")


def test_nobody_watches(place):
    """Without WATCHDOG_USEC, or with that of another process, there are no signs."""
    place.configure()
    place.command("lists", "import", "--category", "ads", "--reason", "test", place.list_of("ads", ["ads.example"]))
    manager = Manager(place)
    resolver = place.resolver(env={**manager.environment(), "WATCHDOG_PID": "1"})
    manager.expect("READY=1")
    same(manager.signs(WAIT_S / 2), 0, "signs that nobody asked for")
    resolver.stop()


if __name__ == "__main__":
    lab.main()
