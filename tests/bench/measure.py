#!/usr/bin/env python3
"""Measures the resolver, keeps the figures in results/*.json, and writes them into README.md.

    measure.py --data DIR PART...

micro      nanoseconds and heap calls of single operations, at 1 and 5 million names
versus     beside every peer that is installed, at 1 and 5 million names (an hour)
goals      beside floor alone, at 1 and 5 million names, in many rounds (a quarter of an hour)
compile    a list imported by the command: seconds, and the most private memory it had
start      seconds from start to the first right answer, page cache warm and cold
adopt      another generation in force under load: latency before, in that second, after
latency    p50, p99, p99.9 at half of what each server can take, beside the peers
search-under-load  four weeks of a million denials a day searched and reported on beside the answers: loss, latency, times
threads    one and two workers: the paths without sockets on two processors, and the server beside the load tool
growth     what grows with names, clients and groups, and how
readme     writes the figures that are there into README.md, and the chart growth.svg

The four weeks are kept in the folder --month names, and made there if it is empty: some minutes, 1 GB.
DIR is what make_data.py made with --size 100000 1000000 5000000. It and the comparison stand in the folder that
CHALKGATE_BENCH names, ../shared/bench beside this repository if unset. Everything is built as released.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = pathlib.Path(os.environ.get("CHALKGATE_BENCH", ROOT.parent / "shared" / "bench"))
RESULTS = HERE / "results"
PROGRAMS = ROOT / "build" / "release-tests" / "tests"
COMMAND = ROOT / "build" / "release" / "bin" / "chalkgate"
PORT, UPSTREAM = 5460, 5300
PEERS = "floor,unbound,dnsdist,kresd,dnsmasq,recursor,named"
SERVE = f"sh {HERE / 'serve.sh'} {{list}} {{port}} {{upstream}} {{threads}} {{folder}}"


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def build():
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    for preset, targets in (("release", ["chalkgate", "chalkgated"]),
                            ("release-tests", ["bench-query", "bench-lookup", "bench-journal", "paced", "make-month"])):
        run("cmake", "--preset", preset, *launcher, cwd=ROOT)
        run("cmake", "--build", "--preset", preset, "--target", *targets, cwd=ROOT)


def keep(name, figures):
    RESULTS.mkdir(exist_ok=True)
    commit = run("git", "rev-parse", "--short", "HEAD", cwd=ROOT).strip()
    if run("git", "status", "--porcelain", "--untracked-files=no", "resolver", "blocklists", cwd=ROOT).strip():
        commit += " with changes"
    head = {"commit": commit, "processor": processor(), "kernel": ".".join(platform.release().split(".")[:2])}
    (RESULTS / f"{name}.json").write_text(json.dumps(head | {"figures": figures}, indent=1) + "\n")
    print(f"{name}: kept in {RESULTS.name}/{name}.json", file=sys.stderr)


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    return f"{os.cpu_count()} × {model.group(1) if model else platform.machine()}"


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class Resolver:
    """Ours, started by serve.sh for one list; a state folder that is given again is not compiled again."""

    def __init__(self, list_file, folder, port=PORT, threads=1, cpus="1"):
        from versus import Server
        folder.mkdir(exist_ok=True)
        self.folder = folder
        argv = ["sh", HERE / "serve.sh", list_file, port, UPSTREAM, threads, folder]
        self.server = Server("chalkgate", argv, port, folder, cpus)
        self.pid, self.port = self.server.process.pid, port

    def ready(self, blocked, limit=300):
        took = self.server.wait_ready(blocked, None, limit)
        if took is None:
            sys.exit(f"not ready: {(self.folder / 'output.log').read_text()}")
        return took

    def command(self, *arguments):
        return run(COMMAND, "--config", self.folder / "config.yaml", *arguments)

    def stop(self):
        self.server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def last_line(path):
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 300))
        return file.read().split()[-1].decode()


@contextlib.contextmanager
def bench_ground():
    """A work folder, the load tool and the stub upstream."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="measure-"))
    for tool in ("blast", "stub"):
        run("cc", "-O2", "-o", work / tool, SHARED / f"{tool}.c")
    upstream = subprocess.Popen(["taskset", "-c", "0", str(work / "stub"), str(UPSTREAM), "answer"])
    try:
        yield work
    finally:
        upstream.terminate()
        upstream.wait()
        shutil.rmtree(work, ignore_errors=True)


def blast(work, port, queries, seconds, window, busy=False, pinned=True):
    command = (["taskset", "-c", "0"] if pinned else []) + [work / "blast", port, queries, seconds, window]
    return json.loads(run(*command, *(["busy"] if busy else [])))


