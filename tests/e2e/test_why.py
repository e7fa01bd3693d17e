"""`why` beside what the resolver answers: for each kind of verdict the same one, with the reason in words."""
import json
import time

import lab
from lab import holds, same, wait_for
from upstream import Upstream, address_of

PUPIL, STAFF, KIOSK, CLOSED, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"

GROUPS = {
    "pupils": {"subnets": [PUPIL], "deny": ["games", "service:tiktok", "own.example"], "allow": ["fine.games.example"],
               "observe": ["ads"], "safe-search": "strict"},
    "staff": {"subnets": [STAFF]},
    "kiosk": {"subnets": [KIOSK], "walled-garden": True, "allow": ["library.example", "cloaked.example"]},
    "closed": {"subnets": [CLOSED], "schedule": [{"during": ["always"], "internet": False}]},
}

MORE = """
calendar: {time-zone: UTC, periods: {always: {days: [mon-sun], when: always, times: ['00:00-24:00']}}}
records: {printer.school.example: [10.0.0.30]}
forward-zones: {inside.private.example: ["127.0.0.1:%(port)d"]}
private-answers-allowed: [ours.private.example]
"""

# Client, name, type, verdict, words of the reason or of what is done.
KINDS = [
    (PUPIL, "www.chess.example", "A", "denied", "Games, denied by the configuration"),
    (PUPIL, "fine.games.example", "A", "allowed", "an exception by the configuration"),
    (PUPIL, "own.example", "A", "denied", "an exception by the configuration"),
    (PUPIL, "www.tiktok.com", "A", "denied", "an exception by the configuration"),
    (PUPIL, "bad.example", "A", "denied", "sealed: denied to everyone"),
    (STAFF, "bad.example", "HTTPS", "denied", "sealed: denied to everyone"),
    (STAFF, "www.chess.example", "A", "allowed", "Games is not denied to staff"),
    (PUPIL, "ads.example", "A", "observed", "Ads, observed by the configuration"),
    (PUPIL, "plain.example", "A", "allowed", "asked of the upstreams 127.0.0.1:"),
    (PUPIL, "printer.school.example", "A", "allowed", "a record of the school's own: 10.0.0.30"),
    (PUPIL, "30.0.0.10.in-addr.arpa", "PTR", "allowed", "the name of a record of the school's own"),
    (PUPIL, "files.inside.private.example", "A", "allowed", "forward-zone inside.private.example: asked of 127.0.0.1:"),
    (PUPIL, "use-application-dns.net", "A", "allowed", "a canary"),
    (PUPIL, "x.onion", "A", "allowed", "by its standard does not exist outside"),
    (PUPIL, "x.home.arpa", "A", "allowed", "a zone of the inside that no forward-zone covers"),
    (PUPIL, "localhost", "A", "allowed", "the device itself"),
    (PUPIL, "_dns.resolver.arpa", "SVCB", "allowed", "so that nothing goes round it"),
    (PUPIL, "plain.example", "ANY", "allowed", "RFC 8482"),
    (PUPIL, "plain.example", "TYPE251", "allowed", "no such type to ask others for"),
    (PUPIL, "www.google.com", "A", "allowed", "safe search: answered as an alias of forcesafesearch.google.com"),
    (PUPIL, "www.google.com", "TXT", "allowed", "asked of the upstreams"),
    (PUPIL, "explicit.bing.net", "A", "denied", "has no safe form"),
    (STAFF, "explicit.bing.net", "A", "allowed", "asked of the upstreams"),
    (PUPIL, "b.private.example", "A", "denied", "192.168.1.1, an address of the inside"),
    (PUPIL, "b.ours.private.example", "A", "allowed", "on no list"),
    (PUPIL, "chess-_-example.cloaked.example", "A", "denied", "its answer leads to chess.example: Games"),
    (STAFF, "chess-_-example.cloaked.example", "A", "allowed", "on no list"),
    (STAFF, "bad-_-example.cloaked.example", "A", "denied", "its answer leads to bad.example"),
    (PUPIL, "chess-_-example.svctarget.example", "HTTPS", "denied", "its answer leads to chess.example"),
    (PUPIL, "x.svchint-5.example", "HTTPS", "denied", "its answer leads to 11.66.0.5: Games"),
    (STAFF, "x.svchint-5.example", "HTTPS", "allowed", "on no list"),
    (PUPIL, "own-_-example.cloaked.example", "A", "denied", "its answer leads to own.example: an exception"),
    (KIOSK, "library.example", "A", "allowed", "an exception by the configuration"),
    (KIOSK, "plain.example", "A", "denied", "may use only what the configuration lists"),
    (KIOSK, "chess-_-example.cloaked.example", "A", "allowed", "an exception"),
    (KIOSK, "bad-_-example.cloaked.example", "A", "denied", "its answer leads to bad.example"),
    (CLOSED, "plain.example", "A", "denied", "no internet at this time"),
    (PUPIL, "www.v6.example", "AAAA", "denied", "Games, denied by the configuration"),
    (PUPIL, "www.v6.example", "A", "allowed", "listed, but not for questions of type A"),
    (PUPIL, "v6-_-example.cloaked.example", "AAAA", "denied", "its answer leads to v6.example: Games"),
    (PUPIL, "v6-_-example.cloaked.example", "A", "allowed", "on no list"),
    (STRANGER, "plain.example", "A", "refused", "is in no group's subnets"),
]


