"""The record of denials: nothing is lost by kills, a full disk or a command that hangs; alerts come in seconds."""
import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import dns
import lab
from lab import holds, same, wait_for
from test_wrong_clock import Clock

SELF_HARM = ("self-harm", {"title": "Self-harm and suicide", "severity": "urgent"})
GAMBLING = ("gambling", {"title": "Gambling"})


def opened(place, more=""):
    place.configure(categories=(SELF_HARM, GAMBLING), more=more,
                    groups={"pupils": (["127.0.0.0/8", "::1/128"], ["self-harm", "gambling"])})
    place.command("lists", "import", "--category", "self-harm", "--reason", "x", place.list_of("self-harm", ["harm.example"]))
    place.command("lists", "import", "--category", "gambling", "--reason", "x", place.list_of("gambling", ["bets.example"]))
    return place.resolver()


def names_recorded(place, since="-1d"):
    done = place.command("denials", "--since", since, "--format", "csv")
    return [row["name"] for row in csv.DictReader(io.StringIO(done.stdout))]


def ask_on(place, number, denied, stop, lock):
    """Asks a new name each time, so that every answer must have a record of its own."""
    count = 0
    while not stop.is_set():
        name = f"n{count}.t{number}.bets.example"
        count += 1
        answer = dns.ask(name, port=place.port, timeout=0.5)
        if answer is not None and answer.rcode == "NXDOMAIN":
            with lock:
                denied.append(name)


def test_a_search_that_finds_nothing_says_where_it_looked(place):
    opened(place)
    for words, told in ((["--client", "10.9.9.9"], "in the last 24 hours; --since -7d"), (["--category", "selfharm"], 'did you mean "self-harm"?'),
                        (["--group", "pupil"], 'did you mean "pupils"?')):
        said = place.command("denials", *words, expect=4).stderr
        holds(told in said, said)
    holds("24 hours" not in place.command("denials", "--client", "10.9.9.9", "--since", "-7d", expect=4).stderr, "it looked back a week")
    place.command("denials", "--follow", "--until", "now", expect=2, timeout=20)


def test_answers_come_before_searches(place):
    """A process that reads records gives way on the processor."""
    opened(place)
    command = [lab.COMMAND, "--config", place.config_path]
    with subprocess.Popen([*command, "denials", "--follow"], stdout=subprocess.DEVNULL) as search:
        try:
            lab.wait_for("a search that gives way", lambda: os.getpriority(os.PRIO_PROCESS, search.pid) == 10)
        finally:
            search.terminate()


def test_kills_lose_no_denial(place):
    resolver = opened(place)
    denied, chance = [], random.Random(4)
    for turn in range(20):
        stop, lock, before = threading.Event(), threading.Lock(), len(denied)
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        threads = [threading.Thread(target=ask_on, args=(place, f"{turn}x{at}", denied, stop, lock)) for at in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.1 + 1.3 * chance.random() ** 3)  # mostly soon, now and then after files have grown
        resolver.kill()
        stop.set()
        for thread in threads:
            thread.join()
        # What stands in the journals is read even before the next start moves it.
        missing = set(denied[before:]) - set(names_recorded(place, begun))
        same(sorted(missing)[:5], [], f"denied answers without a record after kill {turn + 1}")
        resolver = place.resolver()
    resolver.stop()
    recorded = names_recorded(place)
    holds(len(denied) > 500, f"only {len(denied)} answers were denied")
    same(sorted(set(denied) - set(recorded))[:5], [], "denied answers without a record")
    same(len(recorded), len(set(recorded)), "records that are there twice")
    holds(len(recorded) <= len(denied) + 20 * 4, "records of questions that nobody asked")


