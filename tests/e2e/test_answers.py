"""Answers that need a process and its sockets: a cache kept over a restart, cookies that all workers know,
safe search from real packets, two resolvers that forward to each other, stale answers with every server gone.
"""
import dns
import lab
from lab import holds, same, wait_for
from upstream import Reply, Upstream, address_of

GROUP = "groups:\n  pupils: {subnets: [127.0.0.0/8], deny: [ads], safe-search: strict}\n"


def opened(place, up, more="", workers=1, port=None):
    """A configuration with one upstream, and the list imported."""
    place.port = port or place.free_port()
    place.config_path.write_text(
        f"listen: [\"127.0.0.1:{place.port}\"]\nworkers: {workers}\nstate: {place.state}\n"
        f"upstreams: [\"127.0.0.1:{up}\"]\ncategories: {{ads: {{title: Ads}}}}\n"
        f"limits: {{answers-per-second: 0}}\n{more}{GROUP}", encoding="utf-8")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))


def addresses(answer):
    holds(answer is not None, "nothing came")
    return [one.text for one in answer.answers if one.kind in (1, 28)]


def test_cache_is_kept_over_a_restart(place):
    up = place.enter(Upstream())
    opened(place, up.port, "cache: {keep: true}\n")
    resolver = place.resolver()
    before = addresses(resolver.ask("kept.site.example"))
    holds(before, "an address")
    resolver.stop()
    kept = place.state / "cache" / "worker-0"
    same(kept.stat().st_mode & 0o777, 0o600, "who may read what was looked up")
    up.seen.clear()
    resolver = place.resolver()
    holds(not kept.exists(), "the file is taken once")
    same(addresses(resolver.ask("kept.site.example")), before, "the answer of before")
    same([one for one in up.seen if "kept" in one.name.lower()], [], "what went upstream")
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "a listed name")
    resolver.stop()
    # Damaged: begun with an empty cache, and said so; other lists: the same.
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    resolver = place.resolver()
    holds("empty cache" in resolver.log(), "the log tells of the damage")
    same(addresses(resolver.ask("kept.site.example")), before, "the answer, asked for again")
    holds([one for one in up.seen if "kept" in one.name.lower()], "it went upstream")


def test_zones_that_changed_while_it_was_stopped(place):
    """A kept cache has no answers of the inside for a name that is public now, nor public ones for the inside."""
    public, inside = place.enter(Upstream()), place.enter(Upstream())
    inside.faults.replies = lambda message, tcp: [Reply(inside.faults.good(message, address="10.0.0.9"))]
    zone = f"forward-zones: {{school.example: [\"127.0.0.1:{inside.port}\"]}}\n"
    name, outside = "files.school.example", [address_of("files.school.example")]
    opened(place, public.port, "cache: {keep: true}\n")
    plain = place.config_path.read_text(encoding="utf-8")
    for more, told, sent in ((zone, ["10.0.0.9"], inside), ("", outside, public), (zone, ["10.0.0.9"], inside),
                             (zone, ["10.0.0.9"], None)):
        public.seen.clear()
        inside.seen.clear()
        place.config_path.write_text(plain + more, encoding="utf-8")
        resolver = place.resolver()
        for _ in range(2):
            same(addresses(resolver.ask(name)), told, "the address of the file server")
        same([len(up.asked(name)) for up in (public, inside)], [int(up is sent) for up in (public, inside)], "who was asked")
        resolver.stop()


def test_cookies_are_known_to_all_workers(place):
    up = place.enter(Upstream())
    opened(place, up.port, workers=4)
    resolver = place.resolver()
    client = b"\x01\x02\x03\x04\x05\x06\x07\x08"

    def cookie_of(sent):
        answer = resolver.ask("a.site.example", options=dns.option(10, sent))
        return next((data for code, data in answer.options if code == 10), b"")
    first = cookie_of(client)
    same((len(first), first[:8]), (24, client), "a whole cookie")
    # Each question comes from a port of its own, and so to any of the workers: a right cookie comes back.
    same({cookie_of(first) for _ in range(24)}, {first}, "the cookie again")
    holds(cookie_of(client + b"\x00" * 16)[8:] != b"\x00" * 16, "a wrong cookie is replaced")
    answer = resolver.ask("a.site.example", tcp=True, options=dns.option(11))
    same([data for code, data in answer.options if code == 11], [b"\x00\x64"], "ten seconds, told over TCP")