def opened(place):
    upstream = place.enter(Upstream())
    place.configure([f"127.0.0.1:{upstream.port}"], categories=["games", "ads", ("bad", {"sealed": True})])
    text = place.config_path.read_text(encoding="utf-8")
    text = text[:text.index("groups:")] + "groups:\n" + "".join(f"  {name}: {json.dumps(group)}\n" for name, group in GROUPS.items())
    place.config_path.write_text(text + MORE % {"port": upstream.port}, encoding="utf-8")
    for category, names in (("games", ["chess.example", "games.example"]), ("ads", ["ads.example"]), ("bad", ["bad.example"])):
        place.command("lists", "import", "--category", category, "--reason", "the test's ground", place.list_of(category, names))
    place.command("lists", "import", "--category", "games", "--reason", "the test's ground",
                  "--format", "addresses", place.write("ranges.txt", "11.66.0.0/28\n"))
    place.command("lists", "import", "--category", "games", "--reason", "the test's ground",
                  place.write("types.txt", "||v6.example^$dnstype=AAAA\n||most.example^$dnstype=~A|~AAAA\n"))


def answered(resolver, client, name, kind):
    """The verdict, as a client sees it: denials carry the extended error "Blocked"."""
    reply = resolver.ask(name, kind, source=client)
    codes = [code for code, _ in reply.ede]
    if reply.rcode == "REFUSED" and 18 in codes:
        return "refused"
    return "denied" if 15 in codes else "let through"


def told(place, client, name, kind):
    done = place.command("--json", "why", name, "--client", client, "--type", kind, "--resolve", expect=None)
    holds(done.returncode in (0, 3), f"{name}: {done.stderr}")
    return json.loads(done.stdout)


def test_every_kind_of_verdict(place):
    opened(place)
    resolver = place.resolver()
    for client, name, kind, verdict, words in KINDS:
        case = f"{name} {kind} for {client}"
        story = told(place, client, name, kind)
        same(story["verdict"], verdict, f"why says of {case}: {story}")
        same(answered(resolver, client, name, kind), verdict if verdict in ("denied", "refused") else "let through",
             f"the resolver says of {case}")
        holds(words in story["because"] + " / " + story.get("handled", ""), f"{case}: {words!r} in {story}")


def test_without_a_daemon_and_without_asking(place):
    opened(place)
    for client in (PUPIL, STAFF, KIOSK, CLOSED, STRANGER):
        rows = [row for row in KINDS if row[0] == client and row[2] == "A"]
        batch = place.write("names.txt", "".join(row[1] + "\n" for row in rows))
        done = place.command("--json", "why", "--batch", batch, "--client", client, "--resolve", expect=None)
        same([(story["name"], story["verdict"]) for story in json.loads(done.stdout)], [(row[1], row[3]) for row in rows], client)
    shown = place.command("why", "chess-_-example.cloaked.example", "--client", PUPIL).stdout
    holds("--resolve asks now" in shown, shown)
    shown = place.command("why", "www.google.com", "--client", PUPIL).stdout
    holds("Handled     safe search" in shown and "--resolve" not in shown, shown)
    place.command("why", "x.example", "--type", "nosuch", "--client", PUPIL, expect=2)