def test_a_kill_while_records_are_destroyed_loses_no_receipt(place):
    """Killed in the midst of it: the change log tells of every record that went, of none twice, and none stays."""
    days = 60
    clock = Clock(place, 0, fakes_monotonic=True)
    place.configure(categories=(SELF_HARM, GAMBLING), groups={"pupils": (["127.0.0.0/8"], ["gambling"])})
    place.command("lists", "import", "--category", "gambling", "--reason", "x", place.list_of("gambling", ["bets.example"]))
    place.run(lab.BUILD / "tests" / "make-month", place.state, 3, "", days, "2025-06-30", expect=0)
    span = ("--since", "2025-04-25", "--until", "2025-07-03")
    total = sum(one["count"] for one in place.denials(*span))
    segments, receipt = place.state / "denials", place.state / ".receipt"
    same(len(list(segments.glob("*.mdb"))), days, "days on record")

    def told():
        return [one["after"] for one in place.json("changes") if (one["action"], one["target"]) == ("retention", "denials")]
    resolver = place.resolver(env=clock.environment())
    clock.set(120)  # past the first minute, when what is due goes
    until = time.monotonic() + 60
    while not receipt.exists() and time.monotonic() < until:
        pass
    resolver.kill()
    left = len(list(segments.glob("*.mdb")))
    holds(receipt.exists() and 0 < left <= days, f"killed in the midst of it: {left} days are left")
    same(told(), [], "the change log does not know of it yet")
    resolver = place.resolver(env=clock.environment())
    clock.set(240)
    wait_for("the receipt", told, patience=60)
    same((sum(one["records_destroyed"] for one in told()), sum(one["days_wholly"] for one in told())), (total, days), "what it tells")
    same((list(segments.glob("*.mdb")), receipt.exists()), ([], False), "what is left")
    place.command("changes", "verify")


def hook(place, script):
    path = place.write("hook.new", "#!/bin/sh\n" + script)
    path.chmod(0o755)
    os.replace(path, place.folder / "hook.sh")
    return place.folder / "hook.sh"


def alerts_told(place):
    path = place.folder / "told"
    return [json.loads(line) for line in path.read_text().split("\n") if line] if path.exists() else []


def test_urgent_alert_within_seconds(place):
    path = hook(place, f"cat >> {place.folder}/told; echo >> {place.folder}/told\n")
    resolver = opened(place, more=f"alerts:\n  command: [{path}]\n  thresholds:\n"
                                  "    - {category: gambling, count: 5, within: 10m}\n")
    began = time.monotonic()
    same(resolver.ask("www.harm.example").rcode, "NXDOMAIN")
    alerts = wait_for("the command is called", lambda: alerts_told(place))
    holds(time.monotonic() - began < 5, f"the alert came after {time.monotonic() - began:.1f} s")
    same((alerts[0]["device"], alerts[0]["category"], alerts[0]["name"], alerts[0]["severity"]),
         ("127.0.0.1", "self-harm", "www.harm.example", "urgent"))
    same(place.denials("--name", "harm.example")[0]["case"], alerts[0]["case"])
    for at in range(8):
        resolver.ask("www.harm.example")
        resolver.ask(f"n{at}.bets.example")
    alerts = wait_for("the threshold's alert", lambda: len(alerts_told(place)) > 1 and alerts_told(place))
    time.sleep(2)
    alerts = alerts_told(place)
    same([one["category"] for one in alerts], ["self-harm", "gambling"], "one alert for a device and a category")
    same(alerts[1]["threshold"], {"count": 5, "seconds": 600})


def test_a_command_that_hangs_or_floods(place):
    path = hook(place, "yes; sleep 600\n")
    resolver = opened(place, more=f"alerts: {{command: [{path}], timeout: 1s}}\n")
    same(resolver.ask("www.harm.example").rcode, "NXDOMAIN")
    def warned():
        return [one for one in place.json("status")["warnings"] if "did not end" in one]
    wait_for("status tells of the command that hangs", warned, patience=20, pause=0.5)
    same(len(place.denials("--name", "harm.example")), 1, "the denial is on record all the same")
    for at in range(50):
        holds(resolver.ask(f"n{at}.bets.example") is not None, "an answer was lost while the command hung")
    hook(place, f"cat >> {place.folder}/told; echo >> {place.folder}/told\n")
    alerts = wait_for("the alert is tried again", lambda: alerts_told(place), patience=60)
    same(len(alerts), 1)
    wait_for("the warning goes", lambda: not warned(), patience=20, pause=0.5)
    same(sorted((place.state / "alerts").glob("[0-9]*.json")), [], "the spool is empty")


