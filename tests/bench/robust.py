#!/usr/bin/env python3
"""Two figures of the reliability goals: what a reply of thousands of records costs, and how long ordinary questions take
beside ten thousand that nobody answers.

    robust.py [BUILD]       BUILD: a folder with bin/chalkgated, build/release-tests unless told

Each figure is the least of some rounds, since the machine has others on it; the idle rounds beside it tell how busy it was.
"""
import argparse
import os
import pathlib
import socket
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS, QUESTIONS, IN_FLIGHT, RECORDS, REPLIES = 5, 2000, 10000, 4000, 100


def processor_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def large_replies(resolver):
    """Milliseconds of processor time for a reply of thousands of addresses: truncated over UDP, fetched over TCP, judged
    and sent on. It is too large to be kept."""
    spent = []
    for number in range(ROUNDS):
        begun = processor_s(resolver.process.pid)
        for at in range(REPLIES):
            answer = resolver.ask(f"l{number}x{at}.addresses-{RECORDS}.example", tcp=True)
            assert len(answer.answers) == RECORDS, answer
        spent.append((processor_s(resolver.process.pid) - begun) * 1000 / REPLIES)
    return min(spent)


def latencies(lab_dns, port):
    """Seconds of each of some questions, denied and cached in turn, in order of length."""
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(5)
        for at in range(QUESTIONS):
            wire = lab_dns.query("www.tracker.example" if at % 2 else "hot1.site.example", ident=at)
            begun = time.monotonic()
            sock.send(wire)
            while int.from_bytes(sock.recv(4096)[:2], "big") != at:
                pass
            times.append(time.monotonic() - begun)
            time.sleep(0.0005)
    return sorted(times)


def percentiles(rounds):
    """The round whose p99 is least: p50 and p99 in milliseconds."""
    best = min(rounds, key=lambda times: times[int(len(times) * 0.99)])
    return best[len(best) // 2] * 1000, best[int(len(best) * 0.99)] * 1000


def measure(lab, storm):
    place = lab.Lab("robust")
    try:
        good = place.enter(storm.Upstream())
        hole = place.enter(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        hole.bind(("127.0.0.1", 0))
        resolver = storm.opened(place, [good], more=f"forward-zones: {{silent.example: [\"127.0.0.1:{hole.getsockname()[1]}\"]}}\n")
        print(f"a reply of {RECORDS} records: {large_replies(resolver):.2f} ms of processor time (goal: 10)")
        idle = [latencies(storm.dns, place.port) for _ in range(ROUNDS)]
        with storm.Hostile(place, [(storm.silent, 3000, 60)]):
            lab.wait_for("so many are in flight", lambda: storm.in_flight(place) > IN_FLIGHT, 30, 0.2)
            beside = [latencies(storm.dns, place.port) for _ in range(ROUNDS)]
            lab.holds(storm.in_flight(place) > IN_FLIGHT, "they still are")
        for what, rounds in (("idle", idle), (f"beside {IN_FLIGHT} unanswered", beside)):
            p50, p99 = percentiles(rounds)
            print(f"denied and cached questions, {what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms (goal: 50)")
    finally:
        faults = place.close()
        place.remove()
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=HERE.parents[1] / "build" / "release-tests")
    os.environ["CHALKGATE_BUILD"] = str(pathlib.Path(parser.parse_args().build).resolve())
    sys.path.insert(0, str(HERE.parent / "e2e"))
    import lab
    import test_storm
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    sys.exit("\n".join(measure(lab, test_storm)) or None)


if __name__ == "__main__":
    main()
