"""The main job on real lists: names of the UT1 categories are refused and recorded, others are answered."""
import lab
from lab import ROOT, holds, need, same, shared
from upstream import Upstream, address_of

# UT1's folder, our category, and whether the shipped configuration lets staff in.
TEN = [("gambling", "gambling", False), ("agressif", "hate", False), ("drogue", "drugs", False),
       ("dating", "dating", False), ("warez", "warez", False), ("games", "games", True),
       ("shopping", "shopping", True), ("webmail", "webmail", True), ("filehosting", "filehosting", True),
       ("chat", "chat", True)]
STAFF_DENIED = ["agressif", "drogue", "gambling", "arjel", "dating", "warez", "dangerous_material", "redirector",
                "residential-proxies", "vpn", "doh", "cryptojacking", "stalkerware", "dialer", "phishing", "malware",
                "violence", "social_networks"]


def names_in(path):
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def listed(folder):
    return {name for path in sorted(folder.glob("*/domains")) for name in names_in(path)}


def is_below(name, names):
    labels = name.split(".")
    return any(".".join(labels[at:]) in names for at in range(len(labels)))


def is_host(name):
    return name.isascii() and all(part and len(part) < 60 and part.replace("-", "a").isalnum() and part[0] != "-" != part[-1]
                                  for part in name.split(".")) and not name.split(".")[-1].isdigit() and "." in name


def choose(names, count=3):
    names = sorted(names)
    return [names[at * (len(names) - 1) // max(count - 1, 1)] for at in range(min(count, len(names)))]


def variants(name):
    mixed = "".join(letter.upper() if at % 2 else letter for at, letter in enumerate(name))
    return [name, "www2." + name, mixed, name + "."]


def opened(place):
    """A resolver over the whole of UT1 and the starter lists, and its upstream."""
    ut1 = shared("ut1")
    upstream = place.enter(Upstream())
    place.configure_shipped([f"127.0.0.1:{upstream.port}"])
    done = place.command("lists", "import", "--reason", "the real lists", ROOT / "blocklists" / "starter", ut1)
    told = done.stdout + done.stderr
    for unused in ("urls", "usage", "expressions"):
        holds(unused in told, f"the files called {unused} are not named as not used: {told[-2000:]}")
    return ut1, upstream, place.resolver()


def test_ten_categories(place):
    ut1, _, resolver = opened(place)
    staff_denied = set()
    for folder in STAFF_DENIED:
        if (ut1 / folder / "domains").exists():
            staff_denied.update(names_in(ut1 / folder / "domains"))
    for path in (ROOT / "blocklists" / "starter").glob("*/domains"):
        staff_denied.update(names_in(path))
    asked = 0
    for folder, category, staff_may in TEN:
        hosts = [name for name in names_in(ut1 / folder / "domains") if is_host(name)]
        if staff_may:
            hosts = [name for name in hosts if not is_below(name, staff_denied)]
        holds(len(hosts) >= 3, f"UT1's {folder} has too few names")
        for name in choose(hosts):
            for form in variants(name):
                for tcp in (False, True):
                    answer = resolver.ask(form, tcp=tcp)
                    same(answer.rcode, "NXDOMAIN", f"a pupil asks for {form} ({folder}), tcp={tcp}")
                    same([code for code, _ in answer.ede], [15], f"the extended error for {form}")
                    asked += 1
                    staff = resolver.ask(form, tcp=tcp, source="127.0.0.2")
                    same(staff.rcode, "NOERROR" if staff_may else "NXDOMAIN", f"staff ask for {form} ({folder})")
            last = place.denials("--name", name, "--client", "127.0.0.1")
            holds(last, f"no record of {name}")
            holds(any(one["category"] == category for one in last) or staff_may, f"{name}: {last[-1]}")
    records = place.denials("--client", "127.0.0.1")
    same(sum(one.get("count", 1) for one in records), asked, "denials of the pupil on record")


def test_popular_names_are_answered(place):
    ut1, upstream, resolver = opened(place)
    names = listed(ut1) | listed(ROOT / "blocklists" / "starter")
    popular = [name for name in names_in(shared("opendns-top-domains.txt")) if is_host(name) and not is_below(name, names)]
    answered = 0
    for name in popular[:400:4]:
        answer = resolver.ask(name, source="127.0.0.4")
        same(answer.rcode, "NOERROR", name)
        if answer.addresses == [address_of(name)]:
            answered += 1
    # A few are rewritten for safe search.
    holds(answered >= 90, f"only {answered} of 100 names came from the upstream")
    same(len(place.denials("--client", "127.0.0.4")), 0, "denials of names on no list")
    holds(len(upstream.seen) >= answered, "the upstream was asked")


def test_clients_people_use(place):
    need("kdig", "dig", "drill")
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"])
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    place.resolver()
    port = str(place.port)
    for tcp in (False, True):
        clients = {
            "kdig": ["kdig", "+edns", "@127.0.0.1", "-p", port] + (["+tcp"] if tcp else []),
            "dig": ["dig", "@127.0.0.1", "-p", port] + (["+tcp"] if tcp else []),
            "drill": ["drill", "-p", port] + (["-t"] if tcp else []),
            "kdig over IPv6": ["kdig", "+edns", "@::1", "-p", port] + (["+tcp"] if tcp else []),
        }
        for name, command in clients.items():
            at = ["@127.0.0.1"] if name == "drill" else []
            order = (lambda question: command + [question] + at)
            denied = place.run(*order("a.tracker.example"), expect=0).stdout
            holds("NXDOMAIN" in denied and "SOA" in denied, f"{name}: {denied}")
            if name.startswith(("kdig", "dig")):
                holds("15 (Blocked)" in denied or "EDE: 15" in denied, f"{name} shows no extended error: {denied}")
            answer = place.run(*order("www.site.example"), expect=0).stdout
            holds(address_of("www.site.example") in answer and "NOERROR" in answer, f"{name}: {answer}")


def test_dnsperf_loses_nothing(place):
    need("dnsperf")
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"])
    place.command("lists", "import", "--category", "ads", "--reason", "x",
                  place.list_of("ads", [f"n{at}.tracker.example" for at in range(1000)]))
    place.resolver()
    queries = place.write("queries", "".join(f"n{at}.tracker.example A\nhot{at % 50}.site.example A\n" for at in range(1000)))
    done = place.run("dnsperf", "-s", "127.0.0.1", "-p", place.port, "-d", queries, "-l", "10", "-Q", "2000", "-c", "4", expect=0)
    holds("Queries lost:         0 " in done.stdout, done.stdout)
    completed = int(done.stdout.split("Queries completed:")[1].split()[0])
    denied = int(done.stdout.split("NXDOMAIN")[1].split()[0]) if "NXDOMAIN" in done.stdout else 0
    holds(completed > 1000 and denied > 0, done.stdout)
    lab.wait_for("every denial on record",
                 lambda: sum(one.get("count", 1) for one in place.denials()) == denied)


if __name__ == "__main__":
    lab.main()
