"""Lists from the web: fetched, refreshed, and kept when the server fails in any way."""
import json
import subprocess
import sys
import urllib.request

import lab
from lab import ROOT, holds, need, same, wait_for

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
    server.put("games.txt", "play.test")
    configure(place, server, {"games": [server.url("games.txt")]})
    update(place, server)
    resolver = place.resolver()
    same(resolver.ask("play.test").rcode, "NXDOMAIN", "play.test")
    server.put("games.txt", "play.test", "more.test")
    update(place, server)
    same(resolver.ask("www.more.test").rcode, "NXDOMAIN", "www.more.test, after the update")
    server.become("games.txt", "cut")
    update(place, server, expect=1)
    same(resolver.ask("www.more.test").rcode, "NXDOMAIN", "www.more.test, after an update that failed")


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
    holds("sources:" in place.command("lists", "catalogue", "ut1-gambling").stdout, "how to subscribe")
    place.command("lists", "catalogue", "nothing-such", expect=4)


if __name__ == "__main__":
    lab.main()
