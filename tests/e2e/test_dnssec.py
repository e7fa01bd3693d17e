"""DNSSEC through the forwarder: a zone that knot signs, unbound as the validating upstream over TLS, and unbound
again as a validating client behind us. RFC 6840: what DO, AD and CD ask for, and what a refusal looks like."""
import os
import re

import dns
import lab
from lab import holds, need, same, wait_for
from test_net import certificate

ZONES = ("signed.example", "bogus.example")
LISTED = "casino.signed.example"
DO, AD, CD = {"do": True}, {"flags": 0x0120}, {"flags": 0x0110}
RRSIG, NSEC, NSEC3 = 46, 47, 50


def start_knot(place):
    need("knotd", "keymgr")
    port = place.free_port()
    text = f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {place.folder}/knot\ndatabase:\n  storage: {place.folder}/knot/db\n"
    text += "log:\n  - target: stderr\n    any: info\nzone:\n"
    for zone in ZONES:
        place.write(f"knot/{zone}.zone", f"$ORIGIN {zone}.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 11.22.33.99\n"
                    "www A 11.22.33.1\ncasino A 11.22.33.2\nalias CNAME casino\n")
        text += f"  - domain: {zone}\n    storage: {place.folder}/knot\n    file: {zone}.zone\n    dnssec-signing: on\n    zonefile-sync: -1\n"
    (place.folder / "knot" / "db").mkdir()
    path = place.write("knot.conf", text)
    place.start("knotd", "-c", path)
    for zone in ZONES:
        wait_for(f"{zone} is signed", lambda z=zone: signed(f"www.{z}", port))
    told = place.run("keymgr", "-c", path, "signed.example", "ds", expect=0).stdout
    anchor = next(line for line in told.splitlines() if re.search(r" DS \d+ \d+ 2 ", line))
    return port, anchor


def signed(name, port):
    answer = dns.ask(name, port=port, do=True, timeout=0.5)
    return answer and any(one.kind == RRSIG for one in answer.answers)


def start_unbound(place, name, anchors, more):
    need("unbound")
    port = place.free_port()
    lines = ["server:", f"  interface: 127.0.0.1@{port}", "  username: \"\"", "  chroot: \"\"", "  pidfile: \"\"", "  use-syslog: no",
             f"  directory: \"{place.folder}\"", "  num-threads: 1", "  do-not-query-localhost: no", "  module-config: \"validator iterator\"",
             "  ede: yes", "  val-log-level: 2", "  local-zone: \"test.\" nodefault"]
    lines += [f"  trust-anchor: \"{anchor}\"" for anchor in anchors]
    path = place.write(f"{name}.conf", "\n".join(lines) + "\n" + more)
    place.start("unbound", "-d", "-c", path)
    return port


def opened(place):
    knot, anchor = start_knot(place)
    cert, key, authority = certificate(place, "dns.school.test")
    tls = place.free_port()
    wrong = re.sub(r"^\S+", "bogus.example.", anchor)  # the key of another zone
    stubs = "".join(f"stub-zone:\n  name: {zone}.\n  stub-addr: 127.0.0.1@{knot}\n" for zone in ZONES)
    upstream = start_unbound(place, "upstream", [anchor, wrong],
                             f"  interface: 127.0.0.1@{tls}\n  tls-port: {tls}\n  tls-service-key: \"{key}\"\n  tls-service-pem: \"{cert}\"\n" + stubs)
    wait_for("the upstream validates", lambda: (answer := dns.ask("www.signed.example", port=upstream, timeout=0.5, **AD)) and answer.flags & 0x20)
    place.configure(upstreams=[{"address": f"127.0.0.1:{tls}", "transport": "tls", "tls-name": "dns.school.test"}], workers=1)
    place.command("lists", "import", "--category", "gambling", "--reason", "x", place.list_of("gambling", [LISTED]))
    return anchor, place.resolver(env={**os.environ, "SSL_CERT_FILE": str(authority)})


def kinds(answer):
    return {one.kind for section in answer.sections for one in section}


def is_authentic(answer):
    return bool(answer.flags & 0x20)


def test_through_the_forwarder(place):
    anchor, resolver = opened(place)
    flags_are_handled(resolver)
    refusals_are_plain(resolver)
    validating_client(place, resolver, anchor)


def flags_are_handled(resolver):
    name = "www.signed.example"
    plain = resolver.ask(name)
    same((plain.addresses, is_authentic(plain), kinds(plain)), (["11.22.33.1"], False, {1}), "asked plainly")
    known = resolver.ask(name, **AD)
    same((known.addresses, is_authentic(known), kinds(known)), (["11.22.33.1"], True, {1}), "with AD (RFC 6840 section 5.7)")
    full = resolver.ask(name, **DO)
    holds(is_authentic(full) and RRSIG in kinds(full) and full.do, f"with DO: {full}")
    same(kinds(resolver.ask(name)), {1}, "and plainly again: no signatures")
    nothing = resolver.ask("nothing.signed.example", **DO)
    holds(nothing.rcode == "NXDOMAIN" and is_authentic(nothing) and kinds(nothing) & {NSEC, NSEC3}, f"a proof that there is no such name: {nothing}")
    bogus = resolver.ask("www.bogus.example")
    same((bogus.rcode, bogus.answers), ("SERVFAIL", []), "what does not validate")
    checked = resolver.ask("www.bogus.example", flags=0x0110, do=True)
    holds(checked.rcode == "NOERROR" and RRSIG in kinds(checked) and checked.flags & 0x10 and not is_authentic(checked), f"with CD: {checked}")
    same(resolver.ask("www.bogus.example").rcode, "SERVFAIL", "and without CD again")


def refusals_are_plain(resolver):
    """No AD, no signatures, and the reason."""
    for name, more in ((LISTED, DO), (LISTED, AD), (LISTED, {**CD, **DO}), ("alias.signed.example", DO)):
        answer = resolver.ask(name, **more)
        same((answer.rcode, is_authentic(answer), answer.ede[0][0]), ("NXDOMAIN", False, 15), f"{name} with {more}")
        holds(not kinds(answer) & {RRSIG, NSEC, NSEC3}, f"{name}: {answer.sections}")


def validating_client(place, resolver, anchor):
    """It believes what is signed, and a refusal fails there visibly, not as a name that does not exist."""
    front = start_unbound(place, "client", [anchor], f"forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{resolver.port}\n")
    good = wait_for("the client's resolver answers", lambda: dns.ask("www.signed.example", port=front, timeout=1, **AD))
    same((good.rcode, good.addresses, is_authentic(good)), ("NOERROR", ["11.22.33.1"], True), "a signed name")
    denied = dns.ask(LISTED, port=front, timeout=6, **DO)
    same((denied.rcode, denied.answers), ("SERVFAIL", []), "a denied one")
    holds(any(5 <= code <= 12 for code, _ in denied.ede), f"the client's resolver says that signatures are missing: {denied.ede}")


if __name__ == "__main__":
    lab.main()
