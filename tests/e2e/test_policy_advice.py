"""What is good, and worth a word all the same: exceptions that change nothing, keys that wait for a restart."""
import lab
from lab import DAEMON, holds, same, wait_for
from upstream import Upstream

GROUPS = """
groups:
  pupils:
    subnets: [127.0.0.0/8]
    deny: [games, hidden, spot.example, service:songs]
    allow: [chess.example, board.example, tunes.example, spot.example.example, www.spot.example, staff-only.example,
            freed.example, mistyped.example, sealed.example, hidden.example]
    schedule:
      - {during: [club], allow: [late.example, x.y.evening.example, x.y.x.evening.example], deny: [x.evening.example]}
  juniors:
    extends: pupils
    allow: [other.example]
  staff:
    subnets: [127.0.0.9]
    observe: [ads]
    allow: [tracker.example, chess.example]
  garden:
    walled-garden: true
    allow: [anything.example]
services: {songs: {names: [tunes.example]}}
calendar: {time-zone: Europe/London, periods: {club: {when: always, times: ['15:30-16:30']}}}
"""

# What each allows that nothing denies it: nobody lists it, or only in what the group may ask for anyway.
IDLE = {("pupils", "spot.example.example"), ("pupils", "staff-only.example"), ("pupils", "freed.example"),
        ("pupils", "mistyped.example"), ("pupils", "late.example"), ("pupils", "x.y.evening.example"), ("juniors", "other.example"),
        ("staff", "chess.example")}


def told(text):
    return {(one.split('group "')[1].split('"')[0], one.split("allowing ")[1].split(" ")[0])
            for one in text.splitlines() if "changes nothing" in one}


def ground(place, groups=GROUPS):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"],
                    categories=("ads", "games", "hidden", ("illegal", {"title": "Illegal", "sealed": True})))
    text = place.config_path.read_text()
    place.config_path.write_text(text.split("groups:")[0] + groups)


def test_exceptions_that_change_nothing(place):
    """Told of by --check, at a start, a reload and in status; in force all the same, once there is a list for them."""
    ground(place)
    done = place.run(DAEMON, "--check", "--config", place.config_path, expect=0)
    same(done.stderr, "", "before any list is there, there is nothing to compare")
    for category, names in {"games": ["chess.example", "www.board.example"], "hidden": ["hidden.example"],
                            "ads": ["tracker.example", "staff-only.example"], "illegal": ["sealed.example"]}.items():
        place.command("lists", "import", "--category", category, "--reason", "x", place.list_of(category, names))
    # The region's word is above the school's: what it frees is not denied, and need not be allowed.
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("more", ["freed.example"]))
    place.command("lists", "import", "--category", "games", "--tier", "regional", "--allow", "--reason", "x",
                  place.list_of("free", ["freed.example"]))
    done = place.run(DAEMON, "--check", "--config", place.config_path, expect=0)
    holds("is good" in done.stdout, done.stdout)
    same(told(done.stderr), IDLE, f"--check says\n{done.stderr}")
    holds('sealed.example is in the sealed category "illegal", so it stays denied' in done.stderr, done.stderr)
    resolver = place.resolver()
    wait_for("the start is told", lambda: "ready:" in resolver.log())
    log, shown = resolver.log(), place.command("status").stdout
    same((len(told(log)), len(told(shown))), (4, 4), f"the first five, one of them of the seal\n{shown}")
    holds("4 more exceptions are without effect" in shown, shown)
    done = place.command("reload", "--reason", "a look")
    holds("Warning: group \"pupils\": allowing" in done.stdout and "4 more exceptions" in done.stdout, done.stdout)


def test_nothing_to_say(place):
    """A configuration whose exceptions have something to do is passed over in silence."""
    ground(place, "groups: {pupils: {subnets: [127.0.0.0/8], deny: [games], allow: [chess.example]}}\n")
    place.command("lists", "import", "--category", "illegal", "--reason", "x", place.list_of("i", ["sealed.example"]))
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("g", ["chess.example"]))
    same(place.run(DAEMON, "--check", "--config", place.config_path, expect=0).stderr, "", "--check")
    resolver = place.resolver()
    same(place.json("status")["warnings"], [], "status")
    holds("Warning" not in place.command("reload", "--reason", "x").stdout, "reload")
    same(resolver.ask("chess.example").rcode, "NOERROR", "the exception")


def test_grants_for_what_is_gone(place):
    """A category, service or group that a reload does away with: what was said of it is told of, and counts when it is back."""
    more = "services: {songs: {names: [tunes.example]}}\n"
    place.configure(upstreams=[f"127.0.0.1:{place.enter(Upstream()).port}"], categories=("ads", "games"), more=more,
                    groups={"pupils": (["127.0.0.0/8"], ["ads", "games"]), "staff": (["127.0.0.9"], ["ads", "games", "service:songs"])})
    whole = place.config_path.read_text()
    for category, names in {"games": ["chess.example"], "ads": ["tracker.example"]}.items():
        place.command("lists", "import", "--category", category, "--reason", "x", place.list_of(category, names))
    resolver = place.resolver()
    for target, group in (("category:games", "pupils"), ("service:songs", "staff"), ("tracker.example", "staff")):
        place.command("allow", target, "--group", group, "--permanent", "--reason", "x")
    place.command("session", "start", "--address", "127.0.0.5", "--user", "mary", "--group", "staff", "--for", "1h")

    def codes():
        return [resolver.ask(name, source=source).rcode for name, source in
                (("chess.example", "127.0.0.1"), ("tunes.example", "127.0.0.9"), ("tracker.example", "127.0.0.9"),
                 ("tracker.example", "127.0.0.5"), ("tracker.example", "127.0.0.1"))]

    same(codes(), ["NOERROR", "NOERROR", "NOERROR", "NOERROR", "NXDOMAIN"], "all is there")
    text = whole.replace("  games: {title: Games}\n", "").replace(', "games"', "").replace(more, "")
    place.config_path.write_text("".join(line for line in text.splitlines(True) if not line.startswith("  staff:")))
    done = place.command("reload", "--reason", "tidied up")
    for sentence in ('grant 1 has no effect: there is no category "games"', 'grant 2 has no effect: there is no service "songs"',
                     'grant 3 has no effect: there is no group "staff"', 'session 4 has no effect: there is no group "staff"'):
        holds(sentence in done.stdout, f"{sentence}\n{done.stdout}")
        holds(sentence in place.command("status").stdout, sentence)
    same(codes(), ["NOERROR", "NOERROR", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"], "the group, and what was denied, is gone")
    place.config_path.write_text(whole)
    holds("Warning" not in place.command("reload", "--reason", "put back").stdout, "all is well")
    same(codes(), ["NOERROR", "NOERROR", "NOERROR", "NOERROR", "NXDOMAIN"], "all is back")
    same(place.json("changes", "verify")["whole"], True, "the chain")


if __name__ == "__main__":
    lab.main()
