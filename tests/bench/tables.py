#!/usr/bin/env python3
"""Writes the figures of results/*.json into README.md, between its marks, and draws growth.svg.

A mark is a pair of lines `<!-- NAME -->` and `<!-- end -->`; what stands between them is made here.
"""
import json
import pathlib
import re
import statistics

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results"
SCENARIOS = ("deny", "hot", "school", "miss")
GOALS = {"deny": "1.2", "hot": "1.2", "school": "1.3", "miss": "2.6"}  # × floor: the design notes
TITLES = {"floor": "floor", "subject": "**Chalkgate**", "unbound": "Unbound, RPZ", "dnsdist": "dnsdist",
          "kresd": "Knot Resolver, RPZ", "dnsmasq": "dnsmasq", "recursor": "PowerDNS Recursor, RPZ",
          "named": "BIND, RPZ", "pihole": "Pi-hole", "chalkgate": "**Chalkgate**"}


def read(name):
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def origin(result):
    return ["", f"Commit {result['commit']}, {result['processor']}, Linux {result['kernel']}."]


def versus(size):
    result = read(f"versus-{size}")
    if not result:
        return []
    servers = result["figures"]
    floor = servers["floor"]["deny.cpu_us"]
    rows = []
    for name, row in servers.items():
        median = {key: statistics.median(values) for key, values in row.items()}
        cells = [TITLES.get(name, name)]
        cells += ["–"] * 3 if name == "floor" else [
            f"{median['ready_s']:.1f}", f"{median['pss_mib']:.0f} ({median['anon_mib']:.0f})",
            f"{median['school.p50_us']:.0f} / {median['school.p99_us']:.0f}"]
        for scenario in SCENARIOS:
            key = f"{scenario}.cpu_us"
            cells.append("" if key not in row else
                         f"{median[key]:.2f} · {median[key] / statistics.median(floor):.2f} "
                         f"({min(row[key]) / min(floor):.2f})")
        rows.append(cells)
    head = ["server", "ready s", "memory MiB (private)", "school p50 / p99 µs"]
    return table(head + [f"{scenario}: µs · ratio (least)" for scenario in SCENARIOS], rows) + origin(result)