def test_rules_for_some_types_of_question(place):
    """The rule, its types, whether it counts for this question, and the answer that holds for this type only."""
    opened(place)
    story = told(place, PUPIL, "v6.example", "AAAA")
    same([(one["name"], one["types"], one["counts"]) for one in story["entries"]], [("v6.example", "only AAAA", True)], "entries")
    holds(story["answer"].startswith("nodata"), story["answer"])
    shown = place.command("why", "v6.example", "--client", PUPIL, "--type", "AAAA", expect=3).stdout
    holds("types.txt, line 1; only AAAA\n" in shown, shown)
    shown = place.command("why", "v6.example", "--client", PUPIL).stdout
    holds("listed, but not for questions of type A\n" in shown and "line 1; only AAAA, so not for this question\n" in shown, shown)
    shown = place.command("why", "most.example", "--client", PUPIL, "--type", "TXT", expect=3).stdout
    holds("line 2; all but A, AAAA\n" in shown, shown)
    resolver = place.resolver()
    for name in ("v6.example", "v6-_-example.cloaked.example"):
        holds(told(place, PUPIL, name, "AAAA")["answer"].startswith("nodata"), f"the answer that is told of {name}")
        same(resolver.ask(name, "AAAA", source=PUPIL).rcode, "NOERROR", f"the answer of {name}")


def test_grants_and_sessions(place):
    opened(place)
    resolver = place.resolver()
    same(answered(resolver, PUPIL, "chess.example", "A"), "denied", "before")
    place.command("allow", "chess.example", "-g", "pupils", "--for", "1h", "-r", "a lesson")
    story = told(place, PUPIL, "chess.example", "A")
    same((story["verdict"], answered(resolver, PUPIL, "chess.example", "A")), ("allowed", "let through"), "with the grant")
    shown = place.command("why", "chess.example", "--client", PUPIL).stdout
    holds("a lesson" in shown and ", until " in shown and "(this decides)" in shown, shown)
    later = place.json("why", "chess.example", "--client", PUPIL, "--at", "2099-01-01T11:00", expect=3)
    same((later["verdict"], later["exceptions"][0]["holds"]), ("denied", False), f"when it has ended: {later}")
    place.command("session", "start", "--address", PUPIL, "--user", "anna", "--group", "staff", "--for", "1h")
    story = told(place, PUPIL, "games.example", "A")
    same((story["group"], story["verdict"]), ("staff", "allowed"), f"signed on: {story}")
    holds(story["found_by"].startswith("anna signed on"), story)
    same(answered(resolver, PUPIL, "games.example", "A"), "let through", "signed on")
    batch = place.write("lesson.txt", "games.example\nbad.example # no\nprinter.school.example\n")
    slips = place.write("slips.txt", "bad.example\nhttps://www.site.example/page\n")
    done = place.command("why", "--batch", slips, "--client", PUPIL, expect=3)
    holds(f"{slips}:2: left out" in done.stderr and "bad.example" in done.stdout, f"a line that is no name: {done.stderr}{done.stdout}")
    done = place.command("why", "--batch", place.write("none.txt", "# nothing\n"), "--client", PUPIL, expect=2)
    holds("no name stands in it" in done.stderr, done.stderr)
    rows = place.json("why", "--batch", batch, "--client", PUPIL, expect=3)
    same([row["verdict"] for row in rows], ["allowed", "denied", "allowed"], "a lesson's list")


def test_a_listed_address_in_an_answer(place):
    """What an address of an RPZ list denies is told with the address, for whom it denies; and the resolver does the same."""
    opened(place)
    first, second = address_of("moved.example"), address_of("moved.example", 28)
    zone = ("$TTL 2h\n@ IN SOA localhost. root.localhost. 1 2h 1h 1w 1h\n NS localhost.\n"
            f"32.{'.'.join(reversed(first.split('.')))}.rpz-ip CNAME .\n"
            f"128.{'.'.join(reversed(second.replace('::', ':zz:').split(':')))}.rpz-ip CNAME .\n")
    place.command("lists", "import", "--category", "games", "--reason", "the test's ground", place.write("addresses.rpz", zone))
    resolver = place.resolver()
    for kind, address in (("A", first), ("AAAA", second)):
        for client, verdict in ((PUPIL, "denied"), (STAFF, "allowed"), (KIOSK, "denied")):
            story = told(place, client, "moved.example", kind)
            same(story["verdict"], verdict, f"why says for {client}: {story}")
            same(answered(resolver, client, "moved.example", kind), "denied" if verdict == "denied" else "let through", client)
        story = told(place, PUPIL, "moved.example", kind)
        same(story["because"][:len(f"its answer leads to {address}: Games, denied by")],
             f"its answer leads to {address}: Games, denied by", f"the reason: {story}")
        same((story["category"], story["rule"]), ("games", "category"), "what decided")
    later = place.json("why", "moved.example", "--client", PUPIL)
    same((later["verdict"], later["judged_later"]), ("allowed", True), f"without asking: {later}")


