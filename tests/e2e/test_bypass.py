"""Ways round the filter, each tried against a listed name: refused or answered with nothing of it, and recorded.

The table is that of "ways round the filter": names, types, transports, options, chains, addresses, and the
opposite: what must not be refused.
"""
import socket
import struct

import dns
import lab
from lab import holds, need, same, shared
from upstream import Upstream, address_of

LISTED = "tracker.example"


def opened(place, more="", names=(LISTED,)):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], more=more,
                    groups={"pupils": (["127.0.0.1/32", "::1/128"], ["ads"]), "staff": (["127.0.0.2/32"], [])})
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", names))
    return upstream, place.resolver()


def refused(answer, what):
    holds(answer is not None, f"{what}: nothing came")
    same((answer.rcode, answer.answers), ("NXDOMAIN", []), what)


def count(place):
    return sum(one.get("count", 1) for one in place.denials())


def names_of(name):
    long = ".".join(["a" * 60] * 3)
    labels = [label.encode() for label in name.split(".")]
    fill = 255 - len(dns.name_wire(name)) - 1
    longest = ([b"b" * 62] * (fill // 63) + ([b"c" * (fill % 63 - 0)] if fill % 63 > 0 else []))
    return {
        "itself": name, "upper case": name.upper(), "mixed case": name.title(), "below": "www." + name, "deep below": "a.b.c.d." + name,
        "long": f"{long}.{name}", "120 labels": [b"x"] * 110 + labels, "longest": longest + labels,
        "underscores": "_443._tcp." + name, "wildcard": "*." + name, "binary label": [b"\x00\xff\x80"] + labels,
        "zero byte": [b"x\x00"] + labels, "a dot in a label": [b"a.b"] + labels, "a space": [b" "] + labels,
        "upper case below": "WWW." + name.upper(),
    }


def test_names(place):
    upstream, resolver = opened(place)
    expected = 0
    for what, name in names_of(LISTED).items():
        for tcp in (False, True):
            answer = resolver.ask(name, tcp=tcp)
            refused(answer, f"{what}, tcp={tcp}")
            same(answer.wire[12:answer.question_end - 4], dns.name_wire(name), f"{what}: the name is echoed octet for octet")
            expected += 1
    same(upstream.seen, [], "what went upstream")
    same(count(place), expected, "denials on record")


def test_types_and_classes(place):
    upstream, resolver = opened(place)
    expected = 0
    for kind in ["A", "AAAA", "HTTPS", "SVCB", "TXT", "ANY", "CNAME", "NULL", "MX", "NS", "SOA", "PTR", "SRV", "TYPE65280", "TYPE62"]:
        for tcp in (False, True):
            refused(resolver.ask(LISTED, kind, tcp=tcp), f"type {kind}, tcp={tcp}")
            expected += 1
    same(count(place), expected, "denials on record")
    for kind in ["AXFR", "IXFR", "MAILB", "OPT", "TSIG", "TKEY", "NXNAME", 0, 65535]:
        for tcp in (False, True):
            answer = resolver.ask(LISTED, kind, tcp=tcp)
            holds(answer is not None and not answer.answers and answer.rcode != "NOERROR", f"type {kind}: {answer}")
    for klass in (2, 3, 4, 254, 255):
        answer = resolver.ask(LISTED, klass=klass)
        holds(answer is not None and not answer.answers, f"class {klass}: {answer}")
    same(upstream.seen, [], "what went upstream")


def test_flags_and_options(place):
    upstream, resolver = opened(place)
    expected = 0
    ecs = dns.option(8, struct.pack(">HBB", 1, 24, 0) + socket.inet_aton("127.0.0.2")[:3])
    mac = dns.option(65001, bytes.fromhex("020000000002"))
    forms = {"no EDNS": {"edns": None}, "RD=0": {"flags": 0}, "CD=1": {"flags": 0x0110}, "AD=1": {"flags": 0x0120}, "DO": {"do": True},
             "a client subnet of the staff": {"options": ecs}, "a MAC address": {"options": mac},
             "a cookie": {"options": dns.option(10, b"12345678")}, "a size of 0": {"edns": 0}, "a size of 65535": {"edns": 65535},
             "padding": {"options": dns.option(12, b"\0" * 100)}, "Z bits": {"flags": 0x0140}}
    for what, form in forms.items():
        for tcp in (False, True):
            refused(resolver.ask(LISTED, tcp=tcp, **form), f"{what}, tcp={tcp}")
            expected += 1
    for what, form in {"EDNS version 1": {"version": 1}, "EDNS version 255": {"version": 255}, "two questions": {"questions": 2}}.items():
        answer = resolver.ask(LISTED, **form, timeout=1)
        holds(answer is None or not answer.answers, f"{what}: {answer}")
    for opcode in range(1, 16):
        answer = resolver.ask(LISTED, flags=0x0100 | opcode << 11, timeout=1)
        holds(answer is None or (answer.rcode in ("NOTIMP", "REFUSED", "FORMERR") and not answer.answers), f"opcode {opcode}: {answer}")
    same(upstream.seen, [], "what went upstream")
    same(count(place), expected, "denials on record")


def test_pipelined_between_allowed_names(place):
    _, resolver = opened(place)
    wires = []
    for at in range(30):
        name = LISTED if at % 3 == 1 else f"n{at}.site.example"
        wires.append(dns.query(name, ident=at + 1))
    with socket.create_connection(("127.0.0.1", place.port), timeout=6) as sock:
        sock.sendall(b"".join(struct.pack(">H", len(wire)) + wire for wire in wires))
        for _ in wires:
            answer = dns.Message(dns.tcp_read(sock))
            expected = "NXDOMAIN" if (answer.ident - 1) % 3 == 1 else "NOERROR"
            same(answer.rcode, expected, answer.name)
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "and afterwards")


def test_chains(place):
    """A listed name in the chain of an answer, fresh and from the cache, and then itself."""
    upstream, resolver = opened(place, names=(LISTED, "c3.chained.example"))
    cloaked = "tracker-_-example.cloaked.example"
    for what in ("fresh", "from the cache"):
        refused(resolver.ask(cloaked), f"an alias to a listed name, {what}")
    refused(resolver.ask("www-_-TRACKER-_-example.cloaked.example"), "below it, in another case")
    refused(resolver.ask("x.chain-8.example"), "in the middle of a chain")
    refused(resolver.ask(LISTED), "the target itself, afterwards")
    refused(resolver.ask(cloaked, "AAAA"), "by another type")
    refused(resolver.ask(cloaked, tcp=True), "over TCP")
    staff = resolver.ask(cloaked, source="127.0.0.2")
    same((staff.rcode, staff.addresses), ("NOERROR", [address_of(LISTED)]), "the same entry for staff")
    refused(resolver.ask(cloaked), "and for pupils again")
    ways = {one["via"] for one in place.denials("--client", "127.0.0.1")}
    holds("cname" in ways, f"how it was found: {ways}")
    holds(upstream.seen, "the upstream was asked")


def test_services(place):
    """Targets of HTTPS and SVCB records in both modes, aliases without an end, DNAME."""
    _, resolver = opened(place)
    for kind in ("HTTPS", "SVCB"):
        for word in ("svcalias", "svctarget"):
            name = f"tracker-_-example.{word}.example"
            for what in ("fresh", "from the cache"):
                refused(resolver.ask(name, kind), f"{kind} by {word}, {what}")
            same(resolver.ask(name, kind, source="127.0.0.2").rcode, "NOERROR", f"{kind} by {word} for staff")
    for kind in ("HTTPS", "AAAA", "TXT"):
        refused(resolver.ask("www-_-tracker-_-example.barealias.example", kind), f"an alias without an end, {kind}")
    refused(resolver.ask("x.dname.example"), "through a DNAME")
    ways = {one["via"] for one in place.denials("--client", "127.0.0.1")}
    same(ways, {"service", "cname"}, "how they were found")


def test_addresses(place):
    """Listed addresses in an answer, of both families and as hints; encrypted hellos are stripped."""
    _, resolver = opened(place)
    ranges = place.write("ranges.txt", "11.66.0.0/28\n2a01:66::/124\n")
    place.command("lists", "import", "--category", "ads", "--format", "addresses", "--reason", "x", ranges)
    for kind, name in (("A", "x.at-5.example"), ("AAAA", "x.at-5.example"), ("HTTPS", "x.svchint-5.example")):
        for what in ("fresh", "from the cache"):
            refused(resolver.ask(name, kind), f"a listed address by {kind}, {what}")
        same(resolver.ask(name, kind, source="127.0.0.2").rcode, "NOERROR", f"{kind} for staff")
    same(resolver.ask("x.at-77.example").rcode, "NOERROR", "an address beside the range")
    # A listed name that the school allows covers no address that is listed by the same category.
    place.command("allow", LISTED, "--group", "pupils", "--for", "10m", "--reason", "x")
    same(resolver.ask("tracker-_-example.cloaked.example").rcode, "NOERROR", "an alias to an allowed name")
    refused(resolver.ask("x.aliasat-5.example"), "with a listed address")
    same({one["via"] for one in place.denials("--client", "127.0.0.1")}, {"address"}, "how they were found")
    answer = resolver.ask("x.svchint-77.example", "HTTPS")
    same(answer.rcode, "NOERROR", "a hint beside the range")
    holds(b"ech!" not in answer.wire, "the keys of encrypted hellos go to a filtered group")


def test_canaries(place):
    """Names by which browsers and phones ask whether they may encrypt their look-ups elsewhere."""
    upstream, resolver = opened(place)
    for name in ("use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"):
        for spelled in (name, name.upper()):
            for kind in ("A", "AAAA"):
                answer = resolver.ask(spelled, kind)
                holds(answer.rcode == "NXDOMAIN" or (answer.rcode == "NOERROR" and not answer.answers), f"{spelled} {kind}: {answer}")
    for kind in ("SVCB", "A"):
        answer = resolver.ask("_dns.resolver.arpa", kind)
        same(answer.answers, [], f"_dns.resolver.arpa {kind}: resolvers are not to be discovered past us")
    same([one.name for one in upstream.seen], [], "what went upstream")


def test_special_names_do_not_leak(place):
    """RFC 6761, 6762, 7686, 8880, 6303: answered here, never asked outside."""
    upstream, resolver = opened(place)
    for name, kind in (("localhost", "A"), ("x.localhost", "AAAA"), ("x.invalid", "A"), ("x.onion", "A"), ("1.1.168.192.in-addr.arpa", "PTR"),
                       ("1.0.0.10.in-addr.arpa", "PTR"), ("1.0.0.127.in-addr.arpa", "PTR"), ("ipv4only.arpa", "AAAA")):
        holds(resolver.ask(name, kind) is not None, f"{name}: nothing came")
    leaked = [one.name for one in upstream.seen if not one.name.lower().startswith("ipv4only")]
    same(leaked, [], "what went upstream")


def test_idn(place):
    """A name of the list in letters of a language: as A-label in any case; raw UTF-8 on the wire is another name."""
    _, resolver = opened(place, names=("b\u00fccher.example",))
    for name in ("xn--bcher-kva.example", "XN--BCHER-KVA.example", "www.Xn--Bcher-Kva.EXAMPLE"):
        refused(resolver.ask(name), name)
    raw = resolver.ask(["b\u00fccher".encode(), b"example"])
    holds(raw is not None, "raw UTF-8: nothing came")


def test_not_over_blocked(place):
    _, resolver = opened(place)
    for name in ["nottracker.example", "tracker.example.org", "example", "trackers.example", "tracker-example.org", "other.example",
                 [b"x.tracker", b"example"], [b"tracker.example", b"org"]]:
        answer = resolver.ask(name)
        same(answer.rcode, "NOERROR", f"{name}")
    same(count(place), 0, "denials on record")


def test_ut1_by_kdig(place):
    need("kdig")
    ut1 = shared("ut1")
    names = (ut1 / "gambling" / "domains").read_text().split("\n")
    names = [name for name in names if name and name[0].isalnum() and name.isascii()][:400:50]
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"])
    place.command("lists", "import", "--category", "gambling", "--reason", "x", ut1 / "gambling" / "domains")
    place.resolver()
    forms = [[], ["+tcp"], ["AAAA"], ["HTTPS"], ["SVCB"], ["CNAME"], ["NULL"], ["TXT"], ["ANY"], ["TYPE65280"], ["CH", "TXT"],
             ["+nordflag"], ["+cdflag"], ["+dnssec"],
             ["+subnet=192.0.2.0/24"], ["+noedns"], ["+bufsize=512"], ["+cookie=0102030405060708"], ["+padding=64"]]
    asked = 0
    for name in names:
        for form in forms:
            for spelled in (name, name.upper() + ".", "_443._tcp." + name):
                done = place.run("kdig", "@127.0.0.1", "-p", place.port, "+timeout=6", "+retry=0", spelled, *form)
                holds("status: NXDOMAIN" in done.stdout, f"kdig {spelled} {form}: {done.stdout}{done.stderr}")
                asked += 1
    same(upstream.seen, [], "what went upstream")
    same(count(place), asked, "denials on record")


if __name__ == "__main__":
    lab.main()