def goals(size):
    """By the medians of all slices, and by rounds, in each of which ours follows floor at once."""
    result = read(f"goals-{size}")
    if not result:
        return []
    ours, floor = result["figures"]["subject"], result["figures"]["floor"]["deny.cpu_us"]
    rounds = len(result["figures"]["subject"]["ready_s"])
    rows = []
    for scenario in SCENARIOS:
        values = ours[f"{scenario}.cpu_us"]
        ratios = sorted(of_round(values, i, rounds) / of_round(floor, i, rounds) for i in range(rounds))
        rows.append([scenario, GOALS[scenario], f"{statistics.median(values):.2f}",
                     f"**{statistics.median(values) / statistics.median(floor):.2f}**", f"{min(values) / min(floor):.2f}",
                     f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"])
    return [f"Floor: {statistics.median(floor):.2f} µs by the median of {len(floor)} slices, {min(floor):.2f} to {max(floor):.2f}.",
            ""] + table(["scenario", "goal", "µs", "ratio by medians", "by least values",
                         f"by round: median of {rounds} (lowest to highest)"], rows) + origin(result)


def of_round(values, i, rounds):
    slices = len(values) // rounds
    return statistics.median(values[i * slices:(i + 1) * slices])


def micro():
    result = read("micro")
    if not result:
        return []
    figures = result["figures"]
    rows = []
    for million in (1, 5):
        size = million * 1_000_000
        for row in figures[f"query {size}"] + figures[f"lookup {size}"]:
            if row["what"] not in ("world", "world-octets"):
                rows.append([row["what"], f"{million} M", f"{row['least_ns']:.0f}", f"{row['median_ns']:.0f}",
                             f"{row['heap_calls']:.0f}"])
    return table(["operation", "names", "least ns", "median ns", "heap calls"], rows) + [
        "", *(f"    {line}" for line in figures["journal"])] + origin(result)


def compile_():
    result = read("compile")
    if not result:
        return []
    rows = [[f"{int(size):,}", f"{min(row['seconds']):.2f} / {statistics.median(row['seconds']):.2f}",
             f"{max(row['private_mib']):.0f}"] for size, row in result["figures"].items()]
    return table(["names", "seconds (least / median)", "most private memory, MiB"], rows) + origin(result)


def start():
    result = read("start")
    if not result:
        return []
    rows = [[f"{int(size):,}", f"{min(row['warm_s']) * 1e3:.0f} / {statistics.median(row['warm_s']) * 1e3:.0f}",
             f"{min(row['cold_s']) * 1e3:.0f} / {statistics.median(row['cold_s']) * 1e3:.0f}"]
            for size, row in result["figures"].items()]
    return table(["names", "page cache warm, ms (least / median)", "page cache cold, ms"], rows) + origin(result)


def adopt():
    result = read("adopt")
    if not result:
        return []
    rows = [[{"before": "the second before", "adopting": "the second of the adoption", "after": "the second after"}[phase],
             f"{statistics.median(r['p50_us'] for r in runs):.0f}", f"{statistics.median(r['p99_us'] for r in runs):.0f}",
             f"{max(r['p999_us'] for r in runs):.0f}",
             f"{statistics.median(r['answered'] / r['seconds'] for r in runs):,.0f}", sum(r["lost"] for r in runs)]
            for phase, runs in result["figures"].items()]
    return table(["", "p50 µs", "p99 µs", "worst p99.9 µs", "answers a second", "lost"], rows) + origin(result)


def latency():
    result = read("latency")
    if not result:
        return []
    rows = []
    for name, row in result["figures"].items():
        runs = row["runs"]
        rows.append([TITLES.get(name, name), f"{row['full_qps']:,.0f}",
                     f"{statistics.median(r['answered'] / r['seconds'] for r in runs):,.0f}",
                     f"{sum(r['lost'] for r in runs):,}"] +
                    [f"{statistics.median(r[key] for r in runs):.0f} ({min(r[key] for r in runs):.0f})"
                     for key in ("p50_us", "p99_us", "p999_us")])
    return table(["server", "saturated, queries a second", "then", "lost", "p50 µs (least)", "p99 µs", "p99.9 µs"],
                 rows) + origin(result)


def search_under_load():
    result = read("search-under-load")
    if not result:
        return []
    rounds, searches = result["figures"]["rounds"], result["figures"]["searches"]
    rows = []
    for place in rounds[0]:
        runs = [row[place] for row in rounds]
        times = [f"{statistics.median(taken):.2f} ({max(taken):.2f})" for taken in searches.get(place, {}).values()]
        rows.append([place, f"{sum(r['sent'] for r in runs):,}", sum(r["lost"] for r in runs)] +
                    [f"{statistics.median(r[key] for r in runs):.2f} ({min(r[key] for r in runs):.2f})"
                     for key in ("p50_ms", "p99_ms", "p999_ms")] + (times or ["–"] * 3))
    head = ["", "questions", "lost", "p50 ms (least)", "p99 ms", "p99.9 ms"]
    return table(head + ["by client, s (most)", "by name, s", "a day's report, s"], rows) + [
        "", f"Half of {result['figures']['peak']:,.0f} questions a second."] + origin(result)


def threads():
    result = read("threads")
    if not result:
        return []
    rows = [[what, f"{statistics.median(r['cpu_us'] for r in runs):.2f} ({min(r['cpu_us'] for r in runs):.2f})",
             f"{max(r['answered'] / r['seconds'] for r in runs):,.0f}"]
            for what, runs in result["figures"]["server"].items()]
    one, two = result["figures"]["paths"]
    ways = [[what, f"{one[what]:.0f}", f"{two[what]:.0f}", f"{one[what] / two[what]:.2f}"]
            for what in ("deny", "deny-edns", "hit", "miss")]
    return (table(["the whole way, without sockets", "ns a question, one worker", "two workers", "times as many"], ways) + [""] +
            table(["scenario, workers", "µs of processor time a query (least)", "best answers a second"],
                  rows) + origin(result))


def growth():
    result = read("growth")
    if not result:
        return []
    figures = result["figures"]
    lines = table(["names", "store MiB", "octets a name", "start ms", "resident MiB (private)", "look-up ns", "deny ns"],
                  [[f"{r['names']:,}", f"{r['store_bytes'] / 2**20:.1f}", f"{r['store_bytes'] / r['names']:.1f}",
                    f"{r['start_s'] * 1e3:.0f}", f"{r['resident_mib']:.0f} ({r['private_mib']:.1f})",
                    f"{r['look-up']:.0f}", f"{r['deny']:.0f}"] for r in figures["names"]])
    lines += ["", *table(["clients", "judge ns", "deny ns", "hit ns"],
                         [[f"{r['clients']:,}", f"{r['judge']:.0f}", f"{r['deny']:.0f}", f"{r['hit']:.0f}"]
                          for r in figures["clients"]])]
    lines += ["", *table(["groups", "world built ms", "world KiB", "judge ns", "deny ns"],
                         [[f"{r['groups']:,}", f"{r['world'] / 1e6:.1f}", f"{r['world-octets'] / 1024:.0f}",
                           f"{r['judge']:.0f}", f"{r['deny']:.0f}"] for r in figures["groups"]])]
    (HERE / "growth.svg").write_text(chart(figures))
    return lines + origin(result)


def panel(x, title, points, unit):
    """One line of a chart: values over what grows by tens, from zero."""
    width, height, left, top = 230, 120, x + 46, 40
    most = max(value for _, value in points) * 1.15
    step = width / (len(points) - 1)
    places = [(left + i * step, top + height * (1 - value / most)) for i, (_, value) in enumerate(points)]
    parts = [f'<text x="{left}" y="{top - 18}" font-weight="bold">{title}</text>',
             f'<path d="M{left} {top}V{top + height}H{left + width}" stroke="#888" fill="none"/>',
             f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in places)}" stroke="#1f6f8b" '
             'stroke-width="2" fill="none"/>']
    for (label, value), (a, b) in zip(points, places):
        text = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
        parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="#1f6f8b"/>'
                     f'<text x="{a:.1f}" y="{b - 7:.1f}" text-anchor="middle">{text}</text>'
                     f'<text x="{a:.1f}" y="{top + height + 16}" text-anchor="middle" fill="#555">{label}</text>')
    parts.append(f'<text x="{left - 6}" y="{top + 4}" text-anchor="end" fill="#555">{unit}</text>')
    return "".join(parts)


