"""Lists from the web: fetched, refreshed, and kept when the server fails in any way."""
import json
import subprocess
import sys
import time
import urllib.request

import lab
from lab import COMMAND, ROOT, holds, need, same, wait_for

# What the server does instead of giving the list, and a word of the sentence that tells it.
FAILURES = [("nothing", "404"), ("broken", "500"), ("teapot", "203"), ("empty", "empty"), ("page", "web page"),
            ("cut", "cut off"), ("cut-chunked", "cut off"), ("hang-up", "cut off"), ("loop", "from one address to the next"),
            ("downgrade", "from https to http"), ("elsewhere", "https only"), ("large", "larger than the limit")]


class Lists:
    """The server, and how to put lists on it."""

    def __init__(self, place):
        need("python3", "openssl")
        self.folder = place.folder / "server"
        self.folder.mkdir()
        self.process = subprocess.Popen([sys.executable, "-B", ROOT / "tests/e2e/list_server.py", self.folder],
                                        stdin=subprocess.PIPE)
        place.stack.callback(self.stop)
        wait_for("the server of lists", (self.folder / "ports.json").exists)
        self.ports = json.loads((self.folder / "ports.json").read_text())
        self.ca_file = self.folder / "ca.pem"

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)

    def url(self, path):
        return f"https://lists.test:{self.ports['https']}/{path}"

    def plain_url(self, path):
        return f"http://lists.test:{self.ports['http']}/{path}"

    def post(self, path, text):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"http://127.0.0.1:{self.ports['http']}/{path}", data=text.encode(), timeout=20).read()

    def put(self, path, *names):
        self.post(path, "".join(name + "\n" for name in names))

    def become(self, path, behaviour):
        self.post(path + ":become", behaviour)

    def count(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.ports['http']}/count", timeout=20) as reply:
            return json.load(reply).get("/" + path, 0)


def configure(place, server, sources, upstreams=None):
    """`sources`: {category: [URL or {location: …}, …]}. Hosts are looked up at the server's own name server."""
    categories = [(name, {"title": name.capitalize(),
                          "sources": [one if isinstance(one, dict) else {"location": one} for one in those]})
                  for name, those in sources.items()]
    place.configure(upstreams or [f"127.0.0.1:{server.ports['dns']}"], categories=categories,
                    groups={"pupils": (["127.0.0.0/8", "::1/128"], list(sources))})


def update(place, server, *arguments, expect=0):
    done = place.command("lists", "update", "--ca-file", server.ca_file, *arguments, expect=expect,
                         env={"no_proxy": "*"})
    return done.stdout + done.stderr


def update_json(place, server, expect=0):
    done = place.command("--json", "lists", "update", "--ca-file", server.ca_file, expect=expect, env={"no_proxy": "*"})
    return json.loads(done.stdout)


def denied(place, name):
    """Whether the lists in force deny a name to pupils."""
    return place.command("why", name, "--group", "pupils", expect=None).returncode == 3


def generation(place):
    return place.json("lists", "show")["generation"]


def test_subscriptions(place):
    """Fetched, found unchanged, changed."""
    server = Lists(place)
    server.put("gambling.txt", "bet.test")
    server.put("games.txt", "play.test")
    configure(place, server, {"gambling": [server.url("gambling.txt"), server.url("packed")],
                              "games": [server.url("games.txt")]})
    told = update(place, server)
    holds("new" in told, told)
    for name in ("bet.test", "www.play.test", "name7.list.test"):
        holds(denied(place, name), f"{name} should be denied")
    first = generation(place)

    again = update_json(place, server)
    same(again["changed"], False, "an update without news")
    same([one["outcome"] for one in again["downloads"]], ["not changed"] * 3, "outcomes")
    same(generation(place), first, "the generation after an update without news")

    server.put("games.txt", "play2.test")
    told = update_json(place, server)
    same(told["generation"], first + 1, "the generation after news")
    same([one["outcome"] for one in told["downloads"]], ["not changed", "not changed", "fetched"], "outcomes")
    holds(denied(place, "play2.test") and not denied(place, "play.test"), "the new list is in force, and only that")
    holds(denied(place, "bet.test"), "a list that did not change stays")

    # What a preview has fetched is no news to the server, and is to the lists in force.
    server.put("games.txt", "play3.test")
    update(place, server, "--preview")
    told = update_json(place, server)
    same([one["outcome"] for one in told["downloads"]], ["not changed", "not changed", "fetched"], "outcomes after a preview")
    holds(denied(place, "play3.test"), "what the preview showed is in force")

    server.put("gambling.txt", "bet2.test")
    update(place, server, "games")
    holds(not denied(place, "bet2.test"), "only the category that was asked for is refreshed")


