"""Upstreams that forge, break, stay silent or lie: what the client gets, how soon, and what it costs upstream.

Each line of the tables on forged answers, malformed packets, exhaustion and upstream failure that needs an
upstream is here; the name that is asked says how the upstream answers (see upstream.py).
"""
import concurrent.futures
import socket
import struct
import threading
import time

import dns
import lab
from lab import holds, same, wait_for
from upstream import Upstream, address_of

ALWAYS_S = 5.5      # an answer within 5 s, whatever upstreams do, and half a second for a loaded machine
FORGED = "11.6.6.6"


def opened(place, upstreams=1, more="", workers=1):
    ups = [place.enter(Upstream()) for _ in range(upstreams)]
    place.configure(upstreams=[f"127.0.0.1:{one.port}" for one in ups], workers=workers, more=more,
                    groups={"pupils": (["127.0.0.0/8", "::1/128"], ["ads"])})
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    return (*ups, resolver)


def timed(resolver, name, kind="A", **more):
    begun = time.monotonic()
    answer = resolver.ask(name, kind, timeout=15, **more)
    took = time.monotonic() - begun
    holds(answer is not None, f"{name}: no answer at all")
    holds(took < ALWAYS_S, f"{name}: answered after {took:.1f} s")
    return answer


def right(resolver, name, **more):
    answer = timed(resolver, name, **more)
    same((answer.rcode, answer.addresses), ("NOERROR", [address_of(name)]), name)
    return answer


def failed(resolver, name, **more):
    answer = timed(resolver, name, **more)
    same((answer.rcode, answer.answers), ("SERVFAIL", []), name)
    holds(any(code in (22, 23, 13, 0) for code, _ in answer.ede), f"{name}: extended errors {answer.ede}")
    return answer


def together(function, items, threads=64):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


# Forged answers and cache poisoning.

def test_ports_and_ids(place):
    up, resolver = opened(place)
    together(lambda at: right(resolver, f"n{at}.fresh.example"), range(200), 16)
    seen = [one for one in up.seen if one.transport == "udp"]
    ports, ids = {one.port for one in seen}, [one.ident for one in seen]
    holds(len(ports) > len(seen) / 2, f"{len(ports)} ports for {len(seen)} questions")
    holds(len(set(ids)) > len(ids) * 0.97, f"{len(set(ids))} ids for {len(ids)} questions")
    steps = [(later - earlier) & 0xffff for earlier, later in zip(ids, ids[1:])]
    holds(max(steps.count(step) for step in steps) < 5, "the ids have a common step")
    holds(0x1234 not in ids or ids.count(0x1234) < 3, "the client's id goes upstream")
    names = {one.name for one in seen}
    holds(any(name != name.lower() for name in names), "the case of names does not vary")
    holds(all(one.edns is None or one.edns <= 1232 for one in seen), "the EDNS size upstream is above 1232")


def test_equal_questions_are_joined(place):
    up, resolver = opened(place)
    answers = together(lambda _: resolver.ask("same.late-400.example"), range(50))
    for answer in answers:
        same(answer.addresses, [address_of("same.late-400.example")], "each of fifty equal questions")
    holds(len(up.asked("same.late-400.example")) <= 3, f"{len(up.asked('same.late-400.example'))} questions went upstream")


def test_forgeries_do_not_end_the_wait(place):
    _, resolver = opened(place)
    for name in ["a.wrongid-3.example", "a.wrongid-200.example", "a.wrongport.example", "a.wrongname.example", "a.wrongtype.example",
                 "a.wrongclass.example", "a.query.example", "a.flood-2000.example", "a.headerthengood.example",
                 "a.headerthengood-2.example"]:
        answer = timed(resolver, name)
        holds(FORGED not in answer.addresses, f"{name}: a forgery was used")
        if "header" not in name:  # a header with the right id may be taken as the server's failure
            same(answer.addresses, [address_of(name)], name)
    for _ in range(3):
        answer = timed(resolver, "b.onlywrongid.example")
        holds(not answer.addresses, "only forgeries, and one was used")
    begun = time.monotonic()
    right(resolver, "good.after.example")
    holds(time.monotonic() - begun < 3, "forgeries marked the upstream as dead")


