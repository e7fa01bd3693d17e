"""What is short, cut or changed behind the resolver's back: descriptors, and what was kept while it was away."""
import socket

import dns
import lab
from lab import holds, same, wait_for
from upstream import Upstream

LISTED = "tracker.example"


def opened(place, more="", **start):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], more=more)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", [LISTED]))
    return upstream, place.resolver(**start)


def connections(place, count):
    made = []
    for _ in range(count):
        try:
            made.append(socket.create_connection(("127.0.0.1", place.port), timeout=0.5))
        except OSError:
            break
    return made


def test_few_descriptors(place):
    """Connections and questions for more descriptors than there are: others are served, and the command is answered."""
    _, resolver = opened(place, before=("prlimit", "--nofile=64:64"))
    idle = connections(place, 200)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for at in range(300):
            asker.sendto(dns.query(f"n{at}.late-300.example"), ("127.0.0.1", place.port))
    same(resolver.ask(LISTED).rcode, "NXDOMAIN", "over UDP meanwhile")
    same(resolver.ask(LISTED, tcp=True).rcode, "NXDOMAIN", "over TCP meanwhile")
    place.command("status", timeout=20)
    for one in idle:
        one.close()
    wait_for("a name of an upstream is answered", lambda: resolver.ask("site.example").rcode == "NOERROR")
    holds(resolver.process.poll() is None, "it runs")


def test_a_record_made_while_it_was_away(place):
    """The cache that was kept does not answer for a record of the school's that came since."""
    keep = "cache: {keep: true}\n"
    upstream, resolver = opened(place, more=keep)
    holds(resolver.ask("intranet.example").addresses != ["10.0.0.9"], "the upstream's address at first")
    resolver.ask("site.example")
    resolver.stop()
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], more=keep + "records: {intranet.example: [10.0.0.9]}\n")
    resolver = place.resolver()
    same(resolver.ask("intranet.example").addresses, ["10.0.0.9"], "the record")


if __name__ == "__main__":
    lab.main()
