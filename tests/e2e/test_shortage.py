"""What is short, cut or changed behind the resolver's back: descriptors, and what was kept while it was away."""
import json
import os
import socket

import dns
import lab
import test_export
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


def test_what_was_only_counted_goes_out_as_numbers(place):
    """No room for a journal: denials are counted, and collectors get how many there were, once each, when there is room."""
    syslog = test_export.Collector()
    journal = test_export.Collector(socket.AF_UNIX, socket.SOCK_DGRAM, str(place.folder / "journal"))
    ways = {"syslog": {"form": "syslog", "address": f"127.0.0.1:{syslog.port}"},
            "journal": {"form": "journal", "socket": str(place.folder / "journal")},
            "file": {"form": "json", "file": str(place.folder / "denials.json")},
            "urgent": {"form": "json", "file": str(place.folder / "urgent.json"), "severity": "urgent"}}

    def fill():
        """Leaves 5 MiB: enough for a segment, and not for a journal file."""
        with open(place.state / "ballast", "wb") as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 65536)
                    ballast.flush()
            except OSError:
                ballast.truncate(ballast.seek(0, os.SEEK_END) - (5 << 20))

    def told(name):
        path = place.folder / name
        return [one for one in map(json.loads, path.read_text().splitlines()) if one["event"] != "change"] if path.exists() else []

    def total(events):
        return sum(int(one["count"]) for one in events if one["event"] == "counted")
    with place.small_state("40m"):
        resolver = test_export.opened(place, ways, first=fill)
        wait_for("carriers have begun", lambda: all("sent" in one for one in test_export.exports(place).values()), pause=0.3)
        for at in range(30):
            same(resolver.ask(f"n{at}.bets.example").rcode, "NXDOMAIN", "on a full disk")
        for _ in range(7):
            same(resolver.ask("www.harm.example").rcode, "NXDOMAIN", "on a full disk")
        same(place.json("status")["denials"]["counted"], 37, "none has a record")
        wait_for("the numbers are sent", lambda: total(told("denials.json")) == 37, pause=0.3)
        for one in told("denials.json"):
            same([one["event"], one["group"]], ["counted", "pupils"], f"{one}")
            holds(one["time"] < one["until"], f"the span: {one}")
        same({(one["category"], one["title"], one["severity"]) for one in told("denials.json")},
             {("gambling", test_export.TITLE, "medium"), ("self-harm", "Self-harm", "urgent")}, "what they are of")
        wait_for("the urgent ones", lambda: total(told("urgent.json")) == 7, pause=0.3)
        wait_for("syslog", lambda: total([test_export.parse(one) for one in syslog.messages]) == 37, pause=0.3)
        wait_for("journal", lambda: sum(int(one["CHALKGATE_COUNT"]) for one in map(test_export.journal_fields, journal.messages)
                                        if one.get("CHALKGATE_EVENT") == "counted") == 37, pause=0.3)
        same([test_export.exports(place)[name]["counted"] for name in ways], [37, 37, 37, 7], "status")
        # Room again, and a restart: what was told is not told again, what comes has a record.
        resolver.stop()
        (place.state / "ballast").unlink()
        resolver = place.resolver()
        same(resolver.ask("later.bets.example").rcode, "NXDOMAIN")
        wait_for("it has a record", lambda: [one for one in told("denials.json") if one.get("name") == "later.bets.example"], pause=0.3)
        same(total(told("denials.json")), 37, "nothing is told twice")
    for one in (syslog, journal):
        one.stop()


if __name__ == "__main__":
    lab.main()
