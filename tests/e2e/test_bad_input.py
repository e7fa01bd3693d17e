"""Bad input: one clear sentence, the exit code of interface.md, and what ran before runs on."""
import os
import re
import socket

import dns
import lab
from lab import COMMAND, DAEMON, holds, same

LISTED = ["bad.example", "worse.example"]


def told(done, *words):
    """Nothing but plain sentences on standard error, with these words in them."""
    text = done.stderr
    holds(text.strip(), f"nothing was said: {done.args}")
    holds("Sanitizer" not in text and "Assertion" not in text, text)
    for word in words:
        holds(re.search(word, text), f"'{word}' is missing in: {text}")


def ready(place):
    place.configure()
    place.command("lists", "import", "--category", "ads", "--reason", "ground", place.list_of("ads", LISTED))


def test_usage(place):
    same(place.run(COMMAND, "--help").returncode, 0, "chalkgate --help")
    same(place.run(DAEMON, "--help").returncode, 0, "chalkgated --help")
    for arguments in ([], ["nosuchverb"], ["--nosuchoption"], ["why"], ["lists", "nosuchverb"], ["denials", "--nosuch"],
                      ["denials", "--since", "the day before"], ["why", "a..b"], ["why", "x" * 64 + ".example"]):
        ready(place)
        told(place.command(*arguments, expect=2))
    told(place.run(DAEMON, "--nosuchoption", expect=2))
    told(place.run(DAEMON, "--config", place.config_path, "more", expect=2))


def test_configuration(place):
    place.configure()
    same(place.run(DAEMON, "--check", "--config", place.config_path).returncode, 0, "--check of a good file")
    good = place.config_path.read_text()
    faults = {
        "": r"config\.yaml",
        "listen: [": r"config\.yaml:\d+",
        good + "no-such-key: 1\n": r"no-such-key",
        good + "cach: {size: 1MiB}\n": r"cache",
        good + "deny-ttl: soon\n": r"config\.yaml:\d+:\d+.*deny-ttl|soon",
        good.replace("127.0.0.0/8", "127.0.0.0/80"): r"127\.0\.0\.0/80",
        good.replace('"deny": ["ads"', '"deny": ["gambeling"'): r"gambling",
        good + "\tx: 1\n": r"config\.yaml:\d+",
        good + "a: &a [*a]\n": r"config\.yaml",
        good + "\0": r"config\.yaml",
        "x" * 3000000: r"config\.yaml",
    }
    for text, word in faults.items():
        place.config_path.write_text(text)
        for arguments in ((DAEMON, "--check", "--config", place.config_path), (DAEMON, "--config", place.config_path),
                          (COMMAND, "--config", place.config_path, "lists", "show")):
            told(place.run(*arguments, expect=2), word)
    # All faults of a file at once.
    place.config_path.write_text(good + "no-such-key: 1\ndeny-ttl: soon\nworkers: many\n")
    told(place.run(DAEMON, "--check", "--config", place.config_path, expect=2), "no-such-key", "deny-ttl|soon", "workers|many")
    told(place.run(DAEMON, "--config", place.folder / "nowhere.yaml", expect=2), r"nowhere\.yaml")
    told(place.run(DAEMON, "--config", place.folder, expect=2), str(place.folder))


def test_lists(place):
    ready(place)
    before = place.command("--json", "lists", "show").stdout
    broken = {
        "empty.txt": b"",
        "comments.txt": b"# nothing\n# here\n",
        "image.txt": b"\x89PNG\r\n\x1a\n" + os.urandom(500).replace(b"\n", b" "),
        "page.txt": b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n",
        "rubbish.txt": b"a b c d e f\n!!!\n..\n",
        "zeroes.txt": b"\0" * 100000,
    }
    for name, octets in broken.items():
        path = place.folder / name
        path.write_bytes(octets)
        told(place.command("lists", "import", "--category", "ads", "--reason", "x", path, expect=1), re.escape(name))
        same(place.command("--json", "lists", "show").stdout, before, f"the lists after {name}")
    told(place.command("lists", "import", "--category", "ads", "--reason", "x", place.folder / "nowhere", expect=1), "nowhere")
    done = place.command("lists", "import", "--category", "gambeling", "--reason", "x", place.list_of("ads", LISTED), expect=None)
    holds(done.returncode in (1, 2), f"an unknown category: {done.returncode}")
    told(done, "gambling")
    told(place.command("lists", "import", "--category", "ads", "--format", "nosuch", place.list_of("ads", LISTED), expect=2), "nosuch")
    told(place.command("lists", "rollback", "99", expect=None))
    same(place.command("--json", "lists", "show").stdout, before, "the lists at the end")


