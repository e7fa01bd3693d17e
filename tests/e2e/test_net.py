#!/usr/bin/env python3
"""Sockets and processes: where answers come from, TCP's rules, limits, signals, crashes, and who may run beside whom."""
import os
import re
import signal
import socket
import struct
import threading
import time

import dns
import lab
from lab import holds, need, need_root, same, wait_for
from upstream import Upstream, address_of

LISTED = "casino.example"


def ground(at, upstream=None, **more):
    """A configuration with one listed name, its list imported."""
    at.configure(upstreams=[f"127.0.0.1:{upstream.port}"] if upstream else (), **more)
    at.command("lists", "import", "--category", "gambling", "--reason", "test", at.list_of("gambling", [LISTED]))


def frame(wire):
    return struct.pack(">H", len(wire)) + wire


def connect(port, source=None, server="127.0.0.1", timeout=10.0):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    if source:
        sock.bind((source, 0))
    sock.settimeout(timeout)
    sock.connect((server, port))
    return sock


def closed_by_other_side(sock):
    """Whether the connection has ended; what is still to be read is read."""
    sock.settimeout(0.05)
    try:
        while sock.recv(65536):
            pass
        return True
    except (socket.timeout, BlockingIOError):
        return False
    except ConnectionError:
        return True


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


# Freed memory is given back at once, also under AddressSanitizer, so that growth is growth.
FRUGAL = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_denied_over_every_way(at):
    ground(at)
    resolver = at.resolver()
    for server in ("127.0.0.1", "::1"):
        for tcp in (False, True):
            answer = resolver.ask("www." + LISTED.upper() + ".", server=server, tcp=tcp)
            same(answer.rcode, "NXDOMAIN", f"{server}, tcp={tcp}")
            same(answer.ede[0][0], 15, "the extended error's code")


