"""Backups taken while the resolver answers, and restored; and files that are no backup."""
import io
import json
import os
import shutil
import tarfile
import time

import lab
from lab import COMMAND, holds, need, need_root, same, wait_for
from upstream import Upstream


def opened(place):
    place.configure()
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    return place.resolver()


def denied(place, resolver):
    same(resolver.ask("www.tracker.example").rcode, "NXDOMAIN", "a listed name")
    wait_for("the denial stored", place.denials)


def moved_on(place):
    """Another generation, after the backup."""
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["play.example"]))


def restored(place, *options):
    told = place.command("restore", *options)
    holds("config.yaml.restored" in told.stdout, f"what became of it: {told.stdout}")
    resolver = place.resolver()
    same(resolver.ask("www.tracker.example").rcode, "NXDOMAIN", "a name of the backup's lists")
    holds(resolver.ask("play.example").rcode != "NXDOMAIN", "a name that came after the backup is not listed")
    return resolver


def test_there_and_back(place):
    resolver = opened(place)
    denied(place, resolver)
    wait_for("it is in the day's segment", lambda: place.json("status")["denials"]["recorded"] == 1, pause=0.2)
    before = place.denials()
    file = place.folder / "school.backup"
    place.command("backup", file)
    same(file.stat().st_mode & 0o077, 0, "others' rights to the backup")
    moved_on(place)
    busy = place.command("restore", file, expect=1)
    holds("is in use" in busy.stderr, f"a running resolver is in the way: {busy.stderr}")
    resolver.stop()
    restored(place, file)
    same([one["case"] for one in place.denials()][:1], [before[0]["case"]], "the record is back")
    holds(list(place.state.glob("before-restore-*/lists")), "what was there before is kept")


def test_every_record_comes_back(place):
    """Totals that outlive their records, what was made safe, counts and allowed questions; keys of pseudonyms do not."""
    upstream = place.enter(Upstream())
    place.configure([f"127.0.0.1:{upstream.port}"], more="recording: {allowed: all, pseudonyms: true}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    denied(place, resolver)
    wait_for("it is in the day's segment", lambda: place.json("status")["denials"]["recorded"] == 1, pause=0.2)
    same(resolver.ask("lesson.example").rcode, "NOERROR", "an allowed question")
    wait_for("allowed questions", lambda: list((place.state / "allowed" / "denials").glob("*.mdb")))
    resolver.stop()
    (place.state / "denials" / "totals").mkdir(exist_ok=True)
    made = {"denials/totals/2025-11-03.json": b'{"format": 1, "day": "2025-11-03", "refused": 7}', "denials/2026-01-05.json": b"[]"}
    for name, text in made.items():
        (place.state / name).write_bytes(text)
    (place.state / ".receipt").write_bytes(b"of records that are not in the backup")
    (place.state / "counts" / ".receipt").write_bytes(b"the same")
    def records():
        return {str(path.relative_to(place.state)) for folder in ("denials", "counts", "allowed") for path in
                (place.state / folder).rglob("*") if path.suffix in (".mdb", ".json") and "journal" not in path.parts}
    before = records()
    holds(any(name.startswith("counts/") for name in before) and any(name.startswith("allowed/") for name in before), before)
    file = place.folder / "school.tar"
    place.command("backup", file)
    for name in before:
        (place.state / name).unlink()
    place.command("restore", file)
    same(records(), before, "what is back")
    for name, text in made.items():
        same((place.state / name).read_bytes(), text, name)
    same((place.state / "allowed").stat().st_mode & 0o777, 0o700, "allowed questions are for nobody but the daemon")
    same(len(list(place.state.glob("before-restore-*/**/.receipt"))), 2, "receipts of what was there before stay with it")
    same([path for path in (place.state, place.state / "counts") if (path / ".receipt").exists()], [], "and with nothing else")
    holds(list((place.state / "keys").iterdir()), "the keys are where they were")
    names = place.run("tar", "--zstd", "-tf", file, expect=0).stdout.split()
    same([name for name in names if "key" in name or "receipt" in name], [], "what stays out")
    place.resolver()
    same(len(place.denials()), 1, "the denial")
    place.command("changes", "verify")


def test_encrypted(place):
    resolver = opened(place)
    key, wrong = place.write("key", "correct horse battery\n"), place.write("wrong", "incorrect horse battery\n")
    file = place.folder / "school.zip"
    place.command("backup", "--passphrase-file", key, file)
    holds(b"tracker" not in file.read_bytes(), "a listed name stands in the encrypted file")
    moved_on(place)
    resolver.stop()
    for options in (["--passphrase-file", wrong, file], [file]):
        place.command("restore", *options, expect=1)
    same(list(place.state.glob("restoring-*")), [], "what a failed restore leaves behind")
    holds((place.state / "lists" / "current").exists(), "a failed restore changes nothing")
    restored(place, "--passphrase-file", key, file)


def roots_own(place):
    return [str(path.relative_to(place.state)) for path in place.state.rglob("*") if path.lstat().st_uid == 0]


def test_root_makes_one_beside_a_resolver_that_is_not(place):
    """Whatever LMDB makes beside the databases, the resolver's own user can open it, also where it was not there before."""
    need_root()
    upstream = place.enter(Upstream())
    place.configure([f"127.0.0.1:{upstream.port}"], more="user: nobody\nrecording: {allowed: all}\n")
    place.state.mkdir()
    shutil.chown(place.state, "nobody", "nogroup")
    place.folder.chmod(0o755)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    file = place.folder / "school.backup"
    for number in range(3):
        resolver = place.resolver()
        same(resolver.ask("www.tracker.example").rcode, "NXDOMAIN", "a listed name")
        same(resolver.ask("lesson.example").rcode, "NOERROR", "an allowed one")
        wait_for("it is recorded", lambda: place.json("status")["denials"]["recorded"] >= 1, pause=0.2)
        wait_for("allowed questions", lambda: list((place.state / "allowed" / "denials").glob("*.mdb")))
        place.command("backup", file)
        same(roots_own(place), [], "what is root's, beside a running resolver")
        resolver.stop()
        for lock in place.state.rglob("*-lock"):
            lock.unlink()
        if number == 1:
            place.command("restore", file)
        place.command("backup", file)
        same(len(place.denials()), number + 1, "denials")
        same(roots_own(place), [], "what is root's, where there was nothing of LMDB's")


def test_twice_within_a_second(place):
    """The folders of one restore are never another one's."""
    opened(place).stop()
    file = place.folder / "school.backup"
    place.command("backup", file)
    for ahead in range(5):  # another one has taken the names of now
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime(time.time() + ahead))
        for word in ("restoring", "before-restore")[ahead % 2:]:
            (place.state / f"{word}-{stamp}").mkdir()
    taken = len(list(place.state.glob("*resto*-*")))
    place.command("restore", file)
    same(len(list(place.state.glob("before-restore-*-2/lists"))), 1, "kept under a number")
    same(len(list(place.state.glob("*resto*-*"))), taken + 1, "the folders of others are as they were")
    place.command("changes", "verify")