def paced(port, queries, seconds, rate):
    return json.loads(run("taskset", "-c", "0", PROGRAMS / "paced", port, queries, seconds, int(rate)))


def list_make(path, names):
    """Names for growth: as many as are wanted, no two alike, from nothing but their number."""
    letters = "abcdefghijklmnopqrstuvwxyz012345"
    endings = ("com", "com", "net", "org", "co.uk", "de")
    with open(path, "w", encoding="ascii") as out:
        for number in range(names):
            bits = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFF
            label = "".join(letters[bits >> shift & 31] for shift in range(0, 40, 5))
            out.write(f"{label}.{endings[number % 6]}\n")


def measure_micro(args):
    figures = {}
    for size in (1_000_000, 5_000_000):
        figures[f"query {size}"] = json_lines(run(PROGRAMS / "bench-query", "--names", size, "--json"))
        figures[f"lookup {size}"] = json_lines(
            run(PROGRAMS / "bench-lookup", args.data / f"list-{size}.txt", "--json"))
    figures["journal"] = run(PROGRAMS / "bench-journal").splitlines()
    keep("micro", figures)


def measure_beside(args, name, peers, rounds, *more):
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            result = pathlib.Path(folder) / "versus.json"
            subprocess.run([sys.executable, SHARED / "versus.py", "--data", args.data, "--size", str(size),
                            "--peers", peers, "--rounds", str(rounds), "--json", result,
                            "--limit", "900", "--subject", SERVE, *more], check=True)
            keep(f"{name}-{size}", json.loads(result.read_text())["all"])


def measure_versus(args):
    measure_beside(args, "versus", args.peers, args.rounds)


def measure_goals(args):
    """The machine's pace changes from second to second, by a quarter: only many rounds tell a twentieth. Deny comes
    last, as the writer goes on with its records for seconds after, at the lowest priority but in the same process."""
    measure_beside(args, "goals", "floor", 4 * args.rounds, "--scenarios", "hot,miss,school,deny")


def private_kib(pid):
    """Memory that is the process's own at this moment, 0 when it has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def measure_compile(args):
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "config.yaml"
        for size in (100_000, 1_000_000, 5_000_000):
            list_file = args.data / f"list-{size}.txt"
            row = figures[str(size)] = {"seconds": [], "private_mib": []}
            for turn in range(3):
                state = pathlib.Path(folder) / f"{size}-{turn}"
                config.write_text(f"state: {state}\nuser: root\nupstreams: [\"127.0.0.1:5300\"]\n"
                                  "categories: {bench: {title: Benchmark}}\n"
                                  "groups: {all: {subnets: [127.0.0.0/8], deny: [bench]}}\n")
                begun, most = time.monotonic(), 0
                importing = subprocess.Popen([COMMAND, "--config", config, "lists", "import", "--category", "bench",
                                              "--reason", "benchmark", list_file],
                                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                while importing.poll() is None:
                    most = max(most, private_kib(importing.pid))
                    time.sleep(0.005)
                row["seconds"].append(time.monotonic() - begun)
                row["private_mib"].append(most / 1024)
                if importing.returncode:
                    sys.exit(importing.stderr.read())
                shutil.rmtree(state)
            print(f"compile, {size} names: {min(row['seconds']):.2f} s, at most {max(row['private_mib']):.0f} MiB private")
    keep("compile", figures)


def pages_drop(folder):
    """The store's pages leave the page cache, as after a boot."""
    for path in folder.glob("state/lists/*.mdb"):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start_seconds(folder, port, blocked):
    """From the program's start to the first right answer, asked every two milliseconds."""
    from versus import ask
    binary = ROOT / "build" / "release" / "bin" / "chalkgated"
    with open(folder / "output.log", "wb") as log:
        begun = time.monotonic()
        process = subprocess.Popen(["taskset", "-c", "1", binary, "--config", folder / "config.yaml"],
                                   stdout=log, stderr=log)
        while ask(port, blocked, timeout=0.002) != 3:
            if time.monotonic() - begun > 60 or process.poll() is not None:
                sys.exit(f"did not start: {(folder / 'output.log').read_text()}")
        took = time.monotonic() - begun
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    return took