def test_every_failure_keeps_the_last_good_copy(place):
    server = Lists(place)
    server.put("gambling.txt", "bet.test")
    server.put("games.txt", "play0.test")
    configure(place, server, {"gambling": [server.url("gambling.txt")], "games": [server.url("games.txt")]})
    update(place, server)
    for number, (behaviour, word) in enumerate(FAILURES, 1):
        server.become("gambling.txt", behaviour)
        server.put("games.txt", f"play{number}.test")
        told = update(place, server, expect=1)
        holds(word in told, f"{behaviour}: no {word!r} in {told}")
        holds(server.url("gambling.txt") in told and "stays as it is" in told, f"{behaviour}: {told}")
        holds(denied(place, "bet.test"), f"{behaviour}: what was in force of the failing source is gone")
        holds("are up to date" not in told, f"{behaviour}: {told}")
        holds(denied(place, f"play{number}.test"), f"{behaviour}: the other source was not refreshed")
    # A list of rubbish is none; when it is mended, it is fetched although the server calls it by the same tag.
    server.post("gambling.txt", "..\n<\n..\n")
    told = update(place, server, expect=1)
    holds("no usable line" in told, told)
    holds(denied(place, "bet.test"), "what was in force stays")
    server.put("gambling.txt", "bet3.test")
    update(place, server)
    holds(denied(place, "bet3.test"), "the mended list is in force")


def test_wrong_hash(place):
    server = Lists(place)
    server.put("games.txt", "play.test")
    right = "0a37ef0ed9c1fc3d8d0c3a3ea5d0d2b5a2e6cbb1e4cb0d6a4d0c5be0ee1c3d1c"
    configure(place, server, {"games": [{"location": server.url("games.txt"), "sha256": right}]})
    told = update(place, server, expect=1)
    holds("SHA-256" in told and not denied(place, "play.test"), told)


def test_nothing_reachable(place):
    """No server at all: said, and what is in force stays."""
    server = Lists(place)
    server.put("games.txt", "play.test")
    configure(place, server, {"games": [server.url("games.txt")]})
    update(place, server)
    before = generation(place)
    configure(place, server, {"games": [server.url("games.txt").replace(str(server.ports["https"]), "1")]})
    told = update(place, server, expect=1)
    holds("could not be reached" in told, told)
    same(generation(place), before, "the generation")
    holds(denied(place, "play.test"), "what is in force stays")


def test_https_only(place):
    server = Lists(place)
    server.put("games.txt", "play.test")
    configure(place, server, {"games": [server.plain_url("games.txt")]})
    told = update(place, server, expect=1)
    holds("https is needed" in told, told)
    update(place, server, "--insecure")
    holds(denied(place, "play.test"), "with --insecure it is fetched")


def test_while_the_resolver_runs(place):
    """The resolver takes the new generation, and is not needed to find the server."""
    server = Lists(place)
    server.put("games.txt", "play.example")
    configure(place, server, {"games": [server.url("games.txt")]})
    update(place, server)
    resolver = place.resolver()
    same(resolver.ask("play.example").rcode, "NXDOMAIN", "play.example")
    server.put("games.txt", "play.example", "more.example")
    update(place, server)
    same(resolver.ask("www.more.example").rcode, "NXDOMAIN", "www.more.example, after the update")
    server.become("games.txt", "cut")
    update(place, server, expect=1)
    same(resolver.ask("www.more.example").rcode, "NXDOMAIN", "www.more.example, after an update that failed")


def many(prefix, count):
    return [f"{prefix}{i}.test" for i in range(count)]


