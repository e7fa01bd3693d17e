"""Imports that go wrong half-way or never should have begun: interrupted, killed, endless, huge; and one on a terminal."""
import io
import os
import pty
import random
import signal
import struct
import subprocess
import tarfile
import time
import zlib

import lab
from lab import COMMAND, holds, same, shared, wait_for

FORMATS = {"domains": ".txt", "hosts": ".txt", "adblock": ".txt", "dnsmasq": ".conf"}


def names_of(place, category):
    text = place.command("lists", "export", category).stdout
    return sorted(line for line in text.splitlines() if not line.startswith("#"))


def opened(place):
    place.configure()
    place.command("lists", "import", "--category", "ads", place.list_of("ads", ["tracker.example"]))


def leftovers(place):
    return sorted(one for one in os.listdir(place.state / "lists") if not one.endswith(".mdb") and one != "current")


def as_before(place, what):
    same(place.json("lists", "show")["generation"], 1, f"the generation after {what}")
    same(names_of(place, "ads"), ["tracker.example"], f"the names after {what}")
    same(leftovers(place), [], f"what {what} left lying about")


def import_from_pipe(place):
    return subprocess.Popen([COMMAND, "--config", place.config_path, "lists", "import", "--category", "ads", "-"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def interrupted(place):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process = import_from_pipe(place)
        process.stdin.write(b"".join(b"n%d.example\n" % i for i in range(300000)))  # more than a pipe holds: it is reading
        process.stdin.flush()
        process.send_signal(number)
        process.stdin.close()
        same(process.wait(lab.PATIENCE), -number, "how it ended")
        process.stderr.close()
        as_before(place, f"signal {number}")


def zip_of_10_gb(path, block):
    """One list of 640 times 16 MB, as a zip that is streamed: made of the same compressed piece again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(block * ((1 << 24) // len(block))) + packer.flush(zlib.Z_FULL_FLUSH)
    name = b"ads/domains"
    with open(path, "wb") as file:
        file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 45, 8, 8, 0, 0, 0, 0, 0, len(name), 0) + name)
        for _ in range(640):
            file.write(piece)
        file.write(b"\3\0")
    return path


def test_a_zip_of_10_gb(place):
    """Ends at the bound, quickly, in flat memory; what is in force stays."""
    opened(place)
    for block, words in ((b"\0", "no text"), (b"0", "200 times"), (b"bet.example\n", "200 times")):
        path = zip_of_10_gb(place.folder / "big.zip", block)
        process = subprocess.Popen([COMMAND, "--config", place.config_path, "lists", "import", path], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        same(process.returncode, 1, f"exit code; {told}")
        holds(words in told and "stays as it is" in told, told)
        same(told.count("big.zip"), 1, f"how often it is named: {told}")
        holds(usage.ru_maxrss < 250_000, f"{usage.ru_maxrss} kB of memory")
        holds(usage.ru_utime + usage.ru_stime < 30, f"{usage.ru_utime + usage.ru_stime} seconds")
        same(names_of(place, "ads"), ["tracker.example"], "what is in force")
    same(leftovers(place), [], "left behind")


def test_interrupted(place):
    opened(place)
    interrupted(place)
    place.resolver()
    interrupted(place)
    same(place.resolvers[-1].ask("n1.example").rcode == "NXDOMAIN", False, "nothing of it is in force")
    # At any other moment, too: whatever is in force then is whole.
    path = place.list_of("more", ["tracker.example"] + [f"m{i}.example" for i in range(3000)])
    chance, ended = random.Random(9), 0
    for _ in range(8):
        process = subprocess.Popen([COMMAND, "--config", place.config_path, "lists", "import", "--category", "ads", path],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.02, 0.4))
        process.kill()
        ended += process.wait() == -signal.SIGKILL
        holds(len(names_of(place, "ads")) in (1, 3001), "the old names or the new ones")
        place.command("lists", "import", "--category", "ads", "--preview", path)
    holds(ended > 0, "one of them was killed")
    place.command("lists", "import", "--category", "ads", path)
    same([len(names_of(place, "ads")), leftovers(place)], [3001, []], "in the end")


def test_no_lists_at_all(place):
    """Devices, and streams without an end, are told of at once."""
    opened(place)
    for path in ("/dev/urandom", "/dev/zero", "/dev/full", "/dev/null"):
        done = place.command("lists", "import", "--category", "ads", path, expect=2)
        holds("is a device" in done.stderr, done.stderr)
    cases = [("yes 'two words'", "malformed"), ("cat /dev/zero", "no text"), ("tr -d '\\n' < /dev/urandom | tr '\\0-\\037' x", ""),
             ("yes x | tr -d '\\n'", "a line of more than 64 MB"), ("cat /dev/urandom", "")]
    for feed, words in cases:
        done = place.run("sh", "-c", f"({feed}) | timeout 60 {COMMAND} --config {place.config_path} lists import --category ads -",
                         expect=1)
        holds(words in done.stderr and "What is in force stays as it is" in done.stderr, f"{feed}: {done.stderr}")
    as_before(place, "all of this")


def test_an_archive_of_twenty_thousand_folders(place):
    opened(place)
    path = place.folder / "many.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number in range(20000):
            member = tarfile.TarInfo(f"top/kind{number:05d}/domains")
            member.size = 15
            archive.addfile(member, io.BytesIO(b"n%05d.example\n" % number))
    done = place.command("lists", "import", path, expect=1)
    holds("more than 1024 categories" in done.stderr, done.stderr)
    as_before(place, "it")


def test_progress_on_a_terminal(place):
    """Rate and time left, on one line that is taken away in the end; nothing of it in a file."""
    opened(place)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([COMMAND, "--config", place.config_path, "lists", "import", "--category", "games", "-"],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    for part in range(4):
        process.stdin.write(b"".join(b"n%d-%d.example\n" % (part, i) for i in range(400000)))
        process.stdin.flush()
        time.sleep(0.25)
    process.stdin.close()
    seen = b""
    while True:
        try:
            got = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        seen += got
    os.close(ours)
    same(process.wait(lab.PATIENCE), 0, "exit code")
    holds(b"Reading -: " in seen and b" MiB" in seen, seen[-500:])
    holds(b"Compiling: " in seen and b" names a second" in seen and b" s left" in seen, seen[-2000:])
    holds(seen.endswith(b"\r\x1b[K"), f"the line is gone: {seen[-80:]}")


def test_nine_lists_in_four_formats_make_equal_stores(place):
    """Their hosts file of "crypto" is younger than the other three, and has two names more."""
    data = shared("blocklistproject")
    kinds = sorted(path.stem for path in (data / "domains").glob("*.txt"))
    same(len(kinds), 9, "lists")
    exports = {}
    for form, suffix in FORMATS.items():
        place.state = place.folder / form
        place.configure(categories=kinds)
        for kind in kinds:
            told = place.json("lists", "import", "--category", kind, data / form / (kind + suffix))["sources"][0]
            same([told["format"], told["malformed"], told["unused"]], [form, 0, 0], f"{kind} as {form}")
        exports[form] = {kind: names_of(place, kind) for kind in kinds}
        counts = {one["name"]: one["names"] for one in place.json("lists", "show")["categories"]}
        same(counts, {kind: len(names) for kind, names in exports[form].items()}, f"counts of {form}")
    for one in ("adiri.tel", "tokenist.com"):
        exports["hosts"]["crypto"].remove(one)
    for form in FORMATS:
        for kind in kinds:
            same(exports[form][kind] == exports["domains"][kind], True, f"{kind} as {form} and as domains")


if __name__ == "__main__":
    lab.main()