def test_cases_and_incidents(place):
    resolver = opened(place)
    answer = resolver.ask("www.harm.example")
    code = place.denials("--name", "harm.example")[0]["case"]
    holds(any(code in text for _, text in answer.ede), f"the answer does not tell the case {code}: {answer.ede}")
    told = place.json("case", code.lower().replace("-", ""))
    same((told["name"], told["device"], told["category"], told["severity"]),
         ("www.harm.example", "127.0.0.1", "self-harm", "urgent"))
    same(place.command("case", "ZZZ-ZZZZ", expect=None).returncode in (2, 4), True, "a case that is not there")
    place.command("incident", "open", code, expect=1 + 1)  # without a reason
    place.command("incident", "open", code, "--reason", "the alert of eleven")
    place.command("incident", "note", "1", "spoke with the class teacher", "--action")
    place.command("incident", "open", "ZZZ-ZZZZ", "--reason", "x", expect=None)
    same([one["id"] for one in place.json("incident", "list")], [1])
    again = place.command("incident", "open", code, "--reason", "the same, seen by somebody else", expect=1).stderr
    holds(f"case {code} is in incident 1 already" in again and "incident note 1" in again, again)
    for words, option in ((["open", code, "because"], "--reason"), (["close", "1", "all is well"], "--outcome"), (["list", "now"], "")):
        told = place.command("incident", *words, expect=2).stderr
        holds(f'"{words[-1]}" is too much' in told and option in told, told)
    place.command("fault", "list", "now", expect=2)
    place.command("fault", "report", "the maths site", "--reason", "year 5 needs it", expect=2)
    place.command("fault", "report", "museum.example", "--should-be", "allowed", "--reason", "year 5 needs it")
    resolver.stop()
    # The same without the daemon, under the state folder's lock.
    same(place.json("incident", "show", "1")[0]["cases"][0]["case"], code)
    place.command("incident", "close", "1", "--outcome", "a project on mental health")
    place.command("incident", "list", expect=4)
    extract = place.json("incident", "export", "1", "--reason", "for the parents")
    same(extract["extract"]["cases"][0]["name"], "www.harm.example")
    place.command("fault", "close", "1", "--outcome", "allowed for good")
    # What is not handed out is not on record as an extract; what is, is in a file that others cannot read.
    there = place.write("there.txt", "another child's\n")
    told = place.command("incident", "export", "1", "--reason", "again", "--output", there, expect=1).stderr
    holds("is there already; please name another file" in told and there.read_text() == "another child's\n", told)
    path = place.folder / "extract.txt"
    place.command("incident", "export", "7", "--reason", "of none", "--output", path, expect=4)
    holds(not path.exists(), "an empty file of an extract that there is not")
    told = place.command("incident", "export", "1", "--reason", "for the parents", "--output", path).stdout
    holds(str(path) in told and "change log" in told and path.stat().st_mode & 0o777 == 0o600, told)
    changes = place.json("changes")
    steps = [one["action"] for one in changes if one["action"].split("-")[0] in ("incident", "fault")]
    same(steps, ["incident-open", "incident-action", "fault-report", "incident-close", "incident-export", "fault-close",
                 "incident-export"])
    holds(extract["sha256"] in json.dumps(changes), "the extract's hash is not in the change log")
    place.command("changes", "verify")
    report = place.command("report").stdout
    place.command("incident", "open", "--reason", "told by a teacher")
    same(place.json("incident", "show", "2")[0]["title"], "told by a teacher", "without a case, what was said is what it is about")
    holds("case  of" not in place.command("report").stdout, "a case that there is not")
    holds("a project on mental health" in report, f"the report does not tell of the incident:\n{report}")


def test_exceptions_granted_are_in_the_head_s_report(place):
    resolver = opened(place)
    resolver.ask("www.harm.example")
    wait_for("the record", lambda: place.denials("--name", "harm.example"))
    place.command("allow", "chess.example", "--group", "pupils", "--for", "45m", "--reason", "the chess club")
    place.command("allow", "over.example", "--group", "pupils", "--for", "45m", "--reason", "a short lesson")
    place.command("deny", "noise.example", "--device", "02:00:5e:10:00:01", "--for", "45m", "--reason", "a quarrel")
    place.command("revoke", "2", "--reason", "over")
    grant, over, noise = place.json("report", "--audience", "head")["exceptions-granted"]
    same((grant["kind"], grant["target"], grant["for"], grant["reason"]), ("allow", "chess.example", "pupils", "the chess club"))
    holds(grant["by"] and re.match("20..-..-..", grant["until"]), f"who and until when: {grant}")
    same((over["target"], over["until"].split(" by ")[0]), ("over.example", "taken back"), "one that ended before its time")
    same(noise["for"], "a device", "for whom, to the head")
    same(place.json("report")["exceptions-granted"][2]["for"], "02:00:5e:10:00:01", "for whom, to the coordinator")
    for form in ("text", "html", "json"):
        told = place.command("report", "--audience", "head", "--format", form).stdout
        for words in ("chess.example", "over.example", "the chess club", "taken back"):
            holds(words in re.sub(r"\s+", " ", told), f"{form}: no word of {words}:\n{told}")
        holds("5e:10" not in told, f"{form}: the head is told of a device")
    same([one["target"] for one in place.json("report")["exceptions"]], ["chess.example", "noise.example"], "in force")
    holds("Exceptions granted: 3." in re.sub(r"\s+", " ", place.command("report", "--audience", "governors").stdout), "the governors' number")


