"""Reports over a made month of school traffic: what was planted comes out on top, the noise does not, in every
depth and span; and the page is looked at by axe-core in a real browser, light and dark."""
import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
from html import escape

import lab
from lab import holds, same, wait_for

LAST, SCHOOL_DAY = "2026-11-15", "2026-11-13"  # a Sunday, and the last school day before it
CALENDAR = """calendar:
  time-zone: Europe/London
  terms:
    autumn: 2026-09-03..2026-12-18
"""


def month(place, devices=60, days=28, last=LAST, more=""):
    """A state folder with the month; gives what is planted as lists of (device, category)."""
    place.configure(groups={"pupils": (["10.1.0.0/16"], [])}, more=CALENDAR + more)
    place.state.mkdir(exist_ok=True)
    try:
        lists = str(lab.shared("ut1"))
    except lab.Skip:
        lists = ""
    made = place.run(lab.BUILD / "tests" / "make-month", place.state, devices, lists, days, last, expect=0, env={"TZ": "Europe/London"})
    planted = {"incident": [], "noise": []}
    for line in made.stdout.splitlines():
        kind, device, category, _ = line.split("\t")
        planted[kind].append((device, category))
    return planted


def findings(report):
    return [(one["device"], one["category"], one["kind"]) for one in report["findings"]]


def test_what_is_planted_comes_out_on_top(place):
    planted = month(place)
    spans = {"day": (["--day", SCHOOL_DAY], {"self-harm", "gambling"}),
             "week": (["--week", SCHOOL_DAY], {category for _, category in planted["incident"]}),
             "span": (["--since", "2026-10-19", "--until", "2026-11-16T00:00"], {category for _, category in planted["incident"]})}
    for span, (arguments, expected) in spans.items():
        told = findings(place.json("report", *arguments))
        visits = [(device, category) for device, category, kind in told if kind == "looks like visits"]
        wanted = [one for one in planted["incident"] if one[1] in expected]
        # An urgent or high one is on top of everything; in a month pupils who play daily come between the rest.
        top = visits[:len(wanted)] if span != "span" else visits
        same([one for one in wanted if one not in top], [], f"{span}: planted, and not on top of {visits[:8]}")
        serious = [one for one in wanted if one[1] in ("self-harm", "extremism", "pornography")]
        same(sorted(visits[:len(serious)]), sorted(serious), f"{span}: the serious ones come first")
        for one in planted["noise"]:
            kinds = {kind for device, category, kind in told if (device, category) == one}
            same(kinds - {"looks like background"}, set(), f"{span}: noise that is on top: {one}")


def test_three_depths(place):
    month(place)
    for span in (["--day", SCHOOL_DAY], ["--week", SCHOOL_DAY], ["--term", "autumn"]):
        whole = place.json("report", *span)
        same(sum(whole["hours"]), whole["refused"], "denials by hour")
        same(sum(one["refused"] for one in whole["groups"]), whole["refused"], "denials by group")
        same(sum(one["refused"] for one in whole["categories"]), whole["refused"], "denials by category")
        for audience in ("dsl", "head", "governors"):
            for form in ("text", "html", "csv", "json"):
                report = place.command("report", *span, "--audience", audience, "--format", form).stdout
                holds("elf-harm" in report, f"{audience}, {form}: no word of the planted incident")
                # Above a month there are sums and no findings, so that a quiet device need not be named.
                holds("10.1." in report if audience == "dsl" else "10.1." not in report, f"{audience}, {form}: devices")
                holds("10.1.2.17" in report or audience != "dsl" or "--term" in span, f"{form}: the planted device")
                if form in ("text", "html"):  # what stands in the tables must not frighten for nothing
                    flat = " ".join(report.split())
                    told = "These are totals" if "--term" in span else "deserve a look: Self-harm and suicide, " \
                        if "--week" in span else "deserves a look: Self-harm and suicide. "
                    holds(told in flat, f"{audience}, {form}: the summary lacks {told!r}")
                    holds("--term" in span or re.search(r"[1-9][0-9,]* look-ups of such kinds look like the work", flat),
                          f"{audience}, {form}: what programs did of such kinds")
                if form == "text":
                    holds(audience != "dsl" or "--day" not in span or "look-ups of 10.1.3.3 (" in " ".join(report.split()),
                          "whose background that is")
                    same([line for line in report.splitlines() if len(line) > 80], [], f"{audience}: lines above 80 columns")
            same(place.json("report", *span, "--audience", audience)["refused"], whole["refused"])