def measure_start(args):
    figures = {}
    with bench_ground() as work:
        for size in (1_000_000, 5_000_000):
            list_file = args.data / f"list-{size}.txt"
            with Resolver(list_file, work / str(size)) as resolver:
                resolver.ready(last_line(list_file))
            row = figures[str(size)] = {"warm_s": [], "cold_s": []}
            for _ in range(7):
                row["warm_s"].append(start_seconds(work / str(size), PORT, last_line(list_file)))
                pages_drop(work / str(size))
                row["cold_s"].append(start_seconds(work / str(size), PORT, last_line(list_file)))
            print(f"start, {size} names: {statistics.median(row['warm_s']) * 1e3:.0f} ms warm, "
                  f"{statistics.median(row['cold_s']) * 1e3:.0f} ms cold")
    keep("start", figures)


def measure_adopt(args):
    """Seconds of load; in every fourth of them a rollback puts another generation in force."""
    size, seconds = 1_000_000, {"before": [], "adopting": [], "after": []}
    list_file = args.data / f"list-{size}.txt"
    with bench_ground() as work, Resolver(list_file, work / "state") as resolver:
        resolver.ready(last_line(list_file))
        (work / "more.txt").write_text("one-more.example\n")
        resolver.command("lists", "import", "--category", "bench", "--allow-shrink", "--reason", "benchmark",
                         work / "more.txt")
        queries = args.data / f"school-{size}.q"
        blast(work, PORT, queries, 3, 16)
        for turn in range(8):
            for phase in ("before", "adopting", "after"):
                if phase == "adopting":
                    other = subprocess.Popen(
                        ["sh", "-c", 'sleep 0.4; exec "$@"', "sh", str(COMMAND), "--config",
                         str(work / "state" / "config.yaml"), "lists", "rollback", "--reason", "benchmark", str(1 + turn % 2)],
                        stdout=subprocess.DEVNULL)
                got = blast(work, PORT, queries, 1, 16)
                seconds[phase].append(got)
                if phase == "adopting" and other.wait():
                    sys.exit("the rollback failed")
    for phase, rows in seconds.items():
        print(f"{phase}: p99 {statistics.median(r['p99_us'] for r in rows):.0f} µs, "
              f"{sum(r['lost'] for r in rows)} of {sum(r['answered'] for r in rows)} lost")
    keep("adopt", seconds)


def measure_latency(args):
    """At half of what each server answers when it is saturated, evenly paced; a question's time counts from when it was due."""
    from peers import PEERS as SETUPS, PROGRAM
    from versus import Server
    size, figures = 1_000_000, {}
    list_file, queries = args.data / f"list-{size}.txt", args.data / "hot.q"
    with bench_ground() as work:
        for name in [p for p in args.peers.split(",") if p != "floor"] + ["chalkgate"]:
            folder = work / name
            folder.mkdir()
            if name == "chalkgate":
                argv = ["sh", HERE / "serve.sh", list_file, PORT, UPSTREAM, 1, folder]
            elif shutil.which(PROGRAM[name]):
                argv = SETUPS[name](folder, list_file, PORT, UPSTREAM, 1)
            else:
                continue
            server = Server(name, argv, PORT, folder, "1")
            if server.wait_ready(last_line(list_file), "google.com", 900) is None:
                print(f"{name}: not ready", file=sys.stderr)
            else:
                blast(work, PORT, queries, 2, 16, True)
                full = blast(work, PORT, queries, 3, 16, True)
                half = full["answered"] / full["seconds"] / 2
                runs = [paced(PORT, queries, 5, half) for _ in range(3)]
                figures[name] = {"full_qps": 2 * half, "runs": runs}
                best = min(runs, key=lambda r: r["p99_us"])
                print(f"{name}: half of {2 * half:.0f} queries a second: p50 {best['p50_us']}, p99 {best['p99_us']}, "
                      f"p99.9 {best['p999_us']} µs, {sum(r['lost'] for r in runs)} lost")
            server.stop()
    keep("latency", figures)


def month_ready(folder):
    """The segments of four weeks, a million denials on each school day; makes them where there are none."""
    if not list(folder.glob("denials/*.mdb")):
        lists = SHARED.parent / "data" / "ut1"
        yesterday = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86400))
        folder.mkdir(parents=True, exist_ok=True)
        run(PROGRAMS / "make-month", folder, 10200, lists if lists.is_dir() else "", 28, yesterday)
    return sorted(folder.glob("denials/*.mdb"))