def test_wrong_case_is_not_used(place):
    _, resolver = opened(place)
    right(resolver, "abcdefghij.wrongcase.example")


def test_presents_are_not_kept(place):
    _, resolver = opened(place)
    answer = right(resolver, "a.poison.example")
    same(answer.sections[1] + answer.sections[2], [], "what was not asked")
    right(resolver, "victim.example")


def test_odd_classes_and_any_do_not_poison(place):
    _, resolver = opened(place)
    for klass in (3, 254, 255):
        resolver.ask("k.site.example", klass=klass)
    resolver.ask("k.site.example", "ANY")
    right(resolver, "k.site.example")


def test_cache_keeps_options_apart(place):
    _, resolver = opened(place)
    plain = right(resolver, "o.site.example", edns=None)
    same(plain.edns, None, "an answer without EDNS to a question without")
    fresh = right(resolver, "o.site.example", do=True)
    holds(fresh.edns is not None and fresh.do, "DO is echoed")
    right(resolver, "o.site.example", flags=0x0110)
    again = right(resolver, "o.site.example", edns=None)
    same(again.edns, None, "and again")


# Malformed replies.

def test_broken_replies(place):
    up, resolver = opened(place)
    names = ["a.header.example", "a.header-2.example", "a.rdlen.example", "a.count.example", "a.cut-1.example", "a.cut-11.example",
             "a.cut-30.example", "a.selfpointer.example", "a.forwardpointer.example", "a.rubbish.example", "a.empty.example"]
    together(lambda name: failed(resolver, name), names)
    for name in names:
        holds(len(up.asked(name)) <= 4, f"{name}: {len(up.asked(name))} questions for one")
    right(resolver, "a.trailing.example")
    answer = timed(resolver, "a.nodata.example")
    same((answer.rcode, answer.answers), ("NOERROR", []), "no data without a SOA")
    answer = timed(resolver, "a.nxdomain-0.example")
    same((answer.rcode, answer.answers), ("NXDOMAIN", []), "no such name without a SOA")
    right(resolver, "good.after.example")


# Exhaustion.

def test_silence_does_not_starve_others(place):
    _, resolver = opened(place)
    right(resolver, "cached.site.example")
    stop = threading.Event()

    def flood():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.9", 0))
            sock.connect(("127.0.0.1", place.port))
            for at in range(3000):
                if stop.is_set():
                    return
                try:
                    sock.send(dns.query(f"n{at}.silent.example", ident=at))
                except ConnectionRefusedError:
                    return
                if at % 50 == 0:
                    time.sleep(0.005)
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        thread.join(3)
        for at in range(5):
            begun = time.monotonic()
            right(resolver, "cached.site.example")
            right(resolver, f"g{at}.good.example")
            holds(time.monotonic() - begun < 3, "good names starve")
    finally:
        stop.set()
        thread.join()


def test_upstream_economy(place):
    up, resolver = opened(place)
    names = ["a.rcode-2.example", "a.rcode-5.example", "a.silent.example", "a.alwaystruncated.example", "a.tcpcloses.example",
             "a.tcphangs.example", "a.tcpcut.example", "a.onlywrongid.example", "a.loop.example", "a.selfalias.example",
             "e0.endless.example"]
    for name, answer in zip(names, together(lambda name: timed(resolver, name), names)):
        holds(not answer.addresses, f"{name}: {answer}")
        tries = len(up.asked(name))
        holds(tries <= 4, f"{name}: {tries} questions for one")  # three, and one over TCP


def test_connections_that_serve_nobody(place):
    """Each time something that answers nothing, and the end: 9,600 connections came of one question once."""
    up, resolver = opened(place)
    for name in ("a.tcpjunk.example", "b.tcpjunk.example"):
        failed(resolver, name)
        holds(len(up.asked(name)) <= 4, f"{len(up.asked(name))} questions for one")
        right(resolver, "a.truncated.example")  # and then with a connection that has served


