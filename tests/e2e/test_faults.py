"""Faults of the table in tests/faults.md that no other file tells: odd questions, amplification, loops between
servers, lists that vanish, lists of last month, memory while upstreams are silent, link-local addresses.
"""
import os
import socket
import struct
import time

import dns
import lab
from lab import holds, need, need_root, same, wait_for
from upstream import Upstream

LISTED = "tracker.example"
# Freed memory is given back at once, also under AddressSanitizer, so that growth is growth.
FRUGAL = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}


def opened(place, wait=True, upstream=True, start=None, **more):
    up = place.enter(Upstream()) if upstream else None
    place.configure(upstreams=[f"127.0.0.1:{up.port}"] if up else (), workers=1, **more)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", [LISTED]))
    return up, place.resolver(wait=wait, **(start or {}))


def with_record(name, rows, section, flags=0x0100):
    """A question with records in another section: 1 answer, 2 authority, 3 additional."""
    counts = [1, 0, 0, 0]
    counts[section] = 1
    return struct.pack(">HHHHHH", 0x1234, flags, *counts) + dns.name_wire(name) + struct.pack(">HH", 1, 1) + rows


SIGNED = ("SIG(0)",)  # by a key that nobody here has: asked for as if it were not


def odd_questions(name):
    """What a question of a client never is; whatever is said, it is no answer with data."""
    tsig = dns.record(".", "TSIG", 0, dns.name_wire("hmac-sha256") + b"\0" * 6 + struct.pack(">HHHHH", 300, 0, 0x1234, 0, 0), klass=255)
    sig0 = dns.record(".", 24, 0, struct.pack(">HBBIIIHH", 0, 13, 0, 0, 0, 0, 0, 0)[:18] + b"\0" + b"x" * 64, klass=255)
    behind = b"\xc0\x12" + struct.pack(">HH", 1, 1) + b"\0\0" + dns.name_wire(name)
    return {
        "an answer in it": with_record(name, dns.record(name, 1, 60, b"\1\2\3\4"), 1),
        "an authority in it": with_record(name, dns.record(name, 2, 60, dns.name_wire("x.example")), 2),
        "TSIG": with_record(name, tsig, 3),
        "SIG(0)": with_record(name, sig0, 3),
        "two OPT records": with_record(name, dns.query(name)[-11:] * 2, 3)[:10] + b"\0\2" + with_record(name, dns.query(name)[-11:] * 2, 3)[12:],
        "its name behind it": struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + behind,
        "a cookie of 41 octets": dns.query(name, options=dns.option(10, b"c" * 41)),
        "a cookie of 7 octets": dns.query(name, options=dns.option(10, b"c" * 7)),
        "an option longer than its record": dns.query(name, options=struct.pack(">HH", 10, 500)),
        "a client subnet of 64 bits": dns.query(name, options=dns.option(8, struct.pack(">HBB", 1, 64, 0) + b"\1" * 8)),
        "a record count of 65535": dns.query(name)[:10] + b"\xff\xff" + dns.query(name)[12:],
    }


def test_signed_questions(place):
    """RFC 8945 section 5.2.1: a key that is not known here is said to be that, whatever was asked, and nothing goes upstream."""
    need("kdig")
    up, resolver = opened(place)
    for name in (LISTED, "signed.site.example"):
        for more in ([], ["+tcp"], ["+noedns"]):
            told = place.run("kdig", "@127.0.0.1", "-p", resolver.port, "-y", "hmac-sha256:school:c2Nob29sIHNlY3JldA==", *more, name).stdout
            holds("BADKEY" in told and "ANSWER: 0" in told and "\tIN\tA\t" not in told, told)
    rows = odd_questions(LISTED)["TSIG"]
    same(dns.Message(dns.exchange_udp(rows, "127.0.0.1", place.port)).rcode, "NOTAUTH", "a key without a name")
    twice = rows[:11] + b"\2" + rows[12:] + rows[12 + len(dns.name_wire(LISTED)) + 4:]
    for what, wire in (("twice", twice), ("cut in its data", rows[:-1])):
        same(dns.Message(dns.exchange_udp(wire, "127.0.0.1", place.port)).rcode, "FORMERR", what)
    same(up.seen, [], "what went upstream")