def reworked(place):
    """Another day: one list has lost a name, the group has another name, and a category is gone."""
    place.command("lists", "import", "--category", "games", "--allow-shrink", "--reason", "another day",
                  place.list_of("games", ["chess.example"]))
    text = place.config_path.read_text(encoding="utf-8").replace("  pupils: {", "  learners: {")
    text = text.replace("  ads: {title: Ads}\n", "").replace(', "observe": ["ads"]', "")
    place.config_path.write_text(text, encoding="utf-8")
    place.command("reload", "--reason", "another day")


def second_after(moment):
    """A whole second that has passed, after everything until now: the one that goes on is not the past yet."""
    wait_for("the clock goes on", lambda: time.time() >= int(moment) + 2.01)
    return int(moment) + 1


def test_the_past(place):
    """Judged by the group, category, grant and list of that time, none of which is there any more."""
    opened(place)
    resolver = place.resolver()
    place.command("allow", "chess.example", "-g", "pupils", "--for", "1h", "-r", "chess club")
    then = f"@{second_after(time.time())}"
    cases = {"chess.example": ("allowed", "grant 1 of"), "games.example": ("denied", "Games, denied by the configuration, group \"pupils\""),
             "ads.example": ("observed", "Ads, observed by"), "bad.example": ("denied", "sealed: denied to everyone")}
    place.command("revoke", "1", "-r", "over")
    reworked(place)
    for name, verdict in (("chess.example", "denied"), ("games.example", "allowed"), ("ads.example", "allowed"), ("bad.example", "denied")):
        story = told(place, PUPIL, name, "A")
        same((story["verdict"], story["group"], "then" in story), (verdict, "learners", False), f"{name} today: {story}")

    def of_then(part, used="then"):
        for name, (verdict, words) in cases.items():
            story = place.json("why", name, "--client", PUPIL, "--at", then, expect=3 if verdict == "denied" else 0)
            same((story["verdict"], story["group"]), (verdict, "pupils"), f"{name} then, {part}: {story}")
            holds(words in story["because"], f"{name} then, {part}: {words!r} in {story}")
            same((story["then"]["rules"], story["then"]["lists"]), ("then", used), f"{name}, {part}: {story}")
        return story
    first = of_then("by the daemon")
    now = told(place, PUPIL, "bad.example", "A")
    holds(first["policy_version"] < now["policy_version"] and first["generation"] < now["generation"], f"{first} and {now}")
    shown = place.command("why", "games.example", "--client", PUPIL, "--at", then, expect=3).stdout
    holds(f"lists {first['generation']}, policy {first['policy_version']} (as they stood then)\n" in shown, shown)
    rows = place.json("why", "--batch", place.write("then.txt", "\n".join(cases)), "--group", "pupils", "--at", then, expect=3)
    same([row["verdict"] for row in rows], [verdict for verdict, _ in cases.values()], "a list of names then")
    story = place.json("why", "chess-_-example.cloaked.example", "--client", PUPIL, "--at", then, "--resolve")
    holds("asked now, not then" in story["notes"][0], f"its target: {story}")
    failed = place.command("why", "games.example", "--group", "learners", "--at", then, expect=2).stderr
    holds("as the rules stood at" in failed and 'no group "learners"' in failed, failed)
    same(resolver.stop(), 0, "the end")
    of_then("without a daemon")
    resolver = place.resolver()
    of_then("after a restart")
    (place.state / "lists" / f"{first['generation']:08}.mdb").unlink()
    story = place.json("why", "chess.example", "--client", PUPIL, "--at", then)
    same((story["verdict"], story["then"]["lists"], story["then"]["generation"], story["generation"]),
         ("allowed", "today", first["generation"], now["generation"]), f"without that generation: {story}")
    holds("no longer kept; judged by generation" in story["notes"][0], f"the notes: {story['notes']}")
    place.command("backup", place.folder / "school.backup")
    same(resolver.stop(), 0, "the end")
    for path in place.state.glob("state.mdb*"):
        path.unlink()
    lost = place.json("why", "chess.example", "--client", PUPIL, "--at", then, expect=3)
    holds("judged by today's rules" in lost["notes"][0], f"without a record: {lost}")
    place.command("restore", place.folder / "school.backup")
    story = place.json("why", "chess.example", "--client", PUPIL, "--at", then)
    same((story["verdict"], story["then"]["rules"]), ("allowed", "then"), f"restored: {story}")


if __name__ == "__main__":
    lab.main()