def test_a_removed_subscription_leaves_with_the_next_update(place):
    """What the configuration names no more goes; what was imported by hand stays, and so does what the guard holds."""
    server = Lists(place)
    server.put("one.txt", *many("one", 10))
    server.put("two.txt", "two.test")
    both = [server.url("one.txt"), server.url("two.txt")]
    configure(place, server, {"games": both, "gambling": [server.url("packed")]})
    update(place, server)
    place.command("lists", "import", "--category", "games", place.list_of("own", ["own.test"]))
    place.resolver()
    same(place.json("status")["removed"], [], "nothing is removed")

    configure(place, server, {"games": both[:1], "gambling": [server.url("packed")]})
    told = place.command("reload", "--reason", "one list less").stdout
    holds(both[1] in told and "lists update" in told, f"reload says it: {told}")
    same(place.json("status")["removed"], [{"location": both[1], "category": "games"}], "status says it")
    holds(any("no longer in the configuration" in one for one in place.json("status")["warnings"]), "as a warning")
    holds(both[1] in place.command("lists", "show").stdout, "so does lists show")
    holds(denied(place, "two.test"), "until then it is in force")
    told = update(place, server, "gambling")
    holds(denied(place, "two.test"), "an update of another category leaves it alone")
    told = update(place, server, "--preview")
    holds("it would be taken out" in told and "- two.test" in told and denied(place, "two.test"), told)
    told = update(place, server)
    holds("it is taken out" in told and not denied(place, "two.test"), told)
    holds(denied(place, "own.test") and denied(place, "one3.test") and denied(place, "name7.list.test"), "the others stay")
    same(place.json("status")["removed"], [], "status has nothing more to say")

    # The last subscription of all.
    configure(place, server, {"games": [], "gambling": []})
    update(place, server, "--allow-shrink")
    holds(denied(place, "own.test") and not denied(place, "one3.test") and not denied(place, "name7.list.test"), "all are gone")
    update(place, server, expect=4)


def test_a_removed_subscription_stays_where_the_guard_objects(place):
    server = Lists(place)
    server.put("small.txt", *many("small", 60))
    server.put("more.txt", *many("more", 60))
    server.put("other.txt", "other.test")
    sources = {"games": [server.url("small.txt"), server.url("more.txt")], "gambling": [server.url("other.txt")]}
    configure(place, server, sources)
    update(place, server)
    configure(place, server, {**sources, "games": [server.url("small.txt")]})
    server.put("other.txt", "other2.test")
    told = update(place, server)
    holds("stays in force" in told and "--allow-shrink" in told and "60 of its 120" in told, told)
    holds(denied(place, "more1.test"), "the category would lose too much at once")
    holds(denied(place, "other2.test"), "and all else goes on")
    update(place, server, "--allow-shrink")
    holds(not denied(place, "more1.test") and denied(place, "small1.test"), "with --allow-shrink it goes")

    # A list that has moved: the names are the same, so nothing is lost; but not while the new address fails.
    configure(place, server, {**sources, "games": [server.url("moved.txt")]})
    told = update(place, server, expect=1)
    holds("stays in force" in told and denied(place, "small1.test"), told)
    server.put("moved.txt", *many("small", 60))
    told = update(place, server)
    holds("it is taken out" in told and denied(place, "small1.test"), told)
    same([one["location"] for one in place.json("lists", "show", "games")["sources"]], [server.url("moved.txt")], "sources")


def test_a_removed_subscription_of_a_sealed_category_stays(place):
    server = Lists(place)
    server.put("one.txt", *many("one", 60))
    server.put("two.txt", *many("two", 60))
    place.configure([f"127.0.0.1:{server.ports['dns']}"], groups={"pupils": (["127.0.0.0/8"], [])},
                    categories=[("illegal", {"sealed": True, "sources": [server.url("one.txt"), server.url("two.txt")]})])
    update(place, server)
    place.configure([f"127.0.0.1:{server.ports['dns']}"], groups={"pupils": (["127.0.0.0/8"], [])},
                    categories=[("illegal", {"sealed": True, "sources": [server.url("one.txt")]})])
    for more in ([], ["--allow-shrink"]):
        told = update(place, server, *more)
        holds("sealed" in told and "stays in force" in told and denied(place, "two1.test"), told)