def test_forwarded_over_every_way(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        for number, server in enumerate(("127.0.0.1", "::1")):
            for tcp in (False, True):
                name = f"a{number}{int(tcp)}.example"
                same(resolver.ask(name, server=server, tcp=tcp).addresses, [address_of(name)], name)


def reply_source(server, port, wire):
    """Asks by a socket that takes an answer from anybody, and gives the address it came from."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(6)
        sock.sendto(wire, (server, port))
        return sock.recvfrom(4096)[1][0]


def test_reply_comes_from_the_address_asked(at):
    at.port = at.free_port()
    with Upstream() as upstream:
        ground(at, upstream, listen=[f"0.0.0.0:{at.port}", f"[::]:{at.port}"])
        at.resolver()
        for server in ("127.0.0.1", "127.0.0.9", "127.3.2.1", "::1"):
            same(reply_source(server, at.port, dns.query(LISTED)), server, "a denied name")
            same(reply_source(server, at.port, dns.query(f"b{server.replace(':', '-')}.example")), server,
                 "a forwarded name")


def test_reply_comes_from_the_address_asked_dual_stack(at):
    at.port = at.free_port()
    ground(at, listen=[f"[::]:{at.port}"])
    at.resolver()
    for server in ("127.0.0.1", "127.0.0.9", "::1"):
        same(reply_source(server, at.port, dns.query(LISTED)), server, "a denied name")
    same(dns.ask(LISTED, server="127.0.0.5", port=at.port, tcp=True).rcode, "NXDOMAIN", "over TCP")


def test_clients_of_the_field(at):
    need("kdig", "dig", "drill")
    with Upstream() as upstream:
        ground(at, upstream)
        at.resolver()
        port = str(at.port)
        for name, wanted in ((LISTED, "NXDOMAIN"), ("fine.example", "NOERROR")):
            for command in (["kdig", "@127.0.0.1", "-p", port, name], ["kdig", "@127.0.0.1", "-p", port, "+tcp", name],
                            ["dig", "@127.0.0.1", "-p", port, name], ["dig", "@::1", "-p", port, "+tcp", name],
                            ["drill", "-p", port, name, "@127.0.0.1"], ["drill", "-t", "-p", port, name, "@127.0.0.1"]):
                out = at.run(*command).stdout
                holds(wanted in out, f"{' '.join(command)}: no {wanted} in\n{out}")
        out = at.run("kdig", "@127.0.0.1", "-p", port, "+tcp", "+keepopen", LISTED, "fine.example", LISTED).stdout
        same(len(re.findall("status:", out)), 3, "answers on one kept connection")


def test_dnsperf_loses_none(at):
    need("dnsperf")
    with Upstream() as upstream:
        ground(at, upstream)
        at.resolver()
        names = [LISTED, "www." + LISTED] + [f"n{i}.example" for i in range(50)]
        queries = at.write("queries", "".join(f"{name} A\n" for name in names))
        out = at.run("dnsperf", "-s", "127.0.0.1", "-p", at.port, "-d", queries, "-l", "10", "-Q", "3000", "-c", "4",
                     expect=0).stdout
        completed = int(re.search(r"Queries completed:\s+(\d+)", out)[1])
        lost = int(re.search(r"Queries lost:\s+(\d+)", out)[1])
        holds(completed > 1000, f"only {completed} queries were answered")
        same(lost, 0, "queries lost")


def test_tcp_answers_out_of_order(at):
    """RFC 7766 section 7: an answer that is there does not wait for one that is not."""
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        with connect(resolver.port) as sock:
            sock.sendall(frame(dns.query("a.late-1500.example", ident=1)) + frame(dns.query(LISTED, ident=2))
                         + frame(dns.query("quick.example", ident=3)))
            order = [dns.Message(dns.tcp_read(sock)).ident for _ in range(3)]
            same(order[-1], 1, f"the late one comes last of {order}")


def test_tcp_pipeline_of_many(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        with connect(resolver.port, timeout=60) as sock:
            wires = [frame(dns.query(LISTED if i % 2 else f"p{i % 40}.example", ident=i)) for i in range(10000)]
            sender = threading.Thread(target=sock.sendall, args=(b"".join(wires),))
            sender.start()
            idents = {dns.Message(dns.tcp_read(sock)).ident for _ in range(10000)}
            sender.join()
            same(len(idents), 10000, "questions answered on one connection")


def test_tcp_any_cut(at):
    """A question may come in any number of pieces."""
    ground(at)
    resolver = at.resolver()
    wire = frame(dns.query(LISTED)) + frame(dns.query("www." + LISTED, ident=7))
    for cut in (1, 2, 3, 20, len(wire) // 2, len(wire) - 1):
        with connect(resolver.port) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(wire[:cut])
            time.sleep(0.05)
            sock.sendall(wire[cut:])
            for _ in range(2):
                same(dns.Message(dns.tcp_read(sock)).rcode, "NXDOMAIN", f"cut after {cut} octets")


def test_tcp_half_closed(at):
    """A client that has said all it will say is still answered."""
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        with connect(resolver.port) as sock:
            sock.sendall(frame(dns.query("x.late-300.example")))
            sock.shutdown(socket.SHUT_WR)
            same(dns.Message(dns.tcp_read(sock)).rcode, "NOERROR", "after the half close")
            same(sock.recv(1), b"", "then the connection ends")


def test_tcp_slowloris(at):
    ground(at)
    resolver = at.resolver()
    wire = frame(dns.query(LISTED))
    with connect(resolver.port) as slow:
        begun = time.monotonic()
        for i in range(40):
            try:
                slow.sendall(wire[i % len(wire):i % len(wire) + 1] if i < len(wire) else b"\0")
            except ConnectionError:
                break
            if closed_by_other_side(slow):
                break
            time.sleep(0.5)
        took = time.monotonic() - begun
        holds(took < 14, f"one octet each half second was listened to for {took:.0f} s")
    same(resolver.ask(LISTED, tcp=True).rcode, "NXDOMAIN", "others are served")


def test_tcp_rubbish(at):
    ground(at)
    resolver = at.resolver()
    for octets in (b"\0\0", b"\xff\xff" + b"x" * 5000, b"\0\1\0", b"GET / HTTP/1.1\r\n\r\n" * 1000):
        with connect(resolver.port) as sock:
            try:
                sock.sendall(octets)
            except ConnectionError:
                pass
            wait_for(f"the end of a connection that said {octets[:8]!r}", lambda s=sock: closed_by_other_side(s), 15)
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "afterwards")


def test_tcp_idle_connections(at):
    """2,000 idle connections: little memory, no effect on others, closed in the end."""
    ground(at)
    resolver = at.resolver(env=FRUGAL)
    pid = resolver.process.pid
    before = memory_kib(pid)
    idle = []
    try:
        for i in range(2000):
            idle.append(connect(resolver.port, source=f"127.1.{i // 50}.1"))
        same(resolver.ask(LISTED).rcode, "NXDOMAIN", "over UDP beside them")
        same(resolver.ask(LISTED, tcp=True).rcode, "NXDOMAIN", "over TCP beside them")
        each = (memory_kib(pid) - before) / len(idle)
        most = 40 if lab.built_with("tsan") else 20  # which keeps books of its own
        holds(each < most, f"{each:.1f} kB for each idle connection")
        wait_for("idle connections are closed", lambda: sum(map(closed_by_other_side, idle[::200])) == 10, 40, 1)
    finally:
        for sock in idle:
            sock.close()


def test_tcp_one_client_cannot_take_all(at):
    ground(at)
    resolver = at.resolver()
    many = [connect(resolver.port, source="127.0.0.66") for _ in range(300)]
    try:
        time.sleep(0.3)
        left = sum(not closed_by_other_side(sock) for sock in many)
        holds(left <= 100, f"{left} connections of one client are kept")
        same(resolver.ask(LISTED, tcp=True).rcode, "NXDOMAIN", "somebody else")
        same(resolver.ask(LISTED, tcp=True, source="127.0.0.66").rcode, "NXDOMAIN", "the same client, a new question")
    finally:
        for sock in many:
            sock.close()


def test_tcp_client_that_reads_nothing(at):
    ground(at)
    resolver = at.resolver(env=FRUGAL)
    before = memory_kib(resolver.process.pid)
    with connect(resolver.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.5)
        wire = frame(dns.query(LISTED)) * 500
        end = time.monotonic() + 5
        try:
            while time.monotonic() < end:
                sock.sendall(wire)
        except (socket.timeout, ConnectionError):
            pass
        same(resolver.ask(LISTED, tcp=True).rcode, "NXDOMAIN", "others are served")
        if lab.built_with("tsan"):  # which keeps books of its own on each octet that is touched
            print("SKIP: ThreadSanitizer's own memory hides what a client that reads nothing takes")
            return
        grown = memory_kib(resolver.process.pid) - before
        holds(grown < 20000, f"grown by {grown} kB")


def test_replies_are_never_answered(at):
    ground(at)
    resolver = at.resolver()
    wire = dns.query(LISTED, flags=0x8180)
    same(dns.exchange_udp(wire, "127.0.0.1", resolver.port, expect=False), None, "QR=1 over UDP")
    with connect(resolver.port) as sock:
        sock.sendall(frame(wire) + frame(dns.query(LISTED, ident=9)))
        same(dns.Message(dns.tcp_read(sock)).ident, 9, "over TCP only the question is answered")
        closed_by_other_side(sock)


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data if len(data) % 2 == 0 else data + b"\0"))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def test_impossible_senders_are_dropped(at):
    """From port 0 nothing is answered (a raw socket is needed to ask so)."""
    need_root()
    ground(at)
    resolver = at.resolver()
    before = at.json("status")["queries"]["dropped"]
    wire = dns.query(LISTED)
    datagram = struct.pack(">HHHH", 0, resolver.port, 8 + len(wire), 0) + wire
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.sendto(datagram, ("127.0.0.1", 0))
    except PermissionError:
        raise lab.Skip("no raw sockets here") from None
    wait_for("it is counted as dropped", lambda: at.json("status")["queries"]["dropped"] > before)


def test_port_in_use(at):
    ground(at)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", at.port))
        done = at.run(lab.DAEMON, "--config", at.config_path, expect=1)
        holds("in use" in done.stderr and str(at.port) in done.stderr, done.stderr)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", at.port))
        other.listen()
        done = at.run(lab.DAEMON, "--config", at.config_path, expect=1)
        holds("in use" in done.stderr and "TCP" in done.stderr, done.stderr)


def test_second_daemon_and_no_lists(at):
    at.configure()
    done = at.run(lab.DAEMON, "--config", at.config_path, expect=1)
    holds("lists import" in done.stderr, done.stderr)
    ground(at)
    at.resolver()
    done = at.run(lab.DAEMON, "--config", at.config_path, expect=1)
    holds("another chalkgated" in done.stderr, done.stderr)


def test_address_of_another_machine(at):
    at.port = at.free_port()
    ground(at, listen=[f"192.0.2.77:{at.port}"])
    done = at.run(lab.DAEMON, "--config", at.config_path, expect=1)
    holds("192.0.2.77" in done.stderr and "not an address of this machine" in done.stderr, done.stderr)


def test_low_port_without_permission(at):
    need_root()
    need("setpriv")
    at.port = 53
    ground(at, listen=["127.0.0.53:53"])
    at.run("chown", "-R", "65534:65534", at.state)
    done = at.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", lab.DAEMON,
                  "--config", at.config_path)
    if done.returncode != 1:
        raise lab.Skip("low ports are open to everybody here")
    holds("permission" in done.stderr, done.stderr)


def load(at, resolver, stop, wrong):
    """Asks until told to stop; whatever is lost or wrong is put down."""
    number = 0
    while not stop.is_set():
        number += 1
        name = LISTED if number % 2 else f"c{number % 20}.example"
        try:
            answer = resolver.ask(name, timeout=5.0, tcp=number % 10 == 0)
        except Exception as fault:  # told below, whatever it is
            wrong.append(f"{name}: {fault}")
            return
        if answer is None or answer.rcode != ("NXDOMAIN" if name == LISTED else "NOERROR"):
            wrong.append(f"{name}: {answer}")


def under_load(at, resolver, what):
    stop, wrong = threading.Event(), []
    threads = [threading.Thread(target=load, args=(at, resolver, stop, wrong)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        what()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    same(wrong, [], "questions lost or answered wrongly")


def test_sighup_storm(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver(env=FRUGAL)
        pid = resolver.process.pid

        def storm(times):
            """Signals come quicker than reloads may end, and join: what counts are the reloads that were seen."""
            wanted = resolver.log().count("reloaded") + times

            def enough():
                resolver.signal(signal.SIGHUP)
                return resolver.log().count("reloaded") >= wanted

            wait_for(f"{times} reloads under load", enough, patience=120, pause=0.01)

        # The first reloads, and the first questions, take memory that each later one finds again.
        under_load(at, resolver, lambda: storm(60))
        time.sleep(1)
        fds, kib = descriptors(pid), memory_kib(pid)
        under_load(at, resolver, lambda: storm(150))
        wait_for("descriptors are as many as before", lambda: descriptors(pid) <= fds + 150)
        if lab.built_with("tsan"):
            print("SKIP: ThreadSanitizer's own memory grows with every octet that is looked at")
            return
        # What was in force before the last of them is given back once every worker has had its turn.
        wait_for("memory is not 16 MB more than before 150 reloads", lambda: memory_kib(pid) - kib < 16000, pause=0.2)


def test_reload_refused_changes_nothing(at):
    ground(at)
    resolver = at.resolver()
    good = at.config_path.read_text(encoding="utf-8")
    for bad in ("", "listen: [", good + "unknown-key: 1\n", good.replace("groups:", "grups:"), "\0\1\2"):
        at.config_path.write_text(bad, encoding="utf-8")
        before = resolver.log().count("refused")
        resolver.signal(signal.SIGHUP)
        wait_for("the log says why", lambda n=before: resolver.log().count("refused") > n)
        same(resolver.ask(LISTED).rcode, "NXDOMAIN", "what ran runs on")
    at.config_path.write_text(good, encoding="utf-8")
    at.command("reload", "--reason", "mended")
    status = at.json("status")
    same([one for one in status["warnings"] if "refused" in one], [], "nothing is left of it")


def test_reload_takes_new_rules(at):
    ground(at)
    resolver = at.resolver()
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "before")
    with Upstream() as upstream:
        at.configure(upstreams=[f"127.0.0.1:{upstream.port}"], groups={"pupils": (["127.0.0.0/8", "::1/128"], [])})
        at.command("reload", "--reason", "the lesson needs it")
        wait_for("the new rule holds", lambda: resolver.ask(LISTED).rcode == "NOERROR")


def test_reload_wants_a_reason(at):
    ground(at)
    at.resolver()
    at.command("reload", expect=2)


def test_lists_are_adopted_under_load(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()

        def imports():
            for i in range(5):
                at.command("lists", "import", "--category", "gambling", "--reason", "test",
                           at.list_of("gambling", [LISTED, f"new{i}.example"]))
                same(resolver.ask(f"new{i}.example").rcode, "NXDOMAIN", "the new list is in force at once")

        under_load(at, resolver, imports)


def test_flush(at):
    with Upstream() as upstream:
        ground(at, upstream, workers=1)
        resolver = at.resolver()
        resolver.ask("kept.example")
        resolver.ask("kept.example")
        same(len(upstream.asked("kept.example")), 1, "asked once, then kept")
        at.command("flush", "example")
        resolver.ask("kept.example")
        same(len(upstream.asked("kept.example")), 2, "asked again after the flush")
        at.command("flush", "..", expect=2)
        at.command("flush")


def test_sigterm_answers_what_is_in_flight(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(
            resolver.ask(f"t{i}.late-1200.example", tcp=bool(i % 2), timeout=8))) for i in range(10)]
        for thread in threads:
            thread.start()
        wait_for("all questions are upstream", lambda: len({one.name.lower() for one in upstream.seen}) >= 10)
        begun = time.monotonic()
        same(resolver.stop(6), 0, "exit code")
        took = time.monotonic() - begun
        for thread in threads:
            thread.join()
        same(sorted(one.rcode if one else "nothing" for one in answers), ["NOERROR"] * 10, "answers")
        holds(took < 5.5, f"took {took:.1f} s to end")


def test_kill_and_restart(at):
    ground(at)
    for _ in range(5):
        resolver = at.resolver()
        same(resolver.ask(LISTED).rcode, "NXDOMAIN", "after a start")
        resolver.kill()
    begun = time.monotonic()
    resolver = at.resolver()
    holds(time.monotonic() - begun < 10, "a start after a crash takes no repair")
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "after the last")


def test_source_ports_and_ids_differ(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        for i in range(200):
            resolver.ask(f"fresh{i}.example")
        seen = [one for one in upstream.seen if one.name.lower().startswith("fresh")]
        holds(len(seen) >= 200, f"{len(seen)} questions came")
        ports, idents = {one.port for one in seen}, {one.ident for one in seen}
        holds(len(ports) > len(seen) / 2, f"only {len(ports)} ports for {len(seen)} questions")
        holds(len(idents) > len(seen) * 0.98, f"only {len(idents)} ids for {len(seen)} questions")
        holds(max(ports) - min(ports) > 40000, "ports come from the whole range")
        steps = {(b.ident - a.ident) & 0xffff for a, b in zip(seen, seen[1:])}
        holds(len(steps) > len(seen) / 2, "ids have no common step")


def test_upstream_over_tcp(at):
    with Upstream() as upstream:
        ground(at, {"address": f"127.0.0.1:{upstream.port}", "transport": "tcp"} and upstream)
        at.configure(upstreams=[{"address": f"127.0.0.1:{upstream.port}", "transport": "tcp"}])
        resolver = at.resolver()
        for i in range(30):
            same(resolver.ask(f"s{i}.example").rcode, "NOERROR", "over a kept connection")
        same({one.transport for one in upstream.seen}, {"tcp"}, "how the upstream was asked")
        holds(upstream.connections <= 4, f"{upstream.connections} connections for 30 questions")


def certificate(at, name, expired=False, alternative=None):
    """A certificate of an authority of our own: (certificate, key, authority)."""
    need("openssl")
    folder = at.folder / f"tls-{name}"
    folder.mkdir()
    run = lambda *arguments: at.run("openssl", *arguments, expect=0, cwd=folder)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Test authority")
    run("req", *curve, "-keyout", "key.pem", "-out", "csr.pem", "-subj", f"/CN={name}")
    (folder / "index").write_text("", encoding="ascii")
    (folder / "ca.conf").write_text(f"""[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = {alternative or 'DNS:' + name}
""", encoding="ascii")
    dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if expired else ["-days", "30"]
    run("ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "csr.pem", "-out", "cert.pem",
        "-notext", *dates)
    return folder / "cert.pem", folder / "key.pem", folder / "ca.pem"


def tls_resolver(at, upstream, authority, name):
    ground(at)
    at.configure(upstreams=[{"address": f"127.0.0.1:{upstream.port}", "transport": "tls", "tls-name": name}])
    return at.resolver(env={**os.environ, "SSL_CERT_FILE": str(authority)})


def test_upstream_over_tls(at):
    cert, key, authority = certificate(at, "dns.school.test")
    with Upstream(tls=(cert, key)) as upstream:
        resolver = tls_resolver(at, upstream, authority, "dns.school.test")
        for i in range(30):
            same(resolver.ask(f"s{i}.example").rcode, "NOERROR", "over TLS")
        same({one.transport for one in upstream.seen}, {"tcp"}, "how the upstream was asked")
        holds(upstream.connections <= 4, f"{upstream.connections} connections for 30 questions")


def test_upstream_over_tls_with_another_name(at):
    cert, key, authority = certificate(at, "dns.elsewhere.test")
    with Upstream(tls=(cert, key)) as upstream:
        resolver = tls_resolver(at, upstream, authority, "dns.school.test")
        same(resolver.ask("a.example", timeout=8).rcode, "SERVFAIL", "a certificate of another name")
        same(upstream.seen, [], "nothing was asked")
        holds("certificate" in resolver.log(), "the log says why")


def test_upstream_over_tls_unknown_authority(at):
    cert, key, _ = certificate(at, "dns.school.test")
    with Upstream(tls=(cert, key)) as upstream:
        resolver = tls_resolver(at, upstream, "/dev/null", "dns.school.test")
        same(resolver.ask("a.example", timeout=8).rcode, "SERVFAIL", "an authority nobody knows")
        same(upstream.seen, [], "nothing was asked")


def test_upstream_over_tls_that_speaks_plain(at):
    """Never without TLS where TLS was asked for."""
    _, _, authority = certificate(at, "dns.school.test")
    with Upstream() as upstream:
        resolver = tls_resolver(at, upstream, authority, "dns.school.test")
        same(resolver.ask("a.example", timeout=8).rcode, "SERVFAIL", "a server without TLS")
        same(upstream.seen, [], "nothing was asked")


def test_upstream_refuses(at):
    """A closed port is told by the kernel: the next upstream is asked at once."""
    with Upstream() as upstream:
        ground(at)
        at.configure(upstreams=["127.0.0.1:1", f"127.0.0.1:{upstream.port}"])
        resolver = at.resolver()
        for i in range(20):
            begun = time.monotonic()
            same(resolver.ask(f"r{i}.example").rcode, "NOERROR", "by the second upstream")
            holds(time.monotonic() - begun < 2, "without waiting")


def test_descriptors_are_given_back(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        pid = resolver.process.pid

        def ask_many(tag):
            for i in range(300):
                resolver.ask(f"{tag}{i}.example", tcp=i % 5 == 0)

        ask_many("one")
        wait_for("connections are gone", lambda: descriptors(pid) < 400)
        ask_many("two")
        holds(descriptors(pid) < 1200, f"{descriptors(pid)} descriptors")


def test_less_privilege(at):
    need_root()
    at.port = at.free_port()
    ground(at)
    at.config_path.write_text(at.config_path.read_text(encoding="utf-8") + "user: nobody\n", encoding="utf-8")
    resolver = at.resolver()
    with open(f"/proc/{resolver.process.pid}/status", encoding="ascii") as lines:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)
    same(status["Uid"].split()[1], "65534", "the user")
    same(int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapAmb"], 16), 0, "capabilities")
    same(int(status["CapBnd"], 16), 0, "capabilities that a program could get")
    same(status["NoNewPrivs"], "1", "no new privileges")
    if lab.built_with("asan") or lab.built_with("tsan"):  # these need system calls of their own
        print("SKIP: system calls are not filtered in builds with sanitizers")
    else:
        same(status["Seccomp"], "2", "system calls are filtered")
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "it answers all the same")
    at.command("status")


def test_control_socket_bad_input(at):
    ground(at)
    resolver = at.resolver()
    path = str(at.state / "control.sock")
    for octets in (b"", b"\n", b"{}\n", b"[]\n", b'{"verb": 5}\n', b'{"verb": "no-such"}\n', b"\xff\xfe\n", b"{" * 300000,
                   b'{"verb": "lists-adopt"}\n', b'{"verb": "lists-rollback", "generation": -1}\n',
                   b'{"verb": "flush", "name": "' + b"a" * 5000 + b'"}\n', b'{"verb": "flush", "name": ["site.example"]}\n',
                   b'{"verb": "reload", "reason": "a\\nchalkgated: forged line"}\n', b'{"verb": "reload", "reason": ["x"]}\n',
                   b'{"verb": "reload", "reason": "' + b"r" * 100000 + b'"}\n'):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(path)
            try:
                sock.sendall(octets)
                if not octets.endswith(b"\n"):
                    sock.shutdown(socket.SHUT_WR)
                reply = b"".join(iter(lambda s=sock: s.recv(65536), b""))
            except ConnectionError:
                continue
            holds(b'"ok":true' not in reply, f"{octets[:40]!r} was taken: {reply[:200]!r}")
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "afterwards")
    at.command("status")


def test_status_without_daemon(at):
    at.configure()
    done = at.command("status", expect=1)
    holds("no chalkgated is running" in done.stderr, done.stderr)


def test_status_fits_80_columns(at):
    with Upstream() as upstream:
        ground(at, upstream)
        resolver = at.resolver()
        resolver.ask(LISTED)
        resolver.ask("fine.example")
        out = at.command("status").stdout
        widest = max(len(line) for line in out.splitlines())
        holds(widest <= 80, f"{widest} columns:\n{out}")
        status = at.json("status")
        holds(status["queries"]["denied"] >= 1 and status["names"] == 1, status)


if __name__ == "__main__":
    lab.main()