def test_a_slip_of_the_pen_is_no_quiet_day(place):
    resolver = opened(place)
    resolver.ask("www.harm.example")
    wait_for("the record", place.denials)

    def told(*arguments, expect=4):
        done = place.command("denials", *arguments, expect=expect)
        holds("\x1b" not in done.stderr, f"an escape on the terminal: {done.stderr!r}")
        return done.stderr
    holds('no category "self-hram"' in told("--category", "self-hram"), "a category that is not there")
    holds('no group "pupil?"' in told("--group", "pupil\x1b"), "a group that is not there")
    holds("configuration" not in told("--category", "gambling"), "one that is there, and had none")
    holds("ends before it begins" in told("--until", "2020-01-01", expect=2), "a time that ends before it begins")
    same(len(place.denials("--device", "127.0.0.1")), 1, "a device that reports tell by its address")
    same(place.denials("--device", "127.0.0.2"), [], "another's")
    done = place.command("reveal", "device-0000-0000", "--reason", "x", expect=4)
    holds("no keys of pseudonyms" in done.stderr, done.stderr)
    # What comes while one looks on is not cut off to the width of what was there.
    watching = place.start(lab.COMMAND, "--config", place.config_path, "denials", "--follow", "--group", "pupils",
                           "--since", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1)))
    time.sleep(1.2)
    resolver.ask("late.bets.example", source="127.0.200.201")
    line = wait_for("it is shown", lambda: [one for one in watching.log_path.read_text().splitlines() if "late.bets" in one])[0]
    same(line.split()[1:5], ["pupils", "gambling", "127.0.200.201", "late.bets.example"], "the columns")


def test_nightly_report(place):
    path = hook(place, f"echo $1 >> {place.folder}/told; test ! -e {place.folder}/broken\n")
    place.configure(categories=(SELF_HARM, GAMBLING), more=f"reports: {{command: [{path}]}}\n",
                    groups={"pupils": (["127.0.0.0/8", "::1/128"], ["self-harm", "gambling"])})
    reports, told = place.state / "reports", place.folder / "told"
    place.state.mkdir()
    place.command("report", "--nightly")
    first = sorted(one.name for one in reports.glob("*.html"))
    same(len(first), 1, "the first night has one report")
    same(told.read_text().split(), [str(reports / first[0])])
    place.command("report", "--nightly")
    same(len(told.read_text().split()), 1, "a report that was delivered comes again")
    # Three nights missed, and a command that fails at first.
    day = time.strptime(first[0][:10], "%Y-%m-%d")
    before = time.strftime("%Y-%m-%d", time.localtime(time.mktime(day) - 3 * 86400 + 3600))
    (reports / ".delivered").write_text(before + "\n")
    (place.folder / "broken").touch()
    done = place.command("report", "--nightly", expect=1)
    holds("will be tried again" in done.stderr, done.stderr)
    (place.folder / "broken").unlink()
    place.command("report", "--nightly")
    same(len(sorted(reports.glob("*.html"))), 3, "missed nights are made up")
    same(told.read_text().split()[-1], str(reports / first[0]))


