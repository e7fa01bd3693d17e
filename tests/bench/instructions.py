#!/usr/bin/env python3
"""Counts the instructions of each path of a question and holds them against instructions.txt.

    instructions.py            fails when a path takes over 5 % more than the figure says
    instructions.py --update   writes the figures anew: in the commit that changes them, with its reason

callgrind's counts repeat exactly whatever else runs on the machine, so a figure says what a change
costs where nanoseconds cannot. They hold for one compiler and C library; with others the test says
so and is skipped.
"""
import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "release-tests"
FIGURES = HERE / "instructions.txt"
PATHS = ["parse", "look-up", "judge", "recall", "record", "deny", "deny-edns", "hit", "miss"]
NAMES, QUESTIONS = 5000, 4000
GROWTH = 1.05

HEAD = """# Instructions a question by path, counted by callgrind: instructions.py checks and --update writes them.
# {names} names on the list, mean of {questions} questions.
compiler {compiler}
"""


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def build():
    """The benchmark as it is released: the figures are of that, whatever build runs the tests."""
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    for command in (["cmake", "--preset", "release-tests", *launcher],
                    ["cmake", "--build", str(BUILD), "--target", "bench-query"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def compiler():
    cache = (BUILD / "CMakeCache.txt").read_text()
    program = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", cache, re.M).group(1)
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return f"{version.splitlines()[0]}, {' '.join(platform.libc_ver())}, {platform.machine()}"


def count(path, folder):
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/{path}",
               "--collect-atstart=no", "--toggle-collect=measured_run",
               str(BUILD / "tests" / "bench-query"), "--names", str(NAMES), "--once", str(QUESTIONS), "--path", path]
    # The C library's plainest functions, so that the processor's model makes no difference.
    environment = {**os.environ, "TMPDIR": folder,
                   "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return int(collected.group(1)) / QUESTIONS


def figures_read():
    lines = [line for line in FIGURES.read_text().splitlines() if line and not line.startswith("#")]
    return lines[0].removeprefix("compiler "), {path: float(value) for path, value in map(str.split, lines[1:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        skip("valgrind is not installed, so instructions cannot be counted")
    build()
    ours = compiler()
    if not args.update:
        theirs, figures = figures_read()
        if theirs != ours:
            skip(f"the figures are of {theirs}; this is {ours}")
    with tempfile.TemporaryDirectory() as folder:
        counts = {path: count(path, folder) for path in PATHS}
    if args.update:
        FIGURES.write_text(HEAD.format(names=NAMES, questions=QUESTIONS, compiler=ours) +
                           "".join(f"{path:10} {value:8.1f}\n" for path, value in counts.items()))
        print(FIGURES.read_text(), end="")
        return 0
    failed = False
    for path, value in counts.items():
        if path not in figures:
            sys.exit(f"{FIGURES.name} has no figure for {path}; please run instructions.py --update")
        ratio = value / figures[path]
        grown = ratio > GROWTH
        failed |= grown
        note = " grown by more than 5 %" if grown else " cheaper than the figure" if ratio < 1 / GROWTH else ""
        print(f"{path:10} {value:8.1f} was {figures[path]:8.1f} {100 * (ratio - 1):+6.2f} %{note}")
    if failed:
        print("If that is worth its price, please say so in the commit and run instructions.py --update.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