def test_odd_questions(place):
    """CVE-2026-42004, CVE-2015-5477, CVE-2026-4893: nothing of them goes upstream, and nothing is amplified."""
    up, resolver = opened(place)
    for name in (LISTED, "fresh.site.example"):
        for what, wire in odd_questions(name).items():
            reply = dns.exchange_udp(wire, "127.0.0.1", place.port, expect=False)
            if reply is not None:
                holds(len(reply) <= 4 * len(wire), f"{what}: {len(reply)} octets for {len(wire)}")
                holds(reply[2] & 0x80, f"{what}: a reply without its bit")
                holds(reply[3] & 15 or what in SIGNED, f"{what} of {name}: {reply!r}")
                holds(name != LISTED or reply[3] & 15, f"{what} of a listed name: {reply!r}")
            reply = dns.exchange_tcp(wire, "127.0.0.1", place.port, timeout=0.7)
            holds(reply is None or reply[3] & 15 or what in SIGNED, f"{what} over TCP: {reply!r}")
    same({one.name.lower() for one in up.seen}, {"fresh.site.example"}, "what went upstream")
    same({tuple(code for code, _ in one.options) for one in up.seen} <= {(10,)}, True, "with whose options")
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "it answers still")


def test_meta_types_leave_the_connection(place):
    opened(place)
    with socket.create_connection(("127.0.0.1", place.port), timeout=6) as sock:
        for ident, kind in enumerate(["AXFR", "IXFR", "MAILB", "OPT", "TSIG", "TKEY", "NXNAME", 0, 65535], 1):
            wire = dns.query("fresh.site.example", kind, ident=ident)
            sock.sendall(struct.pack(">H", len(wire)) + wire)
            answer = dns.Message(dns.tcp_read(sock))
            holds(answer.ident == ident and answer.rcode != "NOERROR", f"{kind}: {answer}")
        wire = dns.query("fresh.site.example", ident=99)
        sock.sendall(struct.pack(">H", len(wire)) + wire)
        same(dns.Message(dns.tcp_read(sock)).rcode, "NOERROR", "an ordinary question on the same connection")


def checksum_free(source_port, port, wire):
    return struct.pack(">HHHH", source_port, port, 8 + len(wire), 0) + wire


def test_no_loop_with_another_server(place):
    """CVE-2012-0206: questions that seem to come from other services, or from ourselves, are answered once at most."""
    need_root()
    opened(place, upstream=False)


    def counted():
        return place.json("status")["queries"]["queries"]
    begun = counted()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            for source in (7, 19, 53, place.port):
                raw.sendto(checksum_free(source, place.port, dns.query(LISTED)), ("127.0.0.1", 0))
                raw.sendto(checksum_free(source, place.port, dns.query(LISTED, flags=0x8180)), ("127.0.0.1", 0))
    except PermissionError:
        raise lab.Skip("no raw sockets here") from None
    wait_for("all are seen", lambda: counted() - begun >= 8)
    time.sleep(0.5)
    # To our own port one answer came back, as a reply, and nothing answered that.
    same(counted() - begun, 9, "datagrams for the eight that were sent")