def short(number):
    return f"{number // 1_000_000} M" if number >= 1_000_000 else f"{number // 1000} k" if number >= 1000 else str(number)


def chart(figures):
    names, clients, groups = figures["names"], figures["clients"], figures["groups"]
    rows = [
        [("names: store", "MiB", [(short(r["names"]), r["store_bytes"] / 2**20) for r in names]),
         ("names: private memory", "MiB", [(short(r["names"]), r["private_mib"]) for r in names]),
         ("names: start", "ms", [(short(r["names"]), r["start_s"] * 1e3) for r in names])],
        [("names: deny, the whole way", "ns", [(short(r["names"]), r["deny"]) for r in names]),
         ("clients: deny, the whole way", "ns", [(short(r["clients"]), r["deny"]) for r in clients]),
         ("groups: world built", "ms", [(short(r["groups"]), r["world"] / 1e6) for r in groups])],
    ]
    body = "".join(f'<g transform="translate(0 {200 * i})">' +
                   "".join(panel(300 * j, *(title, points, unit)) for j, (title, unit, points) in enumerate(row)) + "</g>"
                   for i, row in enumerate(rows))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 400" font-family="sans-serif" font-size="11">'
            f'<rect width="920" height="400" fill="#fff"/>{body}</svg>\n')


def main():
    makers = {"versus-1000000": lambda: versus(1_000_000), "versus-5000000": lambda: versus(5_000_000),
              "goals-1000000": lambda: goals(1_000_000), "goals-5000000": lambda: goals(5_000_000),
              "micro": micro, "compile": compile_, "start": start, "adopt": adopt, "latency": latency, "threads": threads,
              "search-under-load": search_under_load,
              "growth": growth}
    path = HERE / "README.md"
    text = path.read_text()
    for name, make in makers.items():
        lines = make()
        if lines:
            text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)",
                          lambda mark: mark.group(1) + "\n" + "\n".join(lines) + "\n\n" + mark.group(2), text, flags=re.S)
    path.write_text(text)


if __name__ == "__main__":
    main()