def dnsperf(work, queries, seconds, rate=None):
    """What one client thread sees of the server: questions, and the latencies in ms of those that were answered."""
    with open(work / "dnsperf.out", "w+", encoding="utf-8") as out:
        subprocess.run(["taskset", "-c", "0", "dnsperf", "-s", "127.0.0.1", "-p", str(PORT), "-d", queries, "-c", "4", "-T", "1",
                        "-l", str(seconds), *(["-Q", str(rate), "-v"] if rate else [])],
                       stdout=out, stderr=subprocess.DEVNULL, check=True)
        out.seek(0)
        taken, told = [], []
        for line in out:
            if line.startswith("> "):
                taken.append(float(line.rsplit(" ", 1)[1]) * 1000)
            else:
                told.append(line)
    taken.sort()
    number = {key: float(re.search(rf"Queries {key}:\s+([\d.]+)", "".join(told))[1]) for key in ("sent", "lost", "per second")}
    at = {name: taken[min(len(taken) - 1, int(len(taken) * share))] for name, share in
          (("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("worst_ms", 1))} if taken else {}
    return {"sent": int(number["sent"]), "lost": int(number["lost"]), "per_second": number["per second"]} | at


class Searches:
    """Searches and a day's report, one after the other and again, until the block ends; how long each took."""

    def __init__(self, commands, cpus):
        self.commands, self.cpus, self.seconds = commands, cpus, {name: [] for name in commands}
        self.ended, self.fault, self.thread = threading.Event(), None, threading.Thread(target=self.go)

    def go(self):
        try:
            while not self.ended.is_set():
                for name, command in self.commands.items():
                    begun = time.monotonic()
                    subprocess.run(["taskset", "-c", self.cpus, *map(str, command)], stdout=subprocess.DEVNULL, check=True)
                    self.seconds[name].append(time.monotonic() - begun)
        except subprocess.CalledProcessError as fault:
            self.fault = fault

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.fault:
            sys.exit(f"a search failed: {self.fault}")


def search_commands(resolver, segments):
    """By the device that was refused most on the last school day, and by a site of the upper quarter of it, over all days; and its report."""
    days = [path.stem for path in segments]
    day = [one for one in days if time.strptime(one, "%Y-%m-%d").tm_wday < 5][-1]
    report = json.loads(resolver.command("report", "--day", day, "--format", "json"))
    command = [COMMAND, "--config", resolver.folder / "config.yaml"]
    since = [*command, "denials", "--since", f"{days[0]}T00:00"]
    return {"by client": [*since, "--client", report["devices"][0]["name"]],
            "by name": [*since, "--name", report["names"][len(report["names"]) // 4]["name"]],
            "a day's report": [*command, "report", "--day", day, "--format", "html"]}


def measure_search_under_load(args):
    """In turns: the resolver alone at half of what it can answer, and beside searches that run where the system lets
    them, and then on the resolver's own processor, which is the worst that can be."""
    size, figures = 1_000_000, {"rounds": [], "searches": {}}
    list_file, queries = args.data / f"list-{size}.txt", args.data / f"school-{size}.q"
    places = {"alone": None, "beside searches": "0-1", "searches on the same processor": "1"}
    segments = month_ready(args.month)
    with bench_ground() as work:
        state = work / "bench" / "state"
        shutil.copytree(args.month, state)
        with Resolver(list_file, work / "bench") as resolver:
            resolver.ready(last_line(list_file))
            commands = search_commands(resolver, segments)
            dnsperf(work, queries, 3)
            figures["peak"] = statistics.median(dnsperf(work, queries, 4)["per_second"] for _ in range(3))
            for _ in range(args.rounds):
                row = {}
                for place, cpus in places.items():
                    with Searches(commands, cpus) if cpus else contextlib.nullcontext() as searches:
                        row[place] = dnsperf(work, queries, 12, int(figures["peak"] / 2))
                    for name, taken in searches.seconds.items() if cpus else ():
                        figures["searches"].setdefault(place, {}).setdefault(name, []).extend(taken)
                figures["rounds"].append(row)
    print(f"half of {figures['peak']:.0f} questions a second")
    for place in places:
        rows = [row[place] for row in figures["rounds"]]
        print(f"{place}: {sum(r['lost'] for r in rows)} of {sum(r['sent'] for r in rows)} lost, " +
              ", ".join(f"{name} {statistics.median(r[key] for r in rows):.2f} ms" for name, key in
                        (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"), ("worst", "worst_ms"))))
        for name, taken in figures["searches"].get(place, {}).items():
            print(f"    {name}: {statistics.median(taken):.2f} s ({len(taken)} times, {max(taken):.2f} s at most)")
    keep("search-under-load", figures)


def measure_threads(args):
    from versus import cpu_seconds
    size, figures = 1_000_000, {}
    list_file = args.data / f"list-{size}.txt"
    with bench_ground() as work:
        for threads in (1, 2):
            with Resolver(list_file, work / "state", threads=threads, cpus="0-1") as resolver:
                resolver.ready(last_line(list_file))
                blast(work, PORT, args.data / "hot.q", 2, 64, pinned=False)
                for _ in range(5):
                    for scenario in ("hot", f"deny-{size}"):
                        before = cpu_seconds(resolver.pid)
                        got = blast(work, PORT, args.data / f"{scenario}.q", 1.5, 64, pinned=False)
                        got["cpu_us"] = 1e6 * (cpu_seconds(resolver.pid) - before) / got["answered"]
                        figures.setdefault(f"{scenario.split('-')[0]} {threads}", []).append(got)
    for what, rows in figures.items():
        print(f"{what} worker(s): {min(r['cpu_us'] for r in rows):.2f} µs a query, "
              f"{max(r['answered'] / r['seconds'] for r in rows):.0f} queries a second")
    paths = [{row["what"].split(",")[0]: row["least_ns"]
              for row in json_lines(run(PROGRAMS / "bench-query", "--names", size, "--workers", threads, "--json"))}
             for threads in (1, 2)]
    for what, alone in paths[0].items():
        print(f"{what}: {alone:.0f} ns by one worker, {paths[1][what]:.0f} by two: × {alone / paths[1][what]:.2f}")
    keep("threads", {"server": figures, "paths": paths})


def growth_names(work, names):
    from versus import memory_mib
    list_file, folder = work / f"list-{names}.txt", work / f"state-{names}"
    list_make(list_file, names)
    blocked, queries = last_line(list_file), work / "listed.q"
    with open(list_file, encoding="ascii") as lines, open(queries, "w", encoding="ascii") as out:
        step = max(1, names // 100_000)
        out.writelines(f"{line.strip()} A\n" for i, line in enumerate(lines) if i % step == 0)
    with Resolver(list_file, folder) as resolver:
        compiled = resolver.ready(blocked, 900)
        for _ in range(3):
            blast(work, PORT, queries, 1, 16, True)
        resident, private = memory_mib(resolver.pid)
    store = max(folder.glob("state/lists/*.mdb"), key=lambda p: p.stat().st_size).stat().st_size
    starts = [start_seconds(folder, PORT, blocked) for _ in range(5)]
    shutil.rmtree(folder)
    list_file.unlink()
    return {"names": names, "import_s": compiled, "store_bytes": store, "start_s": min(starts),
            "resident_mib": resident, "private_mib": private}


def growth_query(**options):
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    rows = json_lines(run(PROGRAMS / "bench-query", "--json", *arguments))
    return {row["what"]: row["least_ns"] for row in rows}


def measure_growth(args):
    figures = {"names": [], "clients": [], "groups": []}
    with bench_ground() as work:
        for names in (100_000, 1_000_000, 5_000_000, 20_000_000):
            row = growth_names(work, names) | growth_query(names=names)
            figures["names"].append(row)
            print(f"{names} names: {row['store_bytes'] / names:.1f} octets a name, start {row['start_s'] * 1e3:.0f} ms, "
                  f"{row['private_mib']:.1f} MiB private, look-up {row['look-up']:.0f} ns, deny {row['deny']:.0f} ns")
    for clients in (1_000, 10_000, 100_000, 1_000_000):
        row = {"clients": clients} | growth_query(names=1_000_000, clients=clients)
        figures["clients"].append(row)
        print(f"{clients} clients: judge {row['judge']:.0f} ns, deny {row['deny']:.0f} ns, hit {row['hit']:.0f} ns")
    for groups in (10, 100, 1_000, 10_000):
        row = {"groups": groups} | growth_query(names=1_000_000, groups=groups, clients=100_000)
        figures["groups"].append(row)
        print(f"{groups} groups: world built in {row['world'] / 1e6:.1f} ms, {row['world-octets'] / 1024:.0f} KiB, "
              f"judge {row['judge']:.0f} ns, deny {row['deny']:.0f} ns")
    keep("growth", figures)


def main():
    parts = {name[8:].replace("_", "-"): part for name, part in globals().items() if name.startswith("measure_")}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=[*parts, "readme"])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--peers", default=PEERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 5_000_000], help="of versus: how many names")
    parser.add_argument("--month", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "chalkgate-month")
    args = parser.parse_args()
    sys.path.insert(0, str(SHARED))
    if args.parts != ["readme"]:
        build()
    if args.data:
        args.data = args.data.resolve()
    for part in args.parts:
        if part == "readme":
            run(sys.executable, HERE / "tables.py")
        else:
            parts[part](args)


if __name__ == "__main__":
    main()