def test_safe_search(place):
    up = place.enter(Upstream())
    opened(place, up.port)
    resolver = place.resolver()
    for kind in ("A", "AAAA"):
        answer = resolver.ask("www.google.com", kind)
        same([one.text for one in answer.answers if one.kind == 5], ["forcesafesearch.google.com"], f"{kind}: the alias")
        same(addresses(answer), addresses(resolver.ask("forcesafesearch.google.com", kind)), f"{kind}: its addresses")
    same(resolver.ask("search.yahoo.com").rcode, "NXDOMAIN", "an engine that cannot be made safe")
    holds("www.google.com" not in {one.name.lower() for one in up.seen}, "the engine itself is not asked for")


def engines():
    """What safe_search.txt says: a row of names, and the host of each level ("none": there is none)."""
    engine = None
    for line in (lab.ROOT / "resolver" / "query" / "safe_search.txt").read_text(encoding="utf-8").splitlines():
        verb, *words = line.partition("#")[0].split() or [""]
        if verb == "engine":
            if engine:
                yield engine
            engine = {"names": []}
        elif verb == "names":
            engine["names"] += words
        elif verb == "suffixes":
            engine["names"] += [words[0] + suffix for suffix in words[1:]]
        elif verb == "safe":
            engine["moderate"] = engine["strict"] = words[0]
        elif verb in ("moderate", "strict"):
            engine[verb] = words[0]
        elif verb == "none":
            engine["strict"] = "none"
    yield engine


def test_safe_search_of_every_engine(place):
    """Each name of the data file, by each type that leads to a server, for each level."""
    up = place.enter(Upstream())
    opened(place, up.port)
    place.config_path.write_text(place.config_path.read_text(encoding="utf-8").replace(GROUP, "groups:\n" + "".join(
        f"  {level}: {{subnets: [127.0.0.{at}], deny: [ads], safe-search: {level}}}\n"
        for at, level in enumerate(("strict", "moderate", "off"), 1))), encoding="utf-8")
    resolver = place.resolver()
    asked = {level: 0 for level in ("strict", "moderate", "off")}
    for engine in engines():
        for at, level in enumerate(asked, 1):
            for name, kind in ((name, kind) for name in engine["names"] for kind in ("A", "AAAA", "HTTPS")):
                answer = resolver.ask(name, kind, source=f"127.0.0.{at}")
                what, host = f"{name} {kind} for {level}", engine.get(level)
                asked[level] += 1
                same(answer.rcode, "NXDOMAIN" if host == "none" else "NOERROR", what)
                if host == "none":
                    continue
                same([one.text for one in answer.answers if one.kind == 5], [host] if host else [], f"{what}: the alias")
                if kind != "HTTPS":
                    same(answer.addresses, [address_of(host or name, 1 if kind == "A" else 28)], what)
    holds(asked["strict"] > 1000 and len(set(asked.values())) == 1, f"asked: {asked}")


def test_resolvers_that_forward_to_each_other(place):
    other = place.enter(lab_of("other"))
    place.port, other.port = place.free_port(), other.free_port()
    opened(place, other.port, port=place.port)
    opened(other, place.port, port=other.port)
    one, _ = place.resolver(), other.resolver()
    same(one.ask("loop.site.example").rcode, "SERVFAIL", "the answer")
    sent = sum(each.json("status")["queries"]["forwarded"] for each in (place, other))
    holds(sent <= 20, f"{sent} packets for one question")  # Pi-hole issues 3095 and 5775


class lab_of:
    """A second lab, closed with the first one."""

    def __init__(self, name):
        self.lab = lab.Lab(name)

    def __enter__(self):
        return self.lab

    def __exit__(self, *unused):
        self.lab.close()
        self.lab.remove()


def test_stale_answers_when_every_server_is_gone(place):
    up = place.enter(Upstream())
    opened(place, up.port, "cache: {max-ttl: 1s}\n")
    resolver = place.resolver()
    fresh = addresses(resolver.ask("popular.site.example"))
    up.down = True

    def stale():
        answer = resolver.ask("popular.site.example")
        return answer if any(code == 3 for code, _ in answer.ede) else None
    answer = wait_for("a stale answer", stale, patience=15)
    same(addresses(answer), fresh, "what it says")
    up.down = False

    def again():
        answer = resolver.ask("popular.site.example")
        return answer.rcode == "NOERROR" and not answer.ede
    wait_for("fresh answers again", again, patience=15)


if __name__ == "__main__":
    lab.main()
