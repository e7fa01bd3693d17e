"""A day of a school at speed: a million questions, and the memory of the resolver stays where it was.

The load is made by dnsperf: nine of ten questions are for 10,000 popular names by their rank, one of ten is for a
listed name or below one, one of fifty is new to everybody. The upstream is unbound with the answer for a whole zone.
"""
import os
import random
import re

import dns
import lab
from lab import holds, need, same, wait_for

QUESTIONS, ROUNDS = 100_000, int(os.environ.get("ROUNDS", 10))
# Freed memory is given back at once, also under AddressSanitizer, so that growth is growth.
FRUGAL = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}


def questions(place, number):
    """One round: some names of it are asked in no other."""
    chance = random.Random(number)
    lines = []
    for at in range(QUESTIONS):
        kind = chance.random()
        if kind < 0.1:
            lines.append(f"{chance.choice(['', 'www.', 'a.b.'])}n{chance.randrange(1000)}.tracker.example A")
        elif kind < 0.12:
            lines.append(f"new{number}x{at}.site.example A")
        else:
            rank = int(10_000 ** chance.random())  # Zipf's law, near enough
            lines.append(f"hot{rank}.site.example {chance.choice(['A', 'A', 'AAAA', 'HTTPS'])}")
    return place.write(f"questions-{number}", "\n".join(lines) + "\n")


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def upstream_of(place):
    port = place.free_port()
    config = place.write("unbound.conf", f"""server:
    interface: 127.0.0.1@{port}
    do-daemonize: no
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    directory: "{place.folder}"
    access-control: 127.0.0.0/8 allow
    local-zone: "site.example." redirect
    local-data: "site.example. 300 IN A 11.1.2.3"
    local-data: "site.example. 300 IN AAAA 2a01:4f8::1"
    module-config: "iterator"
""")
    process = place.start("unbound", "-d", "-c", config, log="unbound.log")

    def answers():
        holds(process.poll() is None, process.log_path.read_text())
        return dns.ask("x.site.example", port=port, timeout=0.3)
    wait_for("unbound answers", answers)
    return port


def test_a_million_questions(place):
    need("dnsperf", "unbound")
    port = upstream_of(place)
    place.configure(upstreams=[f"127.0.0.1:{port}"], more="limits: {answers-per-second: 0, in-flight-share: 0}\ncache: {size: 1MiB}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x",
                  place.list_of("ads", [f"n{at}.tracker.example" for at in range(1000)]))
    resolver = place.resolver(env=FRUGAL)
    denied, memory = 0, []
    for number in range(ROUNDS):
        file = questions(place, number)
        done = place.run("dnsperf", "-s", "127.0.0.1", "-p", place.port, "-d", file, "-n", "1", "-c", "8", "-q", "200", "-t", "6", expect=0)
        file.unlink()
        sent = int(re.search(r"Queries sent: +(\d+)", done.stdout).group(1))
        lost = int(re.search(r"Queries lost: +(\d+)", done.stdout).group(1))
        same((sent, lost), (QUESTIONS, 0), f"round {number}: sent and lost")
        holds("SERVFAIL" not in done.stdout and "REFUSED" not in done.stdout, done.stdout)
        denied += int(re.search(r"NXDOMAIN (\d+)", done.stdout).group(1))
        memory.append(memory_kib(resolver.process.pid))
    # The first rounds fill the cache and the pools; after them nothing may grow.
    holds(memory[-1] <= memory[3] * 1.10 + 2048, f"KiB after each round: {memory}")
    print(f"KiB after each 100,000 questions: {memory}")
    wait_for("every denial on record", lambda: recorded(place) == denied, 60, 1)


def recorded(place):
    return sum(one.get("count", 1) for one in place.denials())


if __name__ == "__main__":
    lab.main()
