"""Records that hold no addresses: pseudonyms in their place, a manager's act to see behind them."""
import re

import lab
from lab import holds, same, wait_for
from test_wrong_clock import Clock

CLIENT, OCTETS = "127.0.1.7", bytes((127, 0, 1, 7))


def ground(place):
    place.configure(groups={"pupils": (["127.0.0.0/8"], ["games"])}, more="recording: {pseudonyms: true}\n")
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["game.example"]))
    return place.resolver()


def devices(place, *arguments):
    return [(one.get("device") or one.get("client")) for one in place.denials(*arguments)]


def test_pseudonyms(place):
    resolver = ground(place)
    for source in (CLIENT, CLIENT, "127.0.1.8"):
        same(resolver.ask("game.example", source=source).rcode, "NXDOMAIN", "a denial")
    shown = wait_for("denials on record", lambda: devices(place))
    holds(all(re.fullmatch(r"device-[0-9A-Z]{4}-[0-9A-Z]{4}", one) for one in shown), f"pseudonyms: {shown}")
    same(len(set(shown)), 2, "two devices")
    mine = shown[0]
    holds(devices(place, "--client", mine) and set(devices(place, "--client", mine)) == {mine}, "found by its pseudonym")
    same(devices(place, "--client", CLIENT), [], "not by its address")
    for form in ("text", "html", "csv", "json"):
        told = place.command("report", "--day", "today", "--format", form).stdout
        holds("127.0.1." not in told and mine in told, f"the report as {form}")

    # Behind it: with a reason, on record.
    place.command("reveal", mine, expect=2)
    same(place.command("reveal", mine, "--reason", "a safeguarding case").stdout, CLIENT + "\n", "whose it is")
    same(place.json("reveal", CLIENT, "--reason", "a safeguarding case"), {"pseudonyms": [mine]}, "the other way")
    place.command("reveal", "device-0000-0000", "--reason", "x", expect=4)
    seen = [(one["target"], one["reason"]) for one in place.json("changes") if one["action"] == "reveal"]
    same(seen[:2], [(mine, "a safeguarding case"), (CLIENT, "a safeguarding case")], "each is in the change log")

    # A kill at any time leaves the records and the way back.
    same(resolver.ask("game.example", source="127.0.1.9").rcode, "NXDOMAIN", "a new device")
    resolver.kill()
    last = devices(place)[-1]
    for path in place.state.rglob("*"):
        if path.is_file() and path.parent.name in ("denials", "journal", "counts", "alerts"):
            holds(OCTETS not in path.read_bytes() and CLIENT.encode() not in path.read_bytes(), f"{path} holds {CLIENT}")
    keys = place.state / "keys"
    same(keys.stat().st_mode & 0o777, 0o700, "the keys are for the daemon alone")
    holds(any(path.suffix == ".key" and path.stat().st_mode & 0o777 == 0o600 for path in keys.iterdir()), "so is each")
    resolver = place.resolver()
    same(place.command("reveal", last, "--reason", "x").stdout, "127.0.1.9\n", "after a kill")
    before = devices(place).count(mine)
    same(resolver.ask("game.example", source=CLIENT).rcode, "NXDOMAIN", "again")
    wait_for("the same pseudonym", lambda: devices(place).count(mine) == before + 1)

    # Off by a reload: addresses from then on.
    place.config_path.write_text(place.config_path.read_text().replace("pseudonyms: true", "pseudonyms: false"))
    place.command("reload", "--reason", "the governors decided")
    same(resolver.ask("game.example", source=CLIENT).rcode, "NXDOMAIN", "by its address")
    wait_for("an address on record", lambda: devices(place)[-1] == CLIENT)


def test_nothing_else_tells_an_address(place):
    """What status shows of devices that go round the filter, each verb's output, and every octet that is written."""
    place.configure(categories=(("proxies", {"title": "Proxies", "circumvention": True}),),
                    groups={"pupils": (["127.0.0.0/8"], ["proxies"])}, more="recording: {pseudonyms: true, allowed: all}\n")
    place.command("lists", "import", "--category", "proxies", "--reason", "x", place.list_of("proxies", ["vpn.example"]))
    resolver = place.resolver()
    for at in range(30):
        same(resolver.ask(f"n{at}.vpn.example", source=CLIENT).rcode, "NXDOMAIN", "a denial")
    record = wait_for("denials on record", lambda: place.denials() if len(place.denials()) == 30 else None)[0]
    mine = record["client"]
    same({(one["client"], one["device"]) for one in place.json("status")["radar"]}, {(mine, mine)}, "the radar")
    place.command("incident", "open", record["case"], "--reason", "a look")
    whole = place.folder / "copy.tar"
    place.command("backup", whole)
    spoken = [place.command(*words, expect=None).stdout for words in (
        ["status"], ["denials"], ["denials", "--format", "csv"], ["report", "--day", "today"], ["case", record["case"]],
        ["incident", "export", "1", "--reason", "x"], ["questions"], ["questions", "--each", "--reason", "x"], ["changes"],
        ["faults"], ["devices"])]
    for words in spoken:
        holds(CLIENT not in words, f"it tells {CLIENT}: {words}")
    holds(any(mine in words for words in spoken), "nor is anything told at all")
    written = [path for path in place.state.rglob("*") if path.is_file() and "keys" not in path.parts]
    holds(len(written) > 5, f"{written}")
    for path in [*written, whole, resolver.log_path]:
        octets = path.read_bytes()
        holds(OCTETS not in octets and CLIENT.encode() not in octets, f"{path} holds {CLIENT}")


