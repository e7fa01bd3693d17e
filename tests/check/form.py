#!/usr/bin/env python3
"""The form that every file of the project has: what a reader would stumble over, found before they do."""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ITSELF = "tests/check/form.py"

# Words that mark unfinished work, and paths of one person's machine.
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE_PATH = re.compile(r"/(home|Users|root|work)/[A-Za-z0-9_.-]+/|/tmp/wt\b|/work/(main|shared)\b")
BINARY = {".png", ".gz", ".zip", ".xz", ".zst", ".bin", ".mdb", ".ico", ".tar", ".bz2", ".tgz"}


def tracked():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                         check=True, capture_output=True).stdout
    names = sorted({name.decode() for name in out.split(b"\0") if name})
    return [name for name in names if (ROOT / name).is_file()]


def is_text(name):
    path = pathlib.PurePosixPath(name)
    return path.suffix not in BINARY and "corpus" not in path.parts and "data" not in path.parts


def lines_of(name):
    try:
        return (ROOT / name).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        return None


def faults_of_text(name):
    lines = lines_of(name)
    if lines is None:
        return [f"{name}: not UTF-8"]
    faults = []
    code = name.endswith((".c", ".h"))
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        if line.rstrip() != line and not name.endswith(".md"):
            faults.append(f"{where}: space at the end of the line")
        if code and "\t" in line:
            faults.append(f"{where}: a tab")
        if UNFINISHED.search(line) and not name.endswith(".md"):
            faults.append(f"{where}: unfinished: {line.strip()}")
        if MACHINE_PATH.search(line):
            faults.append(f"{where}: a path of one machine: {line.strip()}")
    if lines and lines[-1] != "":
        faults.append(f"{name}:{len(lines)}: no newline at the end")
    return faults


def faults_of_scripts(names):
    scripts = []
    faults = []
    for name in names:
        first = (lines_of(name) or [""])[0] if is_text(name) else ""
        if first.startswith("#!"):
            if not os.access(ROOT / name, os.X_OK):
                faults.append(f"{name}: has #! but is not executable")
            if re.search(r"\b(ba|da)?sh\b", first):
                scripts.append(name)
        elif name.endswith(".sh"):
            scripts.append(name)
    for name in scripts:
        done = subprocess.run(["bash", "-n", name], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            faults.append(done.stderr.strip())
    if scripts:
        done = subprocess.run(["shellcheck", "-x", "-f", "gcc", "-S", "info", *scripts], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        faults += done.stdout.strip().split("\n") if done.stdout.strip() else []
        if done.returncode and not done.stdout.strip():
            faults.append(f"shellcheck: {done.stderr.strip()}")
    return faults


def faults_of_format(names):
    sources = [name for name in names if name.endswith((".c", ".h"))]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    if done.returncode == 0:
        return []
    places = {}
    for name, line in re.findall(r"^(\S+?):(\d+):\d+: error", done.stderr, re.M):
        places.setdefault(name, line)
    return [f"{name}:{line}: clang-format would write this differently; `clang-format -i {name}` does it"
            for name, line in places.items()] or [done.stderr.strip()]


def faults_of_dependencies():
    """Every package that is installed, and every library that is linked, has its line in CONTRIBUTING.md."""
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", '. tools/packages.sh; printf "%s\\n" "${run_packages[@]}" "${demo_packages[@]}" "${build_packages[@]}" '
         '"${test_packages[@]}" "${bench_packages[@]}"'], cwd=ROOT, capture_output=True, text=True, check=True)
    return [f"CONTRIBUTING.md: no line for the package {name}" for name in sorted(set(done.stdout.split()))
            if f"`{name}`" not in told]


def main():
    names = tracked()
    if not names:
        print("no file was found: is this a clone?")
        return 1
    faults = [fault for name in names if is_text(name) and name != ITSELF for fault in faults_of_text(name)]
    faults += faults_of_scripts(names) + faults_of_format(names) + faults_of_dependencies()
    for name in names:
        if name.endswith(".json") and is_text(name):
            try:
                json.loads((ROOT / name).read_text(encoding="utf-8"))
            except ValueError as fault:
                faults.append(f"{name}: {fault}")
    for fault in faults:
        print(fault)
    print(f"{len(names)} files looked at, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
