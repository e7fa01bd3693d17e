#!/usr/bin/env python3
"""Sums up a run of ctest: what failed, what was skipped and why, and the counts on the last line.

    summary.py RESULTS TMPDIR [--quick]

What the tests left behind in TMPDIR counts as a failure, too.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

SKIP = re.compile(r"^\s*SKIP: *(.+?)\s*$", re.M)


def reasons_of(case):
    output = case.findtext("system-out") or ""
    return SKIP.findall(output)


def main():
    try:
        cases = list(xml.parse(sys.argv[1]).getroot().iter("testcase"))
    except (OSError, xml.ParseError) as fault:
        print(f"There is no record of the run: {fault}")
        print("0 passed, 1 failed")
        return 1
    passed, failed, skipped, partly = [], [], [], []
    for case in sorted(cases, key=lambda case: case.get("name")):
        name, reasons = case.get("name"), reasons_of(case)
        if case.find("skipped") is not None and case.get("status") != "fail":
            skipped.append((name, reasons or ["no reason given"]))
        elif case.get("status") == "run":
            passed.append(name)
            if reasons:
                partly.append((name, reasons))
        else:
            failed.append(name)
    left = sorted(one.name for one in pathlib.Path(sys.argv[2]).iterdir())
    if left:
        failed.append("what the tests left behind in the temporary folder, named above")
    print()
    for name in left:
        print(f"Left behind: {name}")
    if "--quick" in sys.argv:
        print("Left out for --quick: tests that take more than a few seconds.")
    for name, reasons in partly:
        for reason in reasons:
            print(f"In part: {name}: {reason}")
    for name, reasons in skipped:
        for reason in reasons:
            print(f"Skipped: {name}: {reason}")
    for name in failed:
        print(f"Failed:  {name}")
    more = f", {len(skipped)} skipped" if skipped else ""
    print(f"{len(passed)} passed, {len(failed)} failed{more}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