def test_the_policy_is_written_to_meanwhile(place):
    """Its pages may be written again after a few commits: such a copy is thrown away, and another one made."""
    need("strace")
    resolver = opened(place)
    file, trace = place.folder / "school.backup", place.folder / "trace"
    tracer = place.start("strace", "-f", "-o", trace, "-P", f"{file}.copy", "-e", "trace=openat,write", "-e",
                         "inject=write:delay_enter=4000000:when=1", COMMAND, "--config", place.config_path, "backup", file,
                         env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    wait_for("a copy begins", lambda: trace.exists() and "openat" in trace.read_text())
    for number in range(3):
        place.command("allow", f"lesson{number}.example", "--group", "pupils", "--for", "1h", "--reason", "x")
    same(tracer.wait(60), 0, "the backup's exit code")
    opened_times = trace.read_text().count("O_EXCL")
    holds(opened_times == 2, f"{opened_times} copies:\n{trace.read_text()}")
    resolver.stop()
    place.command("restore", file)
    place.command("changes", "verify")
    same(len(place.json("grants")), 3, "grants")


def test_what_goes_meanwhile_is_left_out(place):
    """A day that retention removes between the folder's reading and its own; all else is in the backup."""
    need("strace")
    resolver = opened(place)
    denied(place, resolver)
    resolver.stop()
    today, = (place.state / "denials").glob("*.mdb")
    gone = place.state / "denials" / "2026-01-05.mdb"
    shutil.copy(today, gone)
    (place.state / "denials" / "2026-01-04.json").write_text("[]")
    file = place.folder / "school.backup"
    for name in (gone, place.state / "denials" / "2026-01-04.json"):
        keep = name.read_bytes()
        for options in ([], ["--json"]):
            name.write_bytes(keep)
            done = place.run("strace", "-f", "-o", "/dev/null", "-P", name, "-e", "trace=openat,access,faccessat", "-e",
                             "inject=openat,access,faccessat:error=ENOENT", COMMAND, "--config", place.config_path, *options,
                             "backup", file, expect=0, env={"ASAN_OPTIONS": "detect_leaks=0"})
            holds(f"denials/{name.name}" in done.stdout, done.stdout)
        same(json.loads(done.stdout)["gone"], [f"denials/{name.name}"], "what is told as gone")
        names = place.run("tar", "--zstd", "-tf", file, expect=0).stdout.split()
        holds(f"denials/{today.name}" in names and "state.mdb" in names and f"denials/{name.name}" not in names, names)
    same(json.loads(place.command("--json", "backup", file).stdout)["gone"], [], "where all is there")
    today.chmod(0)
    today.unlink()
    today.mkdir()
    done = place.command("backup", file, expect=1)
    holds(today.name in done.stderr, done.stderr)


def sealed_import(place, count, expect=0):
    names = [f"bad{i}.example" for i in range(count)]
    return place.command("lists", "import", "--category", "illegal", place.list_of("illegal", names), expect=expect)


def test_what_sealed_lists_once_held(place):
    """On an empty machine they do not begin to shrink anew; and of two records the larger number counts."""
    place.configure(categories=["ads", ("illegal", {"sealed": True})], groups={"pupils": (["127.0.0.0/8"], ["ads"])})
    record, file = place.state / "lists" / "sealed.json", place.folder / "school.backup"
    sealed_import(place, 300)
    sealed_import(place, 298)
    place.command("backup", file)
    place.state.rename(place.folder / "before")
    place.state.mkdir()
    place.command("restore", file)
    same(json.loads(record.read_text())["most"], {"illegal": 300}, "the record")
    refused = sealed_import(place, 296, expect=3)
    holds("296 entries left of the 300" in refused.stderr, refused.stderr)
    for there, kept in ((290, 300), (310, 310)):
        record.write_text(json.dumps({"generation": 2, "entries": {"illegal": 298}, "most": {"illegal": there, "other": there}}))
        time.sleep(1.1)  # what was there before is kept by the second
        place.command("restore", file)
        same(json.loads(record.read_text())["most"], {"illegal": kept, "other": there}, f"the record, where there was one of {there}")
    for damage in ("", "[]", '{"most": {"illegal": "all"}}', '{"most": {"illegal": -3}}', "x" * (2 << 20)):
        with_record(place, file, damage)
        refused = place.command("restore", place.folder / "damaged.tar", expect=1)
        holds("lists/sealed.json of the backup" in refused.stderr and "nothing was changed" in refused.stderr, refused.stderr)
        same(json.loads(record.read_text())["most"]["illegal"], 310, "the record after a refused restore")
    same(list(place.state.glob("restoring-*")), [], "what refused restores leave behind")
    same(place.resolver().ask("bad297.example").rcode, "NXDOMAIN", "a sealed name")


def with_record(place, backup, text):
    """damaged.tar: the backup with another record in it."""
    shutil.rmtree(place.folder / "unpacked", ignore_errors=True)
    (place.folder / "unpacked").mkdir()
    place.run("tar", "--zstd", "-xf", backup, "-C", place.folder / "unpacked", expect=0)
    (place.folder / "unpacked" / "lists" / "sealed.json").write_text(text)
    names = [path.relative_to(place.folder / "unpacked") for path in (place.folder / "unpacked").rglob("*") if path.is_file()]
    place.run("tar", "-cf", place.folder / "damaged.tar", "-C", place.folder / "unpacked", *names, expect=0)


def test_hostile_files(place):
    resolver = opened(place)
    resolver.stop()
    whole = place.folder / "whole.backup"
    place.command("backup", whole)
    cut = place.folder / "cut.backup"
    cut.write_bytes(whole.read_bytes()[:-2000])
    place.command("restore", cut, expect=1)
    place.command("restore", place.write("text", "no backup at all"), expect=1)
    place.command("restore", place.folder / "missing", expect=1)
    for name, kind in (("../../escaped", tarfile.REGTYPE), ("/tmp/escaped", tarfile.REGTYPE), ("lists/current", tarfile.SYMTYPE),
                       ("lists/00000001.mdb", tarfile.SYMTYPE), ("state.mdb/x", tarfile.REGTYPE)):
        file = place.folder / "hostile.tar"
        with tarfile.open(file, "w") as tar:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(b"evil"))
        done = place.command("restore", file, expect=1)
        holds("does not belong" in done.stderr, f"{name}: {done.stderr}")
    damaged = place.folder / "damaged.tar"
    with tarfile.open(damaged, "w") as tar:
        entry = tarfile.TarInfo("lists/00000009.mdb")
        entry.size = 8192
        tar.addfile(entry, io.BytesIO(b"\x01" * 8192))
    place.command("restore", damaged, expect=1)
    short = place.command("backup", "--passphrase-file", place.write("short", "abc\n"), place.folder / "x", expect=2)
    holds("at least" in short.stderr, f"a short passphrase: {short.stderr}")
    resolver = place.resolver()
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "the state is as it was")


if __name__ == "__main__":
    lab.main()