def test_silent_upstream_costs_bounded_memory(place):
    """CVE-2022-3204, CVE-2022-2795: 3,000 names that nobody answers."""
    _, resolver = opened(place, start={"env": FRUGAL})
    same(resolver.ask("first.site.example").rcode, "NOERROR", "before")
    before = memory_kib(resolver.process.pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.9", 0))
        for at in range(3000):
            sock.sendto(dns.query(f"n{at}.silent.example", ident=at), ("127.0.0.1", place.port))
            if at % 50 == 0:
                time.sleep(0.005)
    same(resolver.ask("good.site.example").rcode, "NOERROR", "meanwhile")
    grown = memory_kib(resolver.process.pid) - before
    holds(grown < 128 << 10, f"{grown} KiB more")


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def test_bulk_of_keys(place):
    """KeyTrap (CVE-2023-50387), CVE-2023-4408: 64 kB of keys are passed on or refused, and others do not wait."""
    up, resolver = opened(place)
    for kind in (48, 43, 50):
        answer = resolver.ask("zone.manykeys.example", kind, tcp=True, do=True)
        holds(answer.rcode in ("NOERROR", "SERVFAIL"), f"type {kind}: {answer.rcode}")
        holds(len(resolver.ask("zone.manykeys.example", kind, do=True).wire) <= 1232, f"type {kind} over UDP")
        holds(len([one for one in up.asked("zone.manykeys.example") if one.kind == kind]) <= 4, f"questions for type {kind}")
    same(resolver.ask("good.site.example").rcode, "NOERROR", "afterwards")


def test_lists_that_vanish(place):
    """Pi-hole FTL issue 2786: the writer's lock held, the folder gone: what is in force stays in force."""
    _, resolver = opened(place)
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "before")
    lists = place.state / "lists"
    lists.rename(place.state / "elsewhere")
    for at in range(50):
        same(resolver.ask(f"n{at}.{LISTED}").rcode, "NXDOMAIN", "without the folder of lists")
    resolver.signal(1)
    wait_for("the log says so", lambda: "refused" in resolver.log() or "lists" in resolver.log())
    for at in range(50):
        same(resolver.ask(f"m{at}.{LISTED}").rcode, "NXDOMAIN", "after a reload without it")
    (place.state / "elsewhere").rename(lists)
    resolver.stop()
    lists.rename(place.state / "elsewhere")
    done = place.run(lab.DAEMON, "--config", place.config_path, expect=1)
    holds("lists" in done.stderr, done.stderr)


def test_lists_of_last_month(place):
    """Cloudflare, October 2023: old data that nobody notices. They serve, and `status` warns."""
    need("faketime")
    place.configure()
    place.run("faketime", "-f", "-40d", lab.COMMAND, "--config", place.config_path, "lists", "import", "--category", "ads", "--reason", "x",
              place.list_of("ads", [LISTED]), expect=0,
              env={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0:detect_leaks=0"})
    resolver = place.resolver()
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "they are in force")
    warnings = " ".join(place.json("status")["warnings"])
    holds("days old" in warnings and "lists update" in warnings, f"warnings: {warnings}")


def test_link_local_clients(place):
    """fe80:: addresses of an interface: the answer goes back to where the question came from."""
    need_root()
    need("ip", "kdig")
    space = f"chalkgate-{os.getpid()}"
    if place.run("ip", "netns", "add", space).returncode:
        raise lab.Skip("no network namespaces here")
    try:
        inside = ("ip", "netns", "exec", space)
        place.run(*inside, "ip", "link", "set", "lo", "up", expect=0)
        place.run(*inside, "ip", "address", "add", "fe80::53/64", "dev", "lo", "nodad", expect=0)
        place.port = place.free_port()
        _, resolver = opened(place, wait=False, upstream=False, listen=[f"[::]:{place.port}"], groups={"pupils": (["fe80::/10"], ["ads"])},
                             start={"before": inside})

        def ask(*more):
            return place.run(*inside, "kdig", "@fe80::53%lo", "-p", place.port, "+time=1", "+retry=0", *more, LISTED).stdout
        wait_for("an answer over UDP", lambda: "status: NXDOMAIN" in ask())
        holds("status: NXDOMAIN" in ask("+tcp"), "over TCP")
        resolver.stop()
    finally:
        place.run("ip", "netns", "delete", space)


if __name__ == "__main__":
    lab.main()
