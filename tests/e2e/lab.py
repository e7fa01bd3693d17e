"""What the end-to-end tests share: a place of their own, the programs, and a way to tell what went wrong.

A test file is a list of functions that begin with `test_`, each taking a Lab, and ends with `lab.main()`.
Each function is told with its name and "ok", "FAILED" or "SKIP: reason". Every Lab has a folder of its own
below the temporary folder; what it started it ends, by its id. As root, every file has a network of its own with
nothing but loopback, so that files that run at the same time cannot take each other's ports.
"""
import contextlib
import ctypes
import fcntl
import inspect
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import dns

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CHALKGATE_BUILD", ROOT / "build" / "dev"))
DAEMON, COMMAND = BUILD / "bin" / "chalkgated", BUILD / "bin" / "chalkgate"

# Sanitized programs start slowly on a loaded machine; nothing waits this long when all is well.
PATIENCE = 30.0


class Skip(Exception):
    """A test that cannot run here, with the reason."""


def shared(part):
    """A file or folder of the shared data; skips the test where it is not there."""
    places = [os.environ.get("CHALKGATE_SHARED"), ROOT.parent / "shared"]
    for place in places:
        if place and (pathlib.Path(place) / "data" / part).exists():
            return pathlib.Path(place) / "data" / part
    raise Skip(f"no shared data: looked for data/{part} in $CHALKGATE_SHARED and in ../shared")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def need_root():
    if os.geteuid() != 0:
        raise Skip("this needs root")


def built_with(sanitizer):
    """Whether the resolver under test is watched by this sanitizer: asan, tsan."""
    return f"__{sanitizer}_init".encode() in DAEMON.read_bytes()


def leave_the_network():
    """This process and what it starts are alone from here on, with loopback; without root all stays as it is."""
    clone_newnet, set_flags, up = 0x40000000, 0x8914, 1
    if ctypes.CDLL(None).unshare(clone_newnet) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, set_flags, struct.pack("16sH14x", b"lo", up))