def test_days_of_25_and_23_hours(place):
    month(place, devices=20, days=2, last="2026-10-25")
    report = place.json("report", "--day", "2026-10-25")
    # The widget of a quarter of an hour asks four times in each of 25 hours.
    widget = [one for one in report["findings"] if one["category"] == "self-harm"]
    same(sum(report["hours"]), report["refused"])
    same(report["until"][:10], "2026-10-26")
    same((report["since"][-6:], report["until"][-6:]), ("+01:00", "+00:00"), "the clocks go back")
    same(len(widget), 1)
    shutil.rmtree(place.state)
    month(place, devices=20, days=2, last="2026-03-29")
    report = place.json("report", "--day", "2026-03-29")
    same((report["since"][-6:], report["until"][-6:]), ("+00:00", "+01:00"), "the clocks go forward")
    same(report["hours"][1], 0, "the hour that was left out")
    same(sum(report["hours"]), report["refused"])


def test_a_span_that_goes_on(place):
    """Its title says so; one that is over, or still to come, has nothing to say."""
    place.configure()
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    place.resolver().ask("tracker.example")
    wait_for("a record", place.denials)
    yesterday, today, tomorrow = (time.strftime("%Y-%m-%d", time.localtime(time.time() + ahead)) for ahead in (-86400, 0, 86400))
    for span in (["--day", today], ["--week", today], ["--since", today, "--until", tomorrow], []):
        report = place.json("report", *span)
        holds(report["title"].endswith(", so far") or report["until"] <= report["made"], report["title"])
    told = place.command("report", "--day", yesterday, expect=4)
    holds("so far" not in told.stdout + told.stderr, told.stdout + told.stderr)
    told = place.command("report", "--day", tomorrow, expect=4)
    holds("so far" not in told.stdout + told.stderr, told.stdout + told.stderr)


def test_days_without_data(place):
    month(place, devices=5, days=1)
    for day in ("2026-11-01", "2031-01-01"):
        done = place.command("report", "--day", day, expect=4)
        same(done.stdout, "")
        holds("nothing was refused" in done.stderr or "still to come" in done.stderr, done.stderr)
    holds("still to come" in place.command("report", "--day", "2099-01-01", expect=4).stderr, "a future day")


def test_days_without_denials(place):
    """What people did, or what was made safe, is a report too; without tables of noughts, and of that day only."""
    place.configure(groups={"pupils": (["10.1.0.0/16"], [])}, more=CALENDAR)
    place.command("lists", "import", "--category", "ads", "--reason", "the first list", place.list_of("ads", ["ads.example"]))
    (place.state / "denials").mkdir(exist_ok=True)
    safe = place.state / "denials" / "2026-02-03.json"
    safe.write_text('[{"group": "pupils", "what": "www.google.com", "count": 3}]')
    for audience in ("dsl", "head", "governors", "review"):
        def report(form, *day, who=audience):
            return place.command("report", "--audience", who, "--format", form, *day).stdout
        for form in ("text", "html"):
            told = " ".join(report(form).split())
            holds("Nothing was refused. Where devices were in use, that is unusual" in told, f"{audience}, {form}: {told}")
            holds("the first list" in told or audience == "governors" and "lists and rules: 1." in told, f"{audience}, {form}: {told}")
            for words in ("0 look-ups", "By hour", "By group", "By category", "Charts", "Devices", "deserves attention", "<svg"):
                holds(words not in told, f"{audience}, {form}: {words} of a day without")
            told = " ".join(report(form, "--day", "2026-02-03").split())
            holds("Nothing was refused." in told and "unusual" not in told, f"{audience}, {form}: devices asked: {told}")
            holds(audience == "governors" or "www.google.com: the search was made safe" in told, f"{audience}, {form}: {told}")
            holds("the first list" not in told and "rules: 1." not in told, f"{audience}, {form}: a change of another day")
        holds("made-safe,pupils,www.google.com" in report("csv", "--day", "2026-02-03"), audience)
        sections = [line.split(",")[0] for line in report("csv").splitlines()]
        same([one in sections for one in ("change", "list", "limit")], [audience != "governors", True, True], f"{audience}: {sections}")
        told = json.loads(report("json", "--day", "2026-02-03"))
        same((told["refused"], told.get("changes", []), told["made-safe"][0]["count"]), (0, [], 3), audience)
    path = place.folder / "none.html"
    place.command("report", "--day", "2026-02-04", "--format", "html", "--output", path, expect=4)
    holds(not path.exists(), "a file for a day without anything")


