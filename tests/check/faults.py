#!/usr/bin/env python3
"""tests/faults.md speaks the truth: each row names tests, each test is there, and each scenario is in its folder.

    faults.py          checks it
"""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
TABLE = TESTS / "faults.md"
NAME = re.compile(r"\b(scenario|unit|e2e|fuzz)/([\w/]+?)(?::(\w+))?(?=[\s,|])")


def fault_of(kind, path, case):
    """What is wrong with a test's name, or None."""
    file = {"scenario": f"scenario/{path}.scenario", "unit": f"unit/{path}.c", "e2e": f"e2e/{path}.py", "fuzz": f"fuzz/fuzz_{path}.c"}[kind]
    file = TESTS / file
    if not file.exists():
        return f"there is no {file.relative_to(TESTS)}"
    if kind == "e2e" and not case:
        return f"{path}: which of its cases?"
    if case and not re.search(rf"\b(def|void) {case}\(", file.read_text(encoding="utf-8")):
        return f"{file.relative_to(TESTS)} has no {case}"
    return None


def main():
    faults, rows, heads = [], 0, False
    for number, line in enumerate(TABLE.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|"):
            heads = True
            continue
        if heads or set(line) <= set("|- "):
            heads = False
            continue
        rows += 1
        told = NAME.findall(line)
        if not told:
            faults.append(f"{number}: no test is named")
        faults += [f"{number}: {fault}" for one in told if (fault := fault_of(*one))]
    if rows < 60:
        faults.append(f"only {rows} rows were read")
    for fault in faults:
        print(f"tests/faults.md:{fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