def wait_for(what, condition, patience=PATIENCE, pause=0.02):
    """Waits until `condition()` is true and gives its value; fails with `what` when it stays false."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:g} s in vain: {what}")
        time.sleep(pause)


def same(got, expected, what=""):
    assert got == expected, f"{what}: expected {expected!r}, got {got!r}"


def holds(condition, what):
    assert condition, what


class Resolver:
    """A running chalkgated."""

    def __init__(self, lab, process, port, log):
        self.lab, self.process, self.port, self.log_path = lab, process, port, log
        self.server = "127.0.0.1"

    def ask(self, name, kind="A", **more):
        more.setdefault("server", self.server)
        return dns.ask(name, kind, port=self.port, **more)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, patience=PATIENCE):
        """Ends it with SIGTERM and gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the resolver did not end within {patience:g} s of SIGTERM:\n{self.log()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()


class Lab:
    def __init__(self, name):
        # Short, so that a socket in it has a path that the kernel takes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"chalkgate-{name.removeprefix('test_')[:20]}-"))
        self.folder.chmod(0o755)
        self.state = self.folder / "state"
        self.config_path = self.folder / "config.yaml"
        self.resolvers, self.processes = [], []
        self.stack = contextlib.ExitStack()
        self.port = None

    # Making the ground.

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    @staticmethod
    def free_port():
        """A port that is free for UDP and TCP on loopback."""
        for _ in range(100):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.bind(("127.0.0.1", 0))
                try:
                    udp.bind(("127.0.0.1", tcp.getsockname()[1]))
                except OSError:
                    continue
                return tcp.getsockname()[1]
        raise AssertionError("no port is free")

    def configure(self, upstreams=(), groups=None, categories=("ads", "games", "gambling"), listen=None, workers=2,
                  more=""):
        """Writes a configuration. `groups`: {name: (subnets, denied)}; `more`: YAML lines at top level."""
        if self.port is None:
            self.port = self.free_port()
        if groups is None:
            groups = {"pupils": (["127.0.0.0/8", "::1/128"], list(categories))}
        listen = listen or [f"127.0.0.1:{self.port}", f"[::1]:{self.port}"]
        lines = [f"listen: [{', '.join(json.dumps(one) for one in listen)}]", f"workers: {workers}",
                 f"state: {self.state}", "upstreams:"]
        for one in upstreams or ["127.0.0.1:1"]:
            entry = one if isinstance(one, dict) else {"address": one}
            lines.append(f"  - {json.dumps(entry)}")
        lines.append("categories:")
        lines += [f"  {one}: {{title: {one.capitalize()}}}" if isinstance(one, str) else f"  {one[0]}: {json.dumps(one[1])}"
                  for one in categories]
        if "limits:" not in more:  # all that a test asks comes from one network
            lines.append("limits: {answers-per-second: 0}")
        lines.append("groups:")
        for name, (subnets, denied) in groups.items():
            lines.append(f"  {name}: {json.dumps({'subnets': subnets, 'deny': denied})}")
        self.config_path.write_text("\n".join(lines) + "\n" + more, encoding="utf-8")
        return self.config_path

    def configure_shipped(self, upstreams, clients=None, listen=None, more=""):
        """The shipped config.yaml, with addresses of this lab. `clients`: {group: subnets}."""
        if self.port is None:
            self.port = self.free_port()
        clients = clients or {"pupils": ["127.0.0.1", "::1"], "staff": ["127.0.0.2"], "guests": ["127.0.0.3"],
                              "server": ["127.0.0.4"]}
        listen = listen or [f"127.0.0.1:{self.port}", f"[::1]:{self.port}"]
        text = (ROOT / "config.yaml").read_text(encoding="utf-8")
        text = re.sub(r"^listen:.*$", f"listen: {json.dumps(listen)}", text, flags=re.M)
        text = re.sub(r"^workers:.*$", "workers: 2", text, flags=re.M)
        text = re.sub(r"^state:.*$", f"state: {self.state}", text, flags=re.M)
        text = re.sub(r"^upstreams:\n(  - .*\n)+", f"upstreams: {json.dumps(list(upstreams))}\n", text, flags=re.M)
        for group, subnets in clients.items():
            text, count = re.subn(rf"(^  {group}:\n(?:    .*\n)*?    subnets:) .*$", rf"\1 {json.dumps(subnets)}", text,
                                  flags=re.M)
            same(count, 1, f"the group {group} in config.yaml")
        if "limits:" not in more:
            more += "limits: {answers-per-second: 0}\n"
        self.config_path.write_text(text + more, encoding="utf-8")
        return self.config_path

    def import_starter(self):
        self.command("lists", "import", "--reason", "the test's ground", ROOT / "blocklists" / "starter")

    def denials(self, *arguments):
        """The records, oldest first, as a list of objects."""
        done = self.command("--json", "denials", *arguments, expect=None)
        if done.returncode == 4:
            return []
        same(done.returncode, 0, f"denials: {done.stderr}")
        told = json.loads(done.stdout)
        return told["denials"] if isinstance(told, dict) else told

    def list_of(self, category, names):
        """Writes a list of plain domains for import."""
        return self.write(f"lists/{category}.txt", "".join(name + "\n" for name in names))

    # Running the programs.

    def run(self, *arguments, expect=None, stdin=None, env=None, timeout=300, **more):
        """Runs a program to its end. `expect`: the exit code it must have."""
        arguments = [str(one) for one in arguments]
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
                              input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                              env={**os.environ, **(env or {})}, **more)
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"{' '.join(arguments)}: expected exit code {expect}, got {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def command(self, *arguments, expect=0, **more):
        """Runs `chalkgate --config …`."""
        return self.run(COMMAND, "--config", self.config_path, *arguments, expect=expect, **more)

    def json(self, *arguments, expect=0):
        return json.loads(self.command("--json", *arguments, expect=expect).stdout)

    def start(self, *arguments, log=None, **more):
        """Starts a program that is ended with the lab."""
        path = self.folder / (log or f"{pathlib.Path(str(arguments[0])).name}-{len(self.processes)}.log")
        with open(path, "wb") as out:
            process = subprocess.Popen([str(one) for one in arguments], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, **more)
        process.log_path = path
        self.processes.append(process)
        return process

    def resolver(self, wait=True, before=(), **more):
        """Starts chalkgated with the configuration and waits until it answers."""
        process = self.start(*before, DAEMON, "--config", self.config_path, log=f"chalkgated-{len(self.resolvers)}.log", **more)
        resolver = Resolver(self, process, self.port, process.log_path)
        self.resolvers.append(resolver)
        if wait:
            def answers():
                if process.poll() is not None:
                    raise AssertionError(f"the resolver ended with {process.returncode}:\n{resolver.log()}")
                # A class that nobody serves is answered here, without an upstream.
                return dns.ask("ready.invalid", port=self.port, timeout=0.3, klass=3)
            wait_for("the resolver answers", answers)
        return resolver

    @contextlib.contextmanager
    def small_disk(self, folder, size):
        """The folder on a file system of its own, with room for `size` ("40m"); what runs is ended before it goes."""
        need_root()
        folder.mkdir(parents=True)
        made = self.run("mount", "-t", "tmpfs", "-o", f"size={size}", "chalkgate-test", folder)
        if made.returncode:
            raise Skip("a small file system cannot be mounted here: " + made.stderr.strip())
        try:
            yield
        finally:
            faults = self.close()
            # The children of a resolver that was killed end a moment after it.
            wait_for(f"{folder} is unmounted", lambda: self.run("umount", folder).returncode == 0)
            same(faults, [], "faults of what ran there")

    def small_state(self, size):
        return self.small_disk(self.state, size)

    def enter(self, context):
        return self.stack.enter_context(context)

    def close(self):
        """Ends what runs; a resolver that crashed or that a sanitizer stopped is a failure."""
        faults = []
        for resolver in self.resolvers:
            killed = resolver.process.returncode == -signal.SIGKILL
            try:
                code = resolver.process.returncode if killed else resolver.stop()
            except AssertionError as fault:
                faults.append(str(fault))
                continue
            log = resolver.log()
            if "ERROR: AddressSanitizer" in log or "runtime error:" in log or "LeakSanitizer" in log \
                    or "ThreadSanitizer" in log:
                faults.append(f"a sanitizer found a fault:\n{log[-6000:]}")
            elif code not in (0, 1, 2) and not killed:
                faults.append(f"the resolver ended with {code}:\n{log[-4000:]}")
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.stack.close()
        return faults

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def _run_one(name, function):
    lab, begun = Lab(name), time.monotonic()
    fault, skip = None, None
    try:
        function(lab)
    except Skip as reason:
        skip = str(reason)
    except Exception:  # whatever it is, the test failed by it
        fault = traceback.format_exc()
    faults = lab.close()
    if faults:
        fault = (fault or "") + "\n".join(faults)
    took = time.monotonic() - begun
    if fault:
        print(f"FAILED {name} ({took:.1f} s)\n{fault}", flush=True)
        for resolver in lab.resolvers:
            print(f"--- {resolver.log_path.name}\n{resolver.log()[-1500:]}", flush=True)
        if os.environ.get("CHALKGATE_KEEP"):
            print(f"kept: {lab.folder}", flush=True)
            return "failed"
    elif skip:
        print(f"{name}\nSKIP: {skip}", flush=True)
    else:
        print(f"ok {name} ({took:.1f} s)", flush=True)
    lab.remove()
    return "failed" if fault else "skipped" if skip else "passed"


def main(alone=True):
    """Runs the test_ functions of the calling file, or those named as arguments. `alone`: needs no network but loopback."""
    frame = inspect.stack()[1].frame
    tests = {name: value for name, value in frame.f_globals.items()
             if name.startswith("test_") and callable(value)}
    chosen = sys.argv[1:] or list(tests)
    unknown = [name for name in chosen if name not in tests]
    if unknown:
        sys.exit(f"no such test: {', '.join(unknown)}; there are {', '.join(tests)}")
    for program in (DAEMON, COMMAND):
        if not program.exists():
            print(f"{program} was not built")
            sys.exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it, and so would its children
    if built_with("tsan"):
        # Without TZ each mktime() frees what the last one kept, under a lock that ThreadSanitizer does not see; to find
        # that this is to be passed over (tsan.supp) takes it longer on a loaded machine than a resolver may take to end.
        os.environ.setdefault("TZ", ":/etc/localtime")
    if alone:
        leave_the_network()
    results = [_run_one(name, tests[name]) for name in chosen]
    if "failed" in results:
        sys.exit(1)
    sys.exit(77 if all(one == "skipped" for one in results) else 0)