def test_keys_go_with_the_last_record_that_needs_them(place):
    """Two keys, then none: each reveals while a record of its time is kept or held, and is destroyed afterwards."""
    day = 86400
    clock = Clock(place, 0, fakes_monotonic=True)

    def configured(pseudonyms):
        place.configure(groups={"pupils": (["127.0.0.0/8"], ["games"])}, more="retention: {denials: 5d}\n"
                        f"recording: {{pseudonyms: {pseudonyms}, pseudonym-period: 1d}}\n")

    def started(days):
        if place.resolvers:
            same(place.resolvers[-1].stop(), 0, "its end")
        clock.set(days * day)
        return place.resolver(env=clock.environment())

    def recorded(resolver, count):
        same(resolver.ask("game.example", source=CLIENT).rcode, "NXDOMAIN", "a denial")
        return wait_for("it is on record", lambda: (place.denials("--since", "2020-01-01") + [None] * count)[count - 1])

    def retained(days, what):
        """A later day, past the first minute, when what is due goes."""
        resolver, before = started(days), len(place.json("changes"))
        clock.set(days * day + 120)  # monotonic time as well, so that nothing looks like a leap
        return wait_for(f"{what} that are needed no more are gone", lambda: [
            one["after"] for one in place.json("changes")[before:] if (one["action"], one["target"]) == ("retention", what)])

    def revealed(device, expect=0):
        return place.command("reveal", device, "--reason", "x", expect=expect).stdout.strip()

    def keys():
        return sorted(path.name for path in (place.state / "keys").iterdir() if path.suffix in (".key", ".devices"))
    configured("true")
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["game.example"]))
    one = recorded(started(0), 1)
    two = recorded(started(2), 2)
    holds(one["client"] != two["client"] and two["client"].startswith("device-"), f"another key: {one} {two}")
    same([revealed(one["client"]), revealed(two["client"])], [CLIENT, CLIENT], "old and new are revealed")
    same(set(place.json("reveal", CLIENT, "--reason", "x")["pseudonyms"]), {one["client"], two["client"]}, "the other way")
    place.command("incident", "open", one["case"], "--reason", "a look")
    configured("false")
    resolver = started(3)
    same(recorded(resolver, 3)["client"], CLIENT, "off: an address")
    holds("stay until the last record that needs them" in resolver.log(), resolver.log())
    same([revealed(one["client"]), revealed(two["client"])], [CLIENT, CLIENT], "what is on record is revealed still")
    # The second day goes; the first is held for the incident, and with it what tells whose its records are.
    same(retained(8, "denials")[0]["days_held"], 1, "the receipt")
    same([one["client"] for one in place.denials("--since", "2020-01-01")], [one["client"], CLIENT], "what is left")
    same(revealed(one["client"]), CLIENT, "what is held is revealed")
    place.command("incident", "close", "1", "--outcome", "spoken to")
    same([one["keys_destroyed"] for one in retained(9, "pseudonym keys")], [2], "the receipt of the keys")
    same(keys(), [], "keys and devices")
    for device in (one["client"], two["client"]):
        same(revealed(device, expect=4), "", "nobody can tell any more")
    place.command("changes", "verify")


def test_what_cannot_go_on_record_is_not_told(place):
    resolver = ground(place)
    same(resolver.ask("game.example", source=CLIENT).rcode, "NXDOMAIN", "a denial")
    mine = wait_for("it is on record", lambda: devices(place))[0]
    same(resolver.stop(), 0, "its end")
    (place.state / "state.mdb").write_bytes(b"no longer a database" * 500)
    place.resolver()
    holds(any("changes are refused" in one for one in place.json("status")["warnings"]), "the change log is out of use")
    for words in (["reveal", mine, "--reason", "x"], ["questions", "--each", "--reason", "x"]):
        done = place.command(*words, expect=1)
        holds(CLIENT not in done.stdout and "on record" in done.stderr, f"{done.stdout}{done.stderr}")


if __name__ == "__main__":
    lab.main()