def test_a_category_that_shrinks_is_held_back(place):
    """As if its download had failed: said, with what to do, and exit code 1."""
    server = Lists(place)
    server.put("games.txt", *many("game", 100))
    server.put("gambling.txt", "bet.test")
    configure(place, server, {"games": [server.url("games.txt")], "gambling": [server.url("gambling.txt")]})
    update(place, server)
    server.put("games.txt", *many("game", 10))
    server.put("gambling.txt", "bet.test", "bet2.test")
    told = update(place, server, "--preview", expect=3)
    holds("90 of its 100" in told and "- game" in told and denied(place, "game99.test"), told)
    told = update_json(place, server, expect=1)
    same(told["downloads"][0]["outcome"], "held back", "the outcome")
    holds("90 of its 100" in told["downloads"][0]["error"], told)
    holds(denied(place, "game99.test") and denied(place, "game1.test"), "the category keeps what it has")
    holds(denied(place, "bet2.test"), "the other is refreshed")
    before = generation(place)
    told = update(place, server, expect=1)
    holds("held back" in told and "90 of its 100" in told and "--allow-shrink" in told and "--preview games" in told
          and "keeps what it has" in told and "up to date" not in told, told)
    same(generation(place), before, "no news in the others: no generation")
    update(place, server, "games", "--allow-shrink")
    holds(not denied(place, "game99.test") and denied(place, "game1.test"), "with --allow-shrink it shrinks")
    update(place, server)

    # A list less in the configuration, and the other one shrinks: the first step back is not enough.
    server.put("more.txt", *many("more", 100))
    configure(place, server, {"games": [server.url("games.txt"), server.url("more.txt")],
                              "gambling": [server.url("gambling.txt")]})
    update(place, server)
    configure(place, server, {"games": [server.url("more.txt")], "gambling": [server.url("gambling.txt")]})
    server.put("more.txt", *many("more", 5))
    server.put("gambling.txt", "bet.test", "bet2.test", "bet3.test")
    told = update(place, server, expect=1)
    holds("stays in force" in told and "held back" in told, told)
    holds(denied(place, "more99.test") and denied(place, "game1.test") and denied(place, "bet3.test"), told)

    # By hand, one category over the guard stops the import.
    place.command("lists", "import", "--category", "games", "--replace", place.list_of("own", ["own.test"]), expect=3)
    holds(denied(place, "more99.test") and not denied(place, "own.test"), "nothing was imported")


def test_a_source_that_fails_at_the_second_reading(place):
    """Where a category is held back, everything is read once more: what is gone by then has failed, and stays in force."""
    need("strace")
    games, ads = place.list_of("games", many("game", 100)), place.list_of("ads", many("ad", 3))
    place.configure(categories=[(one.stem, {"sources": [str(one)]}) for one in (games, ads)],
                    groups={"pupils": (["127.0.0.0/8"], ["games", "ads"])})
    place.command("lists", "update")
    for names in (many("ad", 4), many("ad", 3)):  # with news in it, and without
        place.list_of("games", many("game", 10))
        place.list_of("ads", names)
        done = place.run("strace", "-f", "-o", "/dev/null", "-P", ads, "-e", "trace=openat", "-e",
                         "inject=openat:error=ENOENT:when=2", COMMAND, "--config", place.config_path, "--json", "lists", "update",
                         expect=1, env={"ASAN_OPTIONS": "detect_leaks=0"})
        told = json.loads(done.stdout)["downloads"]
        same([one["outcome"] for one in told], ["held back", "failed"], "outcomes")
        holds("ads.txt" in told[1]["error"] and "stays as it is" in done.stderr and "1 of 2 sources failed" in done.stderr, done.stderr)
        holds(denied(place, "game99.test") and denied(place, "ad2.test") and not denied(place, "ad3.test"), "all is as it was")
    place.list_of("ads", many("ad", 4))
    place.command("lists", "update", expect=1)
    holds(denied(place, "ad3.test") and denied(place, "game99.test"), "once it is there again, it is refreshed")


def test_a_sealed_one_is_held_back(place):
    server = Lists(place)
    server.put("illegal.txt", *many("illegal", 200))
    server.put("games.txt", "play.test")
    place.configure([f"127.0.0.1:{server.ports['dns']}"], groups={"pupils": (["127.0.0.0/8"], ["games"])},
                    categories=[("illegal", {"sealed": True, "sources": [server.url("illegal.txt")]}),
                                ("games", {"sources": [server.url("games.txt")]})])
    update(place, server)
    server.put("illegal.txt", *many("illegal", 190))
    for number, more in enumerate(([], ["--allow-shrink"])):
        server.put("games.txt", "play.test", f"play{number}.test")
        told = update(place, server, *more, expect=1)
        holds("sealed" in told and "nobody can allow more" in told and "Until then" not in told, told)
        holds(denied(place, "illegal199.test") and denied(place, f"play{number}.test"), told)