def test_a_command_that_fails_at_once(place):
    """It is called again, ever more rarely, with the same alert; status and figures say so, whatever it prints."""
    tries, figures = place.folder / "tries", place.folder / "chalkgate.prom"
    path = hook(place, f"date +%s.%N >> {tries}; cat >> {place.folder}/seen; printf 'no \\377\\033[31m mail\\n' >&2; exit 1\n")
    resolver = opened(place, more=f"alerts: {{command: [{path}], timeout: 5s}}\nmetrics: {{file: '{figures}', every: 1s}}\n")
    same(resolver.ask("www.harm.example").rcode, "NXDOMAIN")
    def alerts():
        return place.json("status")["alerts"]
    wait_for("two tries", lambda: alerts().get("failed_tries", 0) >= 2, patience=30, pause=0.5)
    told = alerts()
    same((told["waiting"], told["delivered"], told["raised"], told["held"], told["lost"]), (1, 0, 1, 0, 0))
    same(told["last_error"], f"{path} ended with exit code 1: no ??[31m mail")
    began = [float(line) for line in tries.read_text().split()]
    same(len(began), told["failed_tries"])
    holds(began[1] - began[0] >= 4.5, f"tried again after {began[1] - began[0]:.1f} s already")
    holds(told["next_try"] - began[1] > 13, f"the third try would come at {told['next_try']}, the second was at {began[1]}")
    holds(any("1 alerts wait to be handed over" in one for one in place.json("status")["warnings"]), "no warning")
    wait_for("the figures", lambda: "chalkgate_alerts_failed_total 2\n" in figures.read_text(), pause=0.5)
    holds("chalkgate_alerts_waiting 1\n" in figures.read_text() and "chalkgate_alerts_lost_total 0\n" in figures.read_text(), figures.read_text())
    # A new alert is tried at once, though the older one waits.
    same(resolver.ask("www.harm.example", source="127.0.0.9").rcode, "NXDOMAIN")
    wait_for("the other's try", lambda: alerts()["failed_tries"] >= 3, patience=10, pause=0.3)
    same(alerts()["waiting"], 2)
    # The spool outlives the daemon, and a restart tries at once.
    resolver.stop()
    hook(place, f"cat >> {place.folder}/told; echo >> {place.folder}/told\n")
    resolver = place.resolver()
    wait_for("both are handed over", lambda: len(alerts_told(place)) == 2, patience=10)
    same({one["device"] for one in alerts_told(place)}, {"127.0.0.1", "127.0.0.9"})
    wait_for("nothing waits", lambda: alerts().get("waiting") == 0 and not alerts()["last_error"], pause=0.3)


def test_the_form_of_json_is_documented(place):
    page = (lab.ROOT / "tools" / "report-json.md").read_text()
    rows = [line.split("|")[1:4] for line in page.split("\n") if line.startswith("| `")]
    where = {key: place for keys, _, place in rows for key in re.findall("`([a-z-]+)`", keys)}
    resolver = opened(place)
    resolver.ask("www.harm.example")
    wait_for("the record", lambda: place.denials("--name", "harm.example"))
    for audience in ("dsl", "head", "governors", "review"):
        keys = set(place.json("report", "--audience", audience))
        same(sorted(keys - set(where)), [], f"{audience}: keys that are not documented")
        must = {key for key, place in where.items() if "always" in place or audience in re.split("[ ,]+", place.replace("not for governors, where recorded", ""))}
        same(sorted(must - keys), [], f"{audience}: keys that are missing")


def test_delivery_that_hangs(place):
    path = hook(place, f"echo $$ > {place.folder}/pid; exec sleep 1000\n")
    place.configure(categories=(SELF_HARM, GAMBLING), more=f"reports: {{command: [{path}]}}\n",
                    groups={"pupils": (["127.0.0.0/8", "::1/128"], ["self-harm", "gambling"])})
    place.state.mkdir()
    done = place.command("report", "--nightly", expect=1, env={"CHALKGATE_PATIENCE": "2"})
    holds("will be tried again" in done.stderr, done.stderr)
    holds(not (place.state / "reports" / ".delivered").exists(), "it counts as delivered")
    pid = int((place.folder / "pid").read_text())
    wait_for("the command is ended", lambda: not os.path.exists(f"/proc/{pid}"))
    hook(place, f"echo $1 > {place.folder}/told\n")
    place.command("report", "--nightly")
    holds((place.folder / "told").read_text().strip().endswith(".html"), "the next night delivers it")


def test_names_that_a_spreadsheet_would_calculate(place):
    resolver = opened(place)
    names = [f"{first}1.bets.example" for first in "=+-@\t"]
    for name in names:
        resolver.ask(name)
    wait_for("their records", lambda: len(names_recorded(place)) == len(names))
    for cell in names_recorded(place):
        holds(cell[0] not in "=+-@\t\r", f"a formula: {cell!r}")
    same([one[:3] for one in sorted(names_recorded(place))][:3], ["'+1", "'-1", "'=1"], "guarded, and readable still")


def test_the_runner_ends_with_the_daemon(place):
    resolver = opened(place)
    def runners():
        done = place.run("ps", "--ppid", resolver.process.pid, "-o", "pid=,comm=")
        return [int(line.split()[0]) for line in done.stdout.split("\n") if "chalkgate-alert" in line]
    runner = wait_for("the runner is there", runners)[0]
    resolver.signal(signal.SIGKILL)
    resolver.process.wait()
    wait_for("the runner ends", lambda: not os.path.exists(f"/proc/{runner}"), patience=10)


if __name__ == "__main__":
    lab.main()
