"""`chalkgate selftest`: what it finds in order, and that it finds what is not."""
import json

import lab
from lab import holds, same
from upstream import Upstream


def opened(place, port=None, more=""):
    """`port`: of the upstream, where it is not one that answers."""
    port = port or place.enter(Upstream()).port
    place.configure(upstreams=[f"127.0.0.1:{port}"], more=more,
                    groups={"pupils": (["127.0.0.1/32", "::1/128"], ["ads", "games"]), "staff": (["127.0.0.2/32"], ["ads"])})
    for category in ("ads", "games", "gambling"):
        place.command("lists", "import", "--category", category, "--reason", "x",
                      place.list_of(category, [f"{category}.example", f"more-{category}.example"]))
    return place.resolver()


def checks(told, **wanted):
    return [one for one in told["checks"] if all(one[key] == value for key, value in wanted.items())]


def test_all_in_order(place):
    opened(place)
    told = place.json("selftest")
    same(told["failed"], 0, f"failed checks: {[one for one in told['checks'] if not one['passed']]}")
    same(checks(told, group="pupils", check="games")[0]["found"], "denied", "games for pupils")
    same(checks(told, group="staff", check="games")[0]["found"], "allowed", "games for staff")
    same(len(checks(told, group="staff", check="canary")), 4, "canaries of staff")
    same(checks(told, check="through an upstream")[0]["found"], "an answer", "the way through an upstream")
    kept = json.loads((place.state / "selftest.json").read_text())
    same(kept["failed"], 0, "the result that was kept")
    entries = [one for one in place.json("changes") if one["action"] == "selftest"]
    same([one["after"]["failed"] for one in entries], [0], "the entry of the change log")
    place.command("changes", "verify")
    same(place.denials(), [], "records: a self-test is nobody's visit")
    holds("0 failed" in place.command("selftest", "--all").stdout, "the table's last line")


def test_silent_upstream_is_found(place):
    opened(place, port=place.free_port())
    told = place.json("selftest", expect=1)
    same([one["check"] for one in told["checks"] if not one["passed"]][:1], ["through an upstream"], "what failed")
    holds("FAILED" in place.command("selftest", expect=1).stdout, "the table names what failed")


def test_the_whole_result_is_on_record(place):
    """What the listener and status say, too: in the kept result, the change log, the reports and an alert."""
    catcher = place.write("catch.sh", "#!/bin/sh\ncat >> \"$1\"\n")
    catcher.chmod(0o755)
    resolver = opened(place, port=place.free_port(), more=f"alerts: {{command: [{catcher}, {place.folder}/caught]}}\n")
    told = place.json("selftest", expect=1)
    kept = json.loads((place.state / "selftest.json").read_text())
    same([kept[key] for key in ("checks", "passed", "failed")], [told[key] for key in ("checks", "passed", "failed")], "what is kept")
    entry = [one for one in place.json("changes") if one["action"] == "selftest"][-1]["after"]
    same([entry["passed"], entry["failed"]], [told["passed"], told["failed"]], "the entry's numbers")
    holds(entry["failures"][0].startswith("through an upstream"), f"the entry's failures: {entry['failures']}")
    alert = json.loads(lab.wait_for("an alert", lambda: (place.folder / "caught").exists() and (place.folder / "caught").read_text()))
    same([alert["kind"], alert["failed"]], ["selftest-failed", told["failed"]], "the alert")
    resolver.ask("ads.example")
    lab.wait_for("a denial, for a report", place.denials)
    for audience in ("dsl", "head"):
        for form in ("text", "html"):
            report = place.command("report", "--since", "-1h", "--audience", audience, "--format", form).stdout
            holds("Self-tests" in report and "upstream" in report, f"{audience}, {form}: no word of what failed:\n{report}")


def test_old_lists_alert_once(place):
    """Old lists fail the self-test, but who was alerted of them when they became old is not alerted each night again; and
    a command for alerts that comes later is told once."""
    catcher = place.write("catch.sh", "#!/bin/sh\ncat >> \"$1\"\necho >> \"$1\"\n")
    catcher.chmod(0o755)
    caught = place.folder / "caught"

    def kinds():
        return [json.loads(line).get("kind") for line in caught.read_text().splitlines() if line] if caught.exists() else []

    def configured(command):
        place.configure(upstreams=[f"127.0.0.1:{upstream}"], groups={"pupils": (["127.0.0.1/32"], ["games", "harm"])},
                        categories=[("games", {"sources": [{"location": str(place.list_of("games", ["games.example"])),
                                                            "stale-after": "1s"}]}),
                                    ("harm", {"severity": "urgent"})],
                        more=f"alerts: {{command: [{catcher}, {caught}], quiet: 0s}}\n" if command else "")
    upstream = place.enter(Upstream()).port
    configured(False)
    place.command("lists", "update")
    place.command("lists", "import", "--category", "harm", "--reason", "x", place.list_of("harm", ["harm.example"]))
    resolver = place.resolver()
    lab.wait_for("the list is old", lambda: place.json("status")["stale"] == 1)
    lab.wait_for("the log says so", lambda: "out of date" in resolver.log())
    configured(True)
    place.command("reload", "--reason", "somebody is to know")
    lab.wait_for("an alert, as now there is a command", lambda: kinds() == ["lists-stale"])
    for _ in range(2):
        told = place.json("selftest", expect=1)
        same([(one["check"], one["found"]) for one in told["checks"] if not one["passed"]], [("list ages", "out of date")],
             "what failed")
    entry = [one for one in place.json("changes") if one["action"] == "selftest"][-1]["after"]
    holds(entry["failures"][0].startswith("list ages"), f"the record has it: {entry}")
    resolver.ask("harm.example")
    lab.wait_for("an alert that is none of the self-test's", lambda: len(kinds()) > 1)
    same([one for one in kinds() if one in ("lists-stale", "selftest-failed")], ["lists-stale"], "alerts of old lists")
    same(resolver.log().count("is out of date"), 1, "lines of the log")