def test_a_list_out_of_date_is_told_of(place):
    """In status, in lists show, in metrics, in the report, and by one alert."""
    server = Lists(place)
    server.put("games.txt", "play.test")
    server.put("gambling.txt", "bet.test")
    catcher = place.write("catch.sh", "#!/bin/sh\ncat >> \"$1\"\necho >> \"$1\"\n")
    catcher.chmod(0o755)
    caught = place.folder / "caught"
    place.configure([f"127.0.0.1:{server.ports['dns']}"], groups={"pupils": (["127.0.0.0/8"], ["games"])},
                    categories=[("games", {"sources": [{"location": server.url("games.txt"), "stale-after": "2s"}]}),
                                ("gambling", {"sources": [server.url("gambling.txt")]})],
                    more=f"alerts: {{command: [{catcher}, {caught}]}}\n"
                         f"metrics: {{file: {place.folder}/metrics.prom, every: 1s}}\n")
    update(place, server)
    resolver = place.resolver()
    alert = json.loads(wait_for("an alert", lambda: caught.exists() and caught.read_text().strip()))
    same([alert["kind"], alert["lists"]], ["lists-stale", 1], f"the alert {alert}")
    holds("games.txt" in alert["text"] and "out of date" in alert["text"], alert["text"])
    status = place.json("status")
    same(status["stale"], 1, "how many are out of date")
    holds(any("games.txt of games is out of date" in one for one in status["warnings"]), status["warnings"])
    same([(one["category"], one["stale"]) for one in place.json("lists", "show")["sources"]],
         [("games", True), ("gambling", False)], "lists show")
    holds("games.txt is out of date" in place.command("lists", "show").stdout, "in words")
    wait_for("metrics", lambda: "chalkgate_lists_stale 1\n" in (place.folder / "metrics.prom").read_text())
    resolver.ask("play.test")
    wait_for("a denial, for a report", place.denials)
    told = place.command("report", "--since", "-1h").stdout
    holds("Out of date: 1 of the 2 lists." in " ".join(told.split()), told)
    holds("<b>out of date</b>" in place.command("report", "--since", "-1h", "--format", "html").stdout, "HTML")

    # A restart does not tell again; a fresh list and a stale one do.
    resolver.stop()
    place.resolver()
    time.sleep(3)
    same(caught.read_text().count("lists-stale"), 1, "alerts after a restart")
    server.put("games.txt", "play2.test")
    text = place.config_path.read_text()
    place.config_path.write_text(text.replace('"2s"', '"1h"'))
    place.command("reload", "--reason", "an hour is enough")
    update(place, server)
    wait_for("nothing is out of date", lambda: place.json("status")["stale"] == 0)
    wait_for("that is noted", lambda: not (place.state / "alerts" / ".lists-stale").exists())
    place.config_path.write_text(text)
    place.command("reload", "--reason", "and again")
    wait_for("a second alert", lambda: caught.read_text().count("lists-stale") == 2)


def test_archive_by_address(place):
    server = Lists(place)
    configure(place, server, {"gambling": [], "hate": []})
    done = place.command("lists", "import", "--ca-file", server.ca_file, server.url("ut1.tar.gz"), env={"no_proxy": "*"})
    holds("blacklists/gambling/urls" in done.stdout + done.stderr, "what is not used is named")
    holds(denied(place, "bet.test") and denied(place, "angry.test"), "both categories are in force")
    shown = json.dumps(place.json("lists", "show", "gambling"))
    holds("CC BY-SA" in shown and "#blacklists/gambling/domains" in shown, f"licence and place: {shown}")


def test_catalogue(place):
    place.configure()
    told = place.json("lists", "catalogue")
    holds(len(told) > 50 and all(one["url"].startswith("https://") and one["licence"] for one in told), "the catalogue")
    lines = place.command("lists", "catalogue").stdout.split("\n")
    for one in told:
        whole = [f"  {one['name']}  ({one['licence']})", f"    {one['title']}", f"    {one['url']}"]
        at = lines.index(whole[0])
        same(lines[at:at + 3], whole, "name, licence, title and address, none of them cut")
    same([line for line in lines if len(line) > 80 and "https://" not in line], [], "lines that a terminal would break")
    headings = [line for line in lines if line and line[0] not in " `"]
    same(len(set(headings)), len(headings), "each category once")
    gambling = place.command("lists", "catalogue", "gambling").stdout
    holds("ut1-gambling" in gambling and "blp-drugs" not in gambling, gambling)
    holds("sources:" in place.command("lists", "catalogue", "ut1-gambling").stdout, "how to subscribe")
    place.command("lists", "catalogue", "nothing-such", expect=4)


if __name__ == "__main__":
    lab.main()
