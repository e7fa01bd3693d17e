#!/usr/bin/env python3
"""Proves that includes point down the layers, and that each dependency has one door.

The layers are those of the folders below; a file may include headers of its own folder and of any lower
layer. Folders of layer 3 do not see each other. The doors say which files may include a library's headers.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

LAYERS = {
    "blocklists": 0,
    "resolver/base": 1,
    "resolver/devices": 2,
    "resolver/dns": 2,
    "resolver/config": 2,
    "resolver/policy": 3,
    "resolver/cache": 3,
    "resolver/upstream": 3,
    "resolver/denials": 3,
    "resolver/query": 4,
    "resolver/net": 5,
    "resolver/export": 6,   # to collectors; speaks TLS by net/tls.h
    "resolver/control": 7,  # tells the workers of net what changed
    "resolver": 8,          # main.c
    "tools": 5,             # layers 0 to 4, and nothing of the daemon's
    "tests": 9,
}

# Header pattern -> (pattern of files that may include it, why).
DOORS = [
    (r"uv\.h", r"resolver/net/.*", "one folder sees libuv"),
    (r"yaml\.h", r"resolver/config/[^/]*\.c", "one folder reads YAML, in one file"),
    (r"openssl/(ssl|x509.*|err|bio)\.h", r"resolver/net/tls\.[ch]", "one file speaks TLS"),
    (r"curl/.*", r"blocklists/[^/]*\.c", "one file fetches"),
    (r"archive(_entry)?\.h", r"blocklists/[^/]*\.c|tools/(backup|restore)\.c",
     "one file opens archives of lists; backups are archives too"),
    (r"fstrm\.h|.*\.pb-c\.h", r"resolver/export/[^/]*\.c", "one folder speaks dnstap"),
    (r"idn2\.h", r"blocklists/name\.c", "one file turns names into A-labels"),
    (r"sys/capability\.h|seccomp\.h", r"resolver/[^/]*\.c|resolver/net/[^/]*\.c|resolver/control/[^/]*\.c",
     "only the daemon drops privileges"),
    (r"ldns/.*", r"(blocklists|resolver/dns)/[^/]*\.c", "text and zones through ldns, never the packet path"),
]

# Libraries that may have one door only: how many files may include them.
SINGLE = [(r"yaml\.h", 1), (r"curl/curl\.h", 1), (r"archive\.h", 3), (r"idn2\.h", 1), (r"openssl/ssl\.h", 1)]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    for folder in sorted(LAYERS, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def files():
    for folder in ("blocklists", "resolver", "tools", "tests"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def project_fault(path, included):
    if not (ROOT / included).is_file():
        if (ROOT / path).parent.joinpath(included).is_file() and path.startswith("tests/"):
            return None
        return f'"{included}" is not a path from the project\'s root'
    mine, theirs = folder_of(path), folder_of(included)
    if mine == theirs:
        return None
    if LAYERS[theirs] < LAYERS[mine]:
        return None
    return f'{mine} (layer {LAYERS[mine]}) must not see {theirs} (layer {LAYERS[theirs]}): "{included}"'


def main():
    faults, doors, count = [], {}, 0
    for path, text in files():
        for match in INCLUDE.finditer(text):
            count += 1
            quote, included = match.groups()
            line = text.count("\n", 0, match.start()) + 1
            fault = None
            if quote == '"':
                fault = project_fault(path, included)
            elif not path.startswith("tests/"):
                for header, door, why in DOORS:
                    if re.fullmatch(header, included) and not re.fullmatch(door, path):
                        fault = f"<{included}> belongs to {door}: {why}"
                for header, _ in SINGLE:
                    if re.fullmatch(header, included):
                        doors.setdefault(header, set()).add(path)
            if fault:
                faults.append(f"{path}:{line}: {fault}")
    for header, most in SINGLE:
        seen = doors.get(header, set())
        if len(seen) > most:
            faults.append(f"<{header}> is included by {len(seen)} files, at most {most} may: {', '.join(sorted(seen))}")
    for fault in faults:
        print(fault)
    print(f"{count} includes looked at, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