def test_names_for_some_types_are_asked_for_so(place):
    """A category all of whose names stand for some types of question is tested by such a question; a sealed one, too."""
    upstream = place.enter(Upstream()).port
    place.configure(upstreams=[f"127.0.0.1:{upstream}"], groups={"pupils": (["127.0.0.1/32"], ["ads", "games"])},
                    categories=("ads", "games", ("harm", {"sealed": "true"})))
    for category, rule in (("ads", "||six.example^$dnstype=AAAA"), ("games", "||games.example^$dnstype=~A|~AAAA|~HTTPS"),
                           ("harm", "||harm.example^$dnstype=TYPE65280")):
        place.command("lists", "import", "--category", category, "--reason", "x", place.write(f"lists/{category}.txt", rule + "\n"))
    place.resolver()
    told = place.json("selftest")
    same([told["failed"], told["untested"]], [0, 0], f"failed or not tested: {told['checks']}")
    same([(one["check"], one["found"]) for one in told["checks"] if one["check"] in ("ads", "games", "harm")],
         [("ads", "denied"), ("games", "denied"), ("harm", "denied")], "the categories")


def test_what_cannot_be_tested_is_told(place):
    """A category without a list, with addresses only, of a group without a subnet: with what to do, on record, in reports."""
    categories = ("ads", "games", "gambling", ("hosts", {"title": "Hosts"}), ("below", {"title": "Below"}),
                  ("harm", {"title": "Harm", "severity": "urgent"}))
    groups = {"pupils": (["127.0.0.1/32"], ["ads", "games", "gambling", "hosts", "below"]), "visitors": ([], ["ads"])}
    upstream = place.enter(Upstream()).port
    place.configure(upstreams=[f"127.0.0.1:{upstream}"], categories=categories, groups=groups)
    for category, text in (("ads", "ads.example\n"), ("hosts", "192.0.2.1\n"), ("below", "||*.below.example^\n")):
        kind = {"below": "adblock", "hosts": "addresses"}.get(category, "domains")
        place.command("lists", "import", "--category", category, "--format", kind, "--reason", "x",
                      place.write(f"lists/{category}.txt", text))
    resolver = place.resolver()
    told = place.json("selftest")
    rows = {one["check"]: one for one in told["checks"] if not one["tested"]}
    same(sorted(rows), ["gambling", "games", "harm", "hosts", "subnet"], "what was not tested")
    same([told["failed"], told["untested"]], [0, 5], "an urgent category that no group is refused is no failure")
    same({(one["group"], one["found"], one["passed"]) for one in rows.values() if one["check"] != "subnet"},
         {("", "not tested", True)}, "one row for all groups")
    for check, does in (("games", "lists import --category games"), ("hosts", "lists show hosts"), ("subnet", "why NAME --group")):
        holds(does in rows[check]["note"], f"what to do: {rows[check]}")
    same([(one["subject"], one["found"]) for one in checks(told, check="below")], [("www.below.example", "denied")],
         "a list of what is below a name is tested by such a one")
    shown = place.command("selftest").stdout
    holds("not tested" in shown and "Not tested: games: no list names anything in it" in shown
          and "0 failed, 5 could not be made" in shown, f"the table:\n{shown}")
    same(max(len(line) for line in shown.splitlines()) <= 80, True, f"a line of more than 80 columns:\n{shown}")
    entry = [one for one in place.json("changes") if one["action"] == "selftest"][-1]["after"]
    same(sorted(entry["not-tested"]), ["gambling", "games", "harm", "hosts", "subnet of visitors"], "the entry")
    resolver.ask("ads.example")
    lab.wait_for("a denial, for a report", place.denials)
    page = place.command("report", "--since", "-1h", "--format", "html").stdout
    holds("not tested: games, gambling" in page, "the report's table of self-tests")
    pack = " ".join(place.command("report", "--since", "-1h", "--audience", "review").stdout.split())
    holds("The last could not test games, gambling" in pack, f"the yearly review:\n{pack}")
    # The same category, once a group is refused it: nobody should believe that it is filtered.
    groups["pupils"][1].append("harm")
    place.configure(upstreams=[f"127.0.0.1:{upstream}"], categories=categories, groups=groups)
    place.command("reload", "--reason", "pupils are refused it")
    told = place.json("selftest", expect=1)
    same([(one["check"], one["found"], one["expected"]) for one in told["checks"] if not one["passed"]],
         [("harm", "not tested", "denied")], "what failed")
    same([told["failed"], told["untested"]], [1, 5], "it is among both")
    entry = [one for one in place.json("changes") if one["action"] == "selftest"][-1]["after"]
    holds(entry["failures"][0].startswith("harm: not tested, as no list names anything in it"), f"{entry}")
    holds("harm" not in entry["not-tested"], f"told twice: {entry}")
    resolver.stop()


def test_without_a_resolver(place):
    place.configure()
    done = place.command("selftest", expect=1)
    holds("no chalkgated is running" in done.stderr, f"says why: {done.stderr}")


if __name__ == "__main__":
    lab.main()