def test_what_people_did_is_told_whole(place):
    """Reasons are not cut in 80 columns; a refusal followed up later stands in its own day's report; a spreadsheet reads it."""
    month(place, devices=5, days=2, last="2026-11-13")
    place.command("lists", "import", "--category", "ads", "--reason", "the first", place.list_of("ads", ["ads.example"]))
    why = "the caf\u00e9 project of year 5, for which the whole class needs this site on three afternoons"
    place.command("allow", "a-long-name-of-a-lesson.and-its-site.example", "--group", "pupils", "--for", "45m", "--reason", why)
    case = place.json("report", "--day", SCHOOL_DAY)["findings"][0]["case"]
    place.command("incident", "open", case, "--reason", "the alert of eleven")
    told = place.command("report", "--day", SCHOOL_DAY).stdout
    holds("No incident was open" not in told and "Nothing was changed. " in told, f"followed up a day later: {told}")
    holds(re.search(r"\n 1  \d{4}-\d\d-\d\d \d\d:\d\d  Self-harm", told), told)
    holds(f"case {case}, incident 1\n" in told, f"a finding that is followed up: {told}")
    html = place.command("report", "--day", SCHOOL_DAY, "--format", "html").stdout
    holds(f"<code>{case}</code>, incident 1</span>" in html, "a finding that is followed up, on the page")
    told = " ".join(place.command("report", "--day", "today", "--audience", "governors").stdout.split())
    holds("Incidents that were open: 1." in told and "Changes of lists and rules: 2." in told, f"an import and a grant: {told}")
    for audience in ("dsl", "head"):
        told = place.command("report", "--day", "today", "--audience", audience).stdout
        same([line for line in told.splitlines() if len(line) > 80], [], f"{audience}: lines above 80 columns")
        same(" ".join(told.split()).count(f"Reason: {why}"), 3, f"{audience}: granted, changed, in force: {told}")
        holds(re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d  \S+ +allow a-long-name-of-a-lesson", told, re.M), f"{audience}: times are short: {told}")
        holds("opened incident 1" in told and "new lists: generation 1" in told, f"{audience}: words of the log: {told}")
    path = place.folder / "report.csv"
    place.command("report", "--day", "today", "--format", "csv", "--output", path)
    holds(path.read_bytes().startswith(b"\xef\xbb\xbfsection,"), "a spreadsheet does not know the encoding")
    holds(why in path.read_text(encoding="utf-8-sig"), "the reason, in CSV")


def test_totals_outlive_the_records(place):
    month(place, more="retention: {totals: 7000d}\n")
    place.command("report", "--nightly")
    totals = sorted((place.state / "denials" / "totals").glob("*.json"))
    same(len(totals), 28, "a file for each day")
    for one in totals:
        holds(not re.search(r"10[.]1[.]|example", one.read_text()), "totals hold neither addresses nor names")
    span = ["--since", "2026-10-19", "--until", "2026-11-16T00:00", "--audience", "governors"]
    before = place.json("report", *span)
    for path in (place.state / "denials").glob("2026-10-*.mdb*"):
        path.unlink()
    after = place.json("report", *span)
    for key in ("refused", "hours", "days"):
        same(after[key], before[key], f"{key}, with records of October gone")
    same([(one["name"], one["refused"]) for one in after["categories"]],
         [(one["name"], one["refused"]) for one in before["categories"]])
    same(after["days-by-totals"], 13)
    # And they go in their turn.
    path = place.config_path
    path.write_text(path.read_text().replace("7000d", "1d"))
    place.command("report", "--nightly")
    same(len(list((place.state / "denials" / "totals").glob("*.json"))) < 2, True, "totals past their time are gone")


def test_the_daemon_keeps_totals_by_itself(place):
    month(place, devices=5, days=3, more="retention: {totals: 7000d}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["ads.example"]))
    place.resolver()
    folder = place.state / "denials" / "totals"
    lab.wait_for("totals of the three days, without any report", lambda: len(list(folder.glob("*.json"))) == 3, 30)
    kept = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    span = ["--since", "2026-11-13", "--until", "2026-11-16T00:00", "--audience", "governors"]
    told = place.json("report", *span)
    same(sum(one["refused"] for one in kept.values()), told["refused"], "refused, in the totals")
    same([sum(one["hours"][i] for one in kept.values()) for i in range(24)], told["hours"], "by hour")
    for key in ("groups", "categories"):
        sums = {}
        for one in kept.values():
            for part in one[key]:
                sums[part["name"]] = sums.get(part["name"], 0) + part["refused"]
        same(sums, {part["name"]: part["refused"] for part in told[key]}, key)
    day = place.json("report", "--day", SCHOOL_DAY)
    same({one["name"]: one["devices"] for one in kept[f"{SCHOOL_DAY}.json"]["groups"]},
         {one["name"]: one["devices"] for one in day["groups"]}, "devices by group")


def test_the_pack_for_the_yearly_review(place):
    month(place, more="roles: {manager: [staff-it], requires-approval: true}\n")
    for form in ("text", "html", "json"):
        pack = place.command("report", "--since", "2026-10-19", "--until", "2026-11-16T00:00", "--audience", "review", "--format", form).stdout
        for words in ("Self-tests", "365 days", "staff-it", "second person", "pupils", "cannot" if form != "json" else "review"):
            holds(words in pack, f"{form}: not a word of {words}")
        holds("10.1." not in pack and "alone0" not in pack, f"{form}: devices or names")


def test_a_command_that_prints_a_gigabyte(place):
    script = place.write("deliver", f"#!/bin/sh\nhead -c 1000000000 /dev/zero\nhead -c 1000000 /dev/zero >&2\necho $1 > {place.folder}/told\n")
    script.chmod(0o755)
    month(place, devices=5, days=2, more=f"reports: {{command: [{script}]}}\n")
    done = place.command("report", "--nightly")
    holds(len(done.stdout) + len(done.stderr) < 10000, f"{len(done.stdout) + len(done.stderr)} octets of the command's words came through")
    holds((place.folder / "told").read_text().strip().endswith(".html"), "the command was not given the file")


def axe_core(place):
    """The script of axe-core from npm's registry, kept in the build folder; skips where it cannot be had."""
    kept = lab.BUILD / "axe" / "package" / "axe.min.js"
    if kept.exists():
        return kept
    lab.need("npm", "tar")
    kept.parent.parent.mkdir(exist_ok=True)
    done = subprocess.run(["npm", "pack", "--silent", "axe-core@4"], cwd=kept.parent.parent, capture_output=True, text=True, timeout=120)
    archives = sorted(kept.parent.parent.glob("axe-core-*.tgz"))
    if done.returncode != 0 or not archives:
        raise lab.Skip("axe-core could not be fetched with npm; the accessibility of the page was not checked")
    subprocess.run(["tar", "xzf", archives[-1].name], cwd=kept.parent.parent, check=True)
    return kept


def browse(place, page, name):
    """What a script of the page put into `document.body` as base64 of JSON, after a browser showed it."""
    path = pathlib.Path(place.write(name, page))
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={place.folder}/browser",
                           "--virtual-time-budget=30000", "--dump-dom", f"file://{path.resolve()}"],
                          capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(place.folder)})
    found = re.search(r'<pre id="told">([^<]*)</pre>', done.stdout)
    holds(found, f"the script did not run: {done.stderr[-500:]}")
    return json.loads(base64.b64decode(found.group(1)))