def test_malformed_lines_are_shown(place):
    place.configure()
    path = place.write("mixed.txt", "good.example\n-bad-\n..\nfine.example\n" + "x" * 70 + ".example\n")
    done = place.command("lists", "import", "--category", "ads", "--reason", "x", path)
    shown = done.stdout + done.stderr
    for line in ("2", "3", "5"):
        holds(re.search(rf"\b{line}\b", shown), f"line {line} is not told: {shown}")
    resolver = place.resolver()
    same(resolver.ask("good.example").rcode, "NXDOMAIN", "a good line")
    same(resolver.ask("fine.example").rcode, "NXDOMAIN", "another")


def test_port_in_use(place):
    ready(place)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", place.port))
        told(place.run(DAEMON, "--config", place.config_path, expect=1), str(place.port))


def test_store(place):
    """No store, one that was cut, one of another version, one that is no store: the start stops."""
    place.configure()
    ready(place)
    store = (place.state / "lists" / "current").resolve()
    whole = store.read_bytes()
    store.chmod(0o644)
    for name, octets in {"cut": whole[:len(whole) // 2], "cut to a page": whole[:4096], "empty": b"",
                         "rubbish": os.urandom(len(whole)), "no store": b"hello\n" * 10000}.items():
        store.write_bytes(octets)
        done = place.run(DAEMON, "--config", place.config_path, expect=1)
        told(done)
        holds(str(store.name) in done.stderr or "lists" in done.stderr, f"{name}: {done.stderr}")
    store.write_bytes(whole)
    place.resolver()


def test_state_that_cannot_be_written(place):
    place.configure()
    place.state.write_text("a file where a folder belongs")
    told(place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", LISTED), expect=1))
    told(place.run(DAEMON, "--config", place.config_path, expect=1))


def test_reload_of_a_bad_file(place):
    ready(place)
    resolver = place.resolver()
    good = place.config_path.read_text()
    place.config_path.write_text(good + "no-such-key: 1\n")
    told(place.command("reload", "--reason", "a slip", expect=None), "no-such-key")
    same(resolver.ask(LISTED[0]).rcode, "NXDOMAIN", "what ran runs on")
    resolver.signal(1)
    lab.wait_for("the fault in the log", lambda: "no-such-key" in resolver.log())
    same(resolver.ask(LISTED[0]).rcode, "NXDOMAIN", "what ran runs on after SIGHUP")


def test_bad_datagrams(place):
    """Any bytes: no crash, no reply to a reply, FORMERR or silence."""
    ready(place)
    resolver = place.resolver()
    port = place.port
    good = dns.query(LISTED[0])
    head = b"\x12\x34\x01\x00\x00\x01" + b"\0" * 6
    tail = b"\0\1\0\1"
    silent = [b"", b"\0", good[:11], dns.query(LISTED[0], flags=0x8100), dns.query("fresh.example", flags=0x8180)]
    odd = [head, head + b"\xc0\x0c" + tail, head + b"\xc0\x20" + tail, head + b"\xc0\x00" + tail, head + b"\x41a\0" + tail,
           head + b"\x80a\0" + tail, head + (b"\x3f" + b"a" * 63) * 4 + b"\0" + tail, head + b"\1a" * 128 + b"\0" + tail,
           dns.query(LISTED[0], questions=2), dns.query(LISTED[0], questions=0), good[:-3], good + b"\0" * 16,
           b"\x12\x34\x01\x00\xff\xff" + good[6:]]
    for wire in silent:
        same(dns.exchange_udp(wire, "127.0.0.1", port, expect=False), None, f"{wire[:20]!r}")
    for wire in odd:
        reply = dns.exchange_udp(wire, "127.0.0.1", port, expect=False)
        if reply is not None:
            holds(reply[3] & 15 in (1, 3, 4, 5) and reply[2] & 0x80, f"{wire[:20]!r}: {reply!r}")
            holds(len(reply) <= 4 * len(wire), f"{wire[:20]!r}: {len(reply)} octets")
    for wire in silent + odd:
        reply = dns.exchange_tcp(wire, "127.0.0.1", port, timeout=1)
        holds(reply is None or len(reply) >= 12, f"{wire[:20]!r} over TCP")
    same(resolver.ask(LISTED[0]).rcode, "NXDOMAIN", "it answers still")


if __name__ == "__main__":
    lab.main()