def test_failures_are_cached(place):
    up, resolver = opened(place)
    for _ in range(10):
        failed(resolver, "again.rcode-2.example")
    holds(len(up.asked("again.rcode-2.example")) <= 6, f"{len(up.asked('again.rcode-2.example'))} questions for ten in a row")


def test_chains_are_bounded(place):
    _, resolver = opened(place)
    answer = timed(resolver, "a.chain-8.example")
    same((answer.rcode, answer.addresses), ("NOERROR", [address_of("c7.chained.example")]), "eight aliases")
    for name in ("a.chain-30.example", "a.loop.example", "a.selfalias.example", "e0.endless.example"):
        timed(resolver, name)
    right(resolver, "good.after.example")


def test_large_answers(place):
    _, resolver = opened(place)
    answer = timed(resolver, "a.longtext.example", "TXT", tcp=True)
    holds(answer.rcode in ("NOERROR", "SERVFAIL"), f"64 kB of text: {answer.rcode}")
    answer = timed(resolver, "b.longtext.example", "TXT")
    holds(len(answer.wire) <= 1232 and (answer.truncated or answer.rcode == "SERVFAIL"), f"over UDP: {len(answer.wire)} octets")
    answer = timed(resolver, "a.addresses-4000.example", tcp=True)
    holds(answer.rcode in ("NOERROR", "SERVFAIL"), "4,000 addresses")
    if answer.rcode == "NOERROR":
        same(len(answer.addresses), 4000, "addresses over TCP")
    failed(resolver, "a.longnames.example")  # took minutes once, which everybody waited for
    for size, limit in ((None, 512), (0, 512), (100, 512), (512, 512), (1232, 1232), (65535, 1232)):
        answer = timed(resolver, "a.addresses-60.example", edns=size)
        holds(len(answer.wire) <= limit, f"a client's size of {size}: {len(answer.wire)} octets")
        holds(answer.truncated or len(answer.addresses) == 60, f"a client's size of {size}: {len(answer.addresses)} addresses")


# Upstream failure.

def test_truncation_goes_to_tcp(place):
    up, resolver = opened(place)
    right(resolver, "a.truncated.example")
    same({one.transport for one in up.asked("a.truncated.example")}, {"udp", "tcp"}, "transports")


def test_edns_fallbacks(place):
    _, resolver = opened(place)
    right(resolver, "a.noedns.example")
    timed(resolver, "a.noednsheader.example")
    right(resolver, "a.dropsedns.example")


def test_ttls(place):
    up, resolver = opened(place)
    for _ in range(2):
        right(resolver, "a.ttl-0.example")
    same(len(up.asked("a.ttl-0.example")), 2, "a TTL of 0 is not kept")
    for ttl in (2147483648, 4294967295):
        answer = right(resolver, f"a.ttl-{ttl}.example")
        holds(answer.answers[0].ttl <= 7 * 86400, f"a TTL of {ttl} became {answer.answers[0].ttl}")


def test_second_upstream_takes_over(place):
    """SERVFAIL, REFUSED and silence of the first: the second is used within one question."""
    first, second, resolver = opened(place, upstreams=2)
    original = first.faults.replies
    for word in ("rcode-2", "rcode-5", "silent"):
        first.faults.replies = lambda message, tcp, word=word: (
            getattr(first.faults, "fault_" + word.split("-")[0])(message, int(word[-1]) if "-" in word else None, tcp))
        for at in range(3):
            right(resolver, f"n{at}.{word.replace('-', '')}x.example")
    first.faults.replies = original
    holds(second.seen, "the second was never asked")


def test_the_only_one_refuses_all(place):
    """As one does that does not know our address: `status` tells."""
    up, resolver = opened(place)
    for at in range(40):
        failed(resolver, f"n{at}.rcode-5.example")
    status = place.json("status")
    same([one["state"] for one in status["upstreams"]], ["failing"], "its state")
    holds(any("cannot tell" in one for one in status["warnings"]), f"warnings: {status['warnings']}")
    for at in range(40):
        right(resolver, f"n{at}.good.example")
    same([one["state"] for one in place.json("status")["upstreams"]], ["answering"], "and when it answers")