TELL = ("const tell = x => {const p = document.createElement('pre'); p.id = 'told';"
        "p.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(x))));document.body.append(p);};")


def axe_run(place, axe, html, name):
    """What axe-core finds in the page, as a browser shows it."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    run = ("<script>%s</script><script>" + TELL + "axe.run().then(r => tell(r.violations.map(v => [v.impact, v.id,"
           "v.nodes.slice(0, 3).map(n => n.html)])));</script></body>")
    return browse(place, page.replace("</body>", run % axe.read_text()), name)


def wider(place, html, widths):
    """At which of the widths, in pixels, the page is wider than that, and by how much."""
    frames = "".join(f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{escape(html)}"></iframe>' for width in widths)
    script = TELL + ("addEventListener('load', () => tell([...document.querySelectorAll('iframe')].map(f => {"
                     "const e = f.contentDocument.documentElement; return [f.clientWidth, e.scrollWidth - e.clientWidth];})));")
    told = browse(place, f"<body>{frames}<script>{script}</script></body>", "frames.html")
    same([width for width, _ in told], list(widths), "the frames")
    return [one for one in told if one[1] > 0]


def test_it_fits_telephones_and_paper(place):
    """From a small telephone (320 pixels, and 15 for a desktop's scroll bar) to A4, nothing must be moved sideways to be read."""
    lab.need("chromium")
    month(place)
    place.command("lists", "import", "--category", "ads", "--reason", "a list of names that the technician brought along",
                  place.list_of("ads", ["ads.example"]))
    place.command("allow", "a-long-name-of-a-lesson.and-its-site.example", "--group", "pupils", "--for", "45m", "--reason", "the chess club")
    case = place.json("report", "--day", SCHOOL_DAY)["findings"][0]["case"]
    place.command("incident", "open", case, "--reason", "the alert of eleven")
    place.command("fault", "report", "museum.example", "--should-be", "allowed", "--reason", "year 5 needs it for a lesson on Rome")
    for span in (["--day", "today"], ["--since", "2026-10-19", "--until", "2027-12-31"], ["--day", SCHOOL_DAY]):
        for audience in ("dsl", "governors"):
            html = place.command("report", *span, "--audience", audience, "--format", "html").stdout
            same(wider(place, html, (335, 360, 390, 430, 500, 560, 600, 680, 794, 1000)), [], f"{span}, {audience}: wider than the screen")


def test_axe_core_finds_nothing(place):
    lab.need("chromium")
    axe = axe_core(place)
    month(place)
    html = place.command("report", "--week", SCHOOL_DAY, "--format", "html").stdout
    holds("prefers-color-scheme:dark" in html, "the page has no dark form")
    dark = html.replace("prefers-color-scheme:dark", "min-width:1px")
    for name, page in (("light.html", html), ("dark.html", dark)):
        bad = axe_run(place, axe, page, name)
        same([one for one in bad if one[0] in ("serious", "critical")], [], f"{name}: what axe-core finds")
    # And it would find something: words that are hard to read.
    bad = axe_run(place, axe, html.replace("--quiet:#4a5360", "--quiet:#cccccc"), "pale.html")
    holds(any(one[1] == "color-contrast" for one in bad), f"axe-core does not see pale words: {bad}")


if __name__ == "__main__":
    lab.main(alone=False)  # npm fetches axe-core
