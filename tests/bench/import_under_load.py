#!/usr/bin/env python3
"""Imports a list while the resolver answers dnsperf at half its measured peak: is a query lost, and what becomes of p99?

    import_under_load.py BIN LIST QUERIES    # build/release-tests/bin, a list of names, a file for dnsperf

One worker; QUERIES should be answered without an upstream (names on the list). Prints what dnsperf saw without and with
the import beside it, and exits with 1 when a query was lost.
"""
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

PORT, SECONDS = 25353, 12


def perf(queries, *more):
    done = subprocess.run(["dnsperf", "-s", "127.0.0.1", "-p", str(PORT), "-d", queries, "-c", "4", "-T", "1", *more],
                          capture_output=True, text=True, check=True)
    lost = int(re.search(r"Queries lost:\s+(\d+)", done.stdout)[1])
    rate = float(re.search(r"Queries per second:\s+([\d.]+)", done.stdout)[1])
    taken = sorted(float(line.rsplit(" ", 1)[1]) for line in done.stdout.splitlines() if line.startswith("> "))
    return lost, rate, taken[len(taken) * 99 // 100] * 1000 if taken else 0.0


def main():
    binaries, names, queries = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with tempfile.TemporaryDirectory(prefix="chalkgate-load-") as folder:
        config = pathlib.Path(folder) / "config.yaml"
        config.write_text(f"listen: ['127.0.0.1:{PORT}']\nworkers: 1\nstate: {folder}/state\nupstreams: ['127.0.0.1:1']\n"
                          "limits: {answers-per-second: 0, in-flight-share: 0}\ncategories: {bench: {}, ground: {}}\n"
                          "groups: {all: {subnets: [127.0.0.0/8], deny: [bench, ground]}}\n", encoding="utf-8")
        command = [binaries / "chalkgate", "--config", config, "lists", "import", "--category"]
        # The names that are asked, so that the same are denied before and after.
        asked = pathlib.Path(folder) / "asked.txt"
        asked.write_text("".join(line.split()[0] + "\n" for line in open(queries, encoding="utf-8")), encoding="utf-8")
        subprocess.run([*command, "ground", asked], check=True, stdout=subprocess.DEVNULL)
        server = subprocess.Popen([binaries / "chalkgated", "--config", config], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            peak = perf(queries, "-l", "5")[1]
            half = ("-Q", str(int(peak / 2)), "-l", str(SECONDS), "-v")
            before = perf(queries, *half)
            begun = time.monotonic()
            importing = subprocess.Popen([*command, "bench", names], stdout=subprocess.DEVNULL)
            beside = perf(queries, *half)
            code = importing.wait()
            print(f"peak {peak:.0f} q/s; half of it for {SECONDS} s:")
            print(f"  alone          {before[1]:.0f} q/s, lost {before[0]}, p99 {before[2]:.2f} ms")
            print(f"  beside import  {beside[1]:.0f} q/s, lost {beside[0]}, p99 {beside[2]:.2f} ms "
                  f"(import ended with {code}, at most {time.monotonic() - begun:.0f} s)")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    sys.exit(1 if before[0] or beside[0] or code else 0)


if __name__ == "__main__":
    main()