def test_outage_and_recovery(place):
    up, resolver = opened(place)
    right(resolver, "cached.site.example")
    up.down = True
    together(lambda at: failed(resolver, f"away{at}.site.example"), range(6))
    for _ in range(5):
        right(resolver, "cached.site.example")
    up.down = False
    begun = time.monotonic()
    wait_for("a good name after the outage", lambda: resolver.ask(f"back{time.monotonic_ns()}.site.example").rcode == "NOERROR", 5)
    holds(time.monotonic() - begun < 5, "recovery took too long")


def test_own_address_as_upstream(place):
    port = place.port = place.free_port()
    place.configure(upstreams=[f"127.0.0.1:{port}"])
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]), expect=None)
    done = place.run(lab.DAEMON, "--check", "--config", place.config_path, expect=None)
    if done.returncode == 0:
        resolver = place.resolver()
        failed(resolver, "loop.site.example")
        right_now = resolver.ask("tracker.example")
        same(right_now.rcode, "NXDOMAIN", "it lives")
    else:
        same(done.returncode, 2, "an upstream that is ourselves")
        holds(str(port) in done.stderr, done.stderr)


def test_rebinding(place):
    _, resolver = opened(place)
    for kind in ("A", "AAAA"):
        answer = timed(resolver, "a.private.example", kind)
        same(answer.addresses, [], f"a private address ({kind}) from a public name")


# TCP of clients.

def connect(place):
    return socket.create_connection(("127.0.0.1", place.port), timeout=10)


def test_idle_and_slow_connections(place):
    _, resolver = opened(place)
    idle = []
    try:
        for _ in range(150):
            try:
                idle.append(connect(place))
            except OSError:
                break
        right(resolver, "over.udp.example")
        fresh = resolver.ask("over.tcp.example", tcp=True, source="127.0.0.8")
        holds(fresh is not None and fresh.rcode == "NOERROR", "another client's connection")
        # One octet a second: the deadline is that of the question, not of the octet.
        wire = dns.query("slow.tcp.example")
        wire = struct.pack(">H", len(wire)) + wire
        with socket.socket() as slow:
            slow.bind(("127.0.0.7", 0))
            slow.connect(("127.0.0.1", place.port))
            slow.settimeout(1)
            begun, cut = time.monotonic(), False
            for octet in wire[:-1]:
                try:
                    slow.send(bytes([octet]))
                    if slow.recv(1) == b"":
                        cut = True
                except socket.timeout:
                    pass
                except OSError:
                    cut = True
                if cut:
                    break
            holds(cut and time.monotonic() - begun < 40, "one octet a second goes on for ever")
    finally:
        for sock in idle:
            sock.close()


def test_many_questions_on_one_connection(place):
    _, resolver = opened(place)
    right(resolver, "hot.site.example")
    wires = b"".join(struct.pack(">H", len(wire)) + wire for wire in (dns.query("hot.site.example", ident=at) for at in range(2000)))
    with connect(place) as sock:
        sender = threading.Thread(target=sock.sendall, args=(wires,))
        sender.start()
        ids = set()
        for _ in range(2000):
            reply = dns.tcp_read(sock)
            if reply is None:
                break
            ids.add(dns.Message(reply).ident)
        sender.join()
    holds(len(ids) >= 100, f"only {len(ids)} of 2,000 pipelined questions were answered")
    right(resolver, "hot.site.example")


def test_answers_out_of_order(place):
    opened(place)
    with connect(place) as sock:
        for ident, name in ((1, "a.late-600.example"), (2, "quick.site.example")):
            wire = dns.query(name, ident=ident)
            sock.sendall(struct.pack(">H", len(wire)) + wire)
        order = [dns.Message(dns.tcp_read(sock)).ident for _ in range(2)]
    same(order, [2, 1], "the quick answer does not wait for the slow one (RFC 7766 section 7)")


if __name__ == "__main__":
    lab.main()
