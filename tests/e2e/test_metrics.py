"""The file of figures: well formed whatever the configuration's words are, and true."""
import csv
import io
import json
import re
import time

import lab
from lab import holds, same, wait_for
from test_answers import opened
from upstream import Upstream

LINE = re.compile(r'^(#.*|[a-z_:]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? -?\d+(\.\d+)?)$')


def well_formed(text):
    """What promtool checks: help and type once, before the samples, which stand together; counters end in _total; no
    sample twice; a histogram's buckets grow to its count. Gives {name: {labels: value}}."""
    same([line for line in text.splitlines() if not LINE.match(line)], [], "lines that are not well formed")
    holds(text.endswith("\n"), "the last line has its end")
    families, kinds, now = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            now = line.split()[2]
            holds(now not in families, f"{now} is there twice")
            families[now] = {}
        elif line.startswith("# TYPE "):
            same(line.split()[2], now, "help and type")
            kinds[now] = line.split()[3]
        else:
            name, value = re.match(r"[a-z_:]+", line)[0], line.rsplit(" ", 1)[1]
            if kinds[now] == "histogram":
                holds(re.fullmatch(now + "_(bucket|sum|count)", name), f"{name} is no part of a histogram")
                labels = name[len(now):] + line[len(name):].rsplit(" ", 1)[0]
                holds(labels not in families[now], f"{line} is there twice")
                families[now][labels] = float(value) if name.endswith("_sum") else int(value)
                continue
            same(name, now, "a sample among others'")
            labels = line[len(name):].rsplit(" ", 1)[0]
            holds(labels not in families[now], f"{line} is there twice")
            families[now][labels] = int(value)
    same(set(kinds), set(families))
    for name in [name for name, kind in kinds.items() if kind == "histogram"]:
        histogram_fits(families[name])
    same([name for name, kind in kinds.items() if (kind == "counter") != name.endswith("_total")], [], "names of counters")
    return families


def histogram_fits(samples):
    for labels, count in [one for one in samples.items() if one[0].startswith("_count")]:
        of = labels[len("_count{"):-1]
        buckets = [(float(re.search('le="(.*?)"', one)[1]), value) for one, value in samples.items()
                   if one.startswith("_bucket{" + of)]
        same(buckets, sorted(buckets), "bounds and counts grow")
        same(buckets[-1], (float("inf"), count), f"the last bucket of {of}")
        total = samples["_sum{" + of + "}"]
        holds(0 <= total < 1e6 and (total > 0) == (count > 0), f"the sum of {of}: {total}")


def test_verdicts_and_latencies(place):
    """By group and category, over two workers and a reload; how long answers took, by whence they came."""
    up = place.enter(Upstream())
    file = place.folder / "chalkgate.prom"
    groups = {"pupils": (["127.0.0.0/8"], ["ads"]), "staff": (["127.0.0.9/32"], []), "lab": (["127.0.0.1/32"], [])}
    place.configure([f"127.0.0.1:{up.port}"], groups=groups,
                    more=f"metrics: {{file: '{file}', every: 1s}}\n")
    text = place.config_path.read_text()
    place.config_path.write_text(text.replace('"deny": ["ads"]', '"deny": ["ads"], "observe": ["games"]'))
    for category in ("ads", "games"):
        place.command("lists", "import", "--category", category, "--reason", "x",
                      place.list_of(category, [f"{category}.example"]))
    resolver = place.resolver()
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.9"):
        for name in ("www.ads.example", "www.games.example", "site.example", "site.example", "localhost"):
            holds(resolver.ask(name, source=source) is not None, f"no answer to {source} for {name}")
        holds(resolver.ask("www.ads.example", source=source, tcp=True) is not None, "no answer over TCP")
    expected = {'{group="pupils",category="ads",verdict="denied"}': 4,
                '{group="pupils",category="games",verdict="observed"}': 2,
                '{group="pupils",category="",verdict="allowed"}': 8,
                '{group="staff",category="",verdict="allowed"}': 6}

    def written():
        return file.exists() and well_formed(file.read_text())
    def figures():
        told = written()
        return told and {of: count for of, count in told["chalkgate_verdicts_total"].items() if '"lab"' not in of}
    wait_for("the figures", lambda: sum((figures() or {}).values()) >= 20, pause=0.5)
    same(figures(), expected)
    took = {re.search('from="(.*?)"', one)[1]: value for one, value in written()["chalkgate_answer_seconds"].items()
            if one.startswith("_count")}
    holds(took["own"] >= 7, f"denied, or answered from our own records: {took}")
    same(took["cache"] + took["upstream"], 11, "the others")
    holds(took["upstream"] >= 3, f"answers from the upstream: {took}")
    # Another configuration: numbers stay with their words.
    place.config_path.write_text(place.config_path.read_text().replace("  staff:", "  teachers:"))
    place.command("reload", "--reason", "x")
    for _ in range(2):
        resolver.ask("site.example", source="127.0.0.9")
        resolver.ask("www.ads.example", source="127.0.0.2")
    expected['{group="teachers",category="",verdict="allowed"}'] = 2
    expected['{group="pupils",category="ads",verdict="denied"}'] = 6
    wait_for("the new group", lambda: figures() == expected, pause=0.5)


def test_figures(place):
    file = place.folder / "state" / "chalkgate.prom"
    place.configure(more=f"metrics: {{file: '{file}', every: 1s}}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    wait_for("the file of figures", file.exists)
    for name in ("tracker.example", "www.tracker.example", '"};evil.tracker.example', "a\\n.tracker.example"):
        resolver.ask(name)

    def denied():
        found = re.search(r"^chalkgate_denied_total (\d+)$", file.read_text(), re.M)
        return found and int(found[1]) == 4
    wait_for("four denials counted", denied)
    text = file.read_text()
    well_formed(text)
    holds('chalkgate_listed_names{category="ads"} 1\n' in text, "the category's names")
    holds("tracker" not in text, "a name that somebody asked for")


def test_unwritable_file_is_told_once(place):
    place.configure(more="metrics: {file: /nonexistent/chalkgate.prom, every: 1s}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    wait_for("the log says so", lambda: "metrics: cannot write" in resolver.log())
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "answers go on")


def test_what_was_made_safe_is_counted(place):
    """By group and engine: in the status, the figures and the reports, over a restart too."""
    up = place.enter(Upstream())
    file = place.folder / "chalkgate.prom"
    opened(place, up.port, f"metrics: {{file: '{file}', every: 1s}}\nexport: {{lines: {{form: json, file: lines.json}}}}\n",
           workers=2)
    resolver = place.resolver()
    for _ in range(3):
        holds(resolver.ask("www.google.com").answers, "an alias")
    resolver.ask("www.youtube.com")
    resolver.ask("use-application-dns.net")
    resolver.ask("inside.private.example")
    resolver.ask("x.svchint.example", "HTTPS")
    expected = {"Google": 3, "YouTube": 1, "canary": 1, "inside address": 1, "encrypted hello": 1}

    def counted():
        return {one["what"]: one["count"] for one in place.json("status")["tallies"] if one["group"] == "pupils"}
    same(counted(), expected)
    wait_for("the figures are written", lambda: file.exists() and "made_safe_total{" in file.read_text())
    time.sleep(1.5)
    figures = well_formed(file.read_text())
    same(figures["chalkgate_made_safe_total"]['{group="pupils",what="Google"}'], 3)
    for name in ("records_total", "journal_waiting_bytes", "alerts_waiting", "export_waiting", "upstream_failed_total",
                 "lists_imported_time_seconds", "cache_entries", "denied_total"):
        holds(f"chalkgate_{name}" in figures, f"no {name} among the figures")
    resolver.stop()
    resolver = place.resolver()
    resolver.ask("www.google.com")
    resolver.stop()
    expected["Google"] = 4
    for audience in ("dsl", "head", "governors"):
        told = json.loads(place.command("report", "--audience", audience, "--format", "json").stdout)
        same({one["what"]: one["count"] for one in told["made-safe"]}, expected, audience)
        rows = csv.DictReader(io.StringIO(place.command("report", "--audience", audience, "--format", "csv").stdout))
        safe = {row["detail"]: (row["name"], int(row["refused"])) for row in rows if row["section"] == "made-safe"}
        same((len(safe), safe["Google"]), (5, ("pupils", 4)), f"as CSV, {audience}")
    for form in ("text", "html"):
        told = place.command("report", "--audience", "head", "--format", form).stdout
        holds("Denials sent to collectors" in told and "lines" in told, told)
        holds("Made safe" in told and "Google: the search was made safe" in told, told)
    holds("www.google" not in json.dumps(told), "a name that somebody asked for")


if __name__ == "__main__":
    lab.main()
