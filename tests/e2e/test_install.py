"""What `cmake --install` leaves on a machine: everything where systemd, man and the programs look for it, a second
installation that leaves the school's configuration alone, and the way back."""
import os
import re
import shutil
import tempfile

import lab
from lab import ROOT, holds, same

UNITS = ["chalkgated.service"] + [f"chalkgate-{one}.{kind}" for one in ("lists-update", "report", "selftest")
                                  for kind in ("service", "timer")]

STAGED = []


def install(place, into, prefix):
    done = place.run("cmake", "--install", lab.BUILD, "--prefix", prefix, expect=0, env={"DESTDIR": str(into)})
    return done.stdout + done.stderr


def staged(place):
    """A tree with an installation below /usr, which this file makes once: sanitized programs write their pages slowly."""
    into = place.folder / "root"
    if not STAGED:
        STAGED.append(tempfile.TemporaryDirectory(prefix="chalkgate-staged-"))
        install(place, STAGED[0].name, "/usr")
    shutil.copytree(STAGED[0].name, into, symlinks=True)
    return into


def files(into):
    return {str(one.relative_to(into)): one.read_bytes() for one in into.rglob("*") if one.is_file()}


def holds_all(into, prefix, configuration):
    """What a whole installation below `prefix` consists of."""
    base = into / prefix.strip("/")
    for path in ("bin/chalkgate", "sbin/chalkgated", "share/chalkgate/uninstall.sh"):
        holds(os.access(base / path, os.X_OK), f"{path} is to be run")
    for path in ("lib/sysusers.d/chalkgate.conf", "lib/tmpfiles.d/chalkgate.conf", "share/doc/chalkgate/README.md",
                 "share/doc/chalkgate/LICENSE", "share/chalkgate/starter/gambling/domains", "share/chalkgate/catalogue/ut1.tsv",
                 "share/chalkgate/services.yaml", "share/man/man8/chalkgated.8", "share/man/man5/chalkgate.yaml.5"):
        holds((base / path).stat().st_size > 0, f"{path} is there")
    same(sorted(one.name for one in (base / "lib/systemd/system").iterdir()), sorted(UNITS), "the units")
    same((into / configuration.strip("/")).read_bytes(), (ROOT / "config.yaml").read_bytes(), "the configuration")
    same((base / "share/doc/chalkgate/config.yaml").read_bytes(), (ROOT / "config.yaml").read_bytes(), "its example")
    for one in base.glob("lib/systemd/system/*.service"):
        for line in re.findall(r"^Exec(?:Start|StartPre)=(.*)$", one.read_text(), re.M):
            words = line.split()
            holds((into / words[0].strip("/")).is_file(), f"{one.name} starts {words[0]}")
            same(words[words.index("--config") + 1], configuration, f"the configuration of {one.name}")
    for one in base.glob("lib/systemd/system/*.timer"):
        holds(one.with_suffix(".service").is_file(), f"what {one.name} starts")


def test_below_usr(place):
    into = staged(place)
    holds_all(into, "/usr", "/etc/chalkgate/config.yaml")
    holds(not (into / "usr/etc").exists(), "nothing reads /usr/etc")


def test_below_usr_local(place):
    into = place.folder / "root"
    install(place, into, "/usr/local")
    holds_all(into, "/usr/local", "/etc/chalkgate/config.yaml")


def test_elsewhere(place):
    into = place.folder / "root"
    install(place, into, "/opt/chalkgate")
    holds_all(into, "/opt/chalkgate", "/opt/chalkgate/etc/chalkgate/config.yaml")
    same([one.name for one in into.iterdir()], ["opt"], "what is touched")


def test_again(place):
    """The school's file stays as it is, and is told of; all else is as new."""
    into = staged(place)
    fresh = files(into)
    told = install(place, into, "/usr")
    same(files(into), fresh, "the same version once more")
    holds("is the shipped one already" in told, told)
    ours = into / "etc/chalkgate/config.yaml"
    ours.write_text("# ours\n")
    ours.chmod(0o600)
    (into / "usr/bin/chalkgate").write_text("of yesterday")
    told = install(place, into, "/usr")
    same(ours.read_text(), "# ours\n", "the school's configuration")
    same(ours.stat().st_mode & 0o777, 0o600, "its mode")
    holds("Your /etc/chalkgate/config.yaml was left as it is" in told and "/usr/share/doc/chalkgate/config.yaml" in told, told)
    again = files(into)
    for path in fresh:
        if path != "etc/chalkgate/config.yaml":
            holds(again[path] == fresh[path], f"{path} is as new")


def test_manual_pages(place):
    """Every verb has a page, every key has a line."""
    into = staged(place)
    pages = into / "usr/share/man/man8"
    verbs = re.findall(r"^  ([a-z-]+)  ", place.run(lab.COMMAND, "--help", expect=0).stdout.split("Verbs:")[1], re.M)
    holds(len(verbs) > 5, f"verbs: {verbs}")
    for verb in verbs:
        page = pages / f"chalkgate-{verb}.8"
        holds(page.is_file() and ".SH DESCRIPTION" in page.read_text(), f"the page of {verb}")
    page = (pages / "chalkgate-lists-import.8").read_text()
    holds("allow\\-shrink" in page and ".SH OPTIONS" in page, f"the page of lists import: {page}")
    keys = (into / "usr/share/man/man5/chalkgate.yaml.5").read_text()
    for key in re.findall(r"^([a-z-]+):", (ROOT / "config.yaml").read_text(), re.M):
        line = ".B " + key.replace("-", "\\-") + "\n"
        holds(line in keys, f"the key {key} in chalkgate.yaml(5)")


def test_units_are_good(place):
    """systemd's own judgement of the units, the user and the folder, as below /usr of a machine."""
    lab.need("systemd-analyze")
    into = staged(place)
    folder = into / "usr/lib/systemd/system"
    # It looks for programs on this machine.
    for one in folder.glob("*.service"):
        text = one.read_text()
        one.write_text(re.sub(r"=/usr/(s?bin)/chalkgate", rf"={into}/usr/\1/chalkgate", text))
    done = place.run("systemd-analyze", "verify", "--man=no", *sorted(folder.iterdir()))
    told = [line for line in (done.stdout + done.stderr).splitlines() if "chalkgate" in line]
    same(told, [], "what systemd-analyze verify says")
    if shutil.which("systemd-sysusers"):
        (into / "etc").mkdir(exist_ok=True)
        place.run("systemd-sysusers", f"--root={into}", expect=0)
        holds(re.search(r"^chalkgate:", (into / "etc/passwd").read_text(), re.M), "the user")
    if shutil.which("systemd-tmpfiles") and os.geteuid() == 0:
        place.run("systemd-tmpfiles", f"--root={into}", "--create", "chalkgate.conf", expect=0)
        holds((into / "var/lib/chalkgate").is_dir(), "the state folder")


def test_removed_again(place):
    """uninstall.sh knows every file but the configuration, and never needs DESTDIR: it is tried on a prefix of its own."""
    prefix = place.folder / "prefix"
    (prefix / "share/man/man8").mkdir(parents=True)
    (prefix / "share/man/man8/other.8").write_text("somebody else's\n")
    place.run("cmake", "--install", lab.BUILD, "--prefix", prefix, expect=0, env={"DESTDIR": ""})
    same(place.run(ROOT / "tools/uninstall.sh").returncode, 1, "the pattern removes nothing")
    told = place.run(prefix / "share/chalkgate/uninstall.sh", expect=0, env={"PATH": path_without_systemctl(place)}).stdout
    holds(f"{prefix}/etc/chalkgate/config.yaml" in told, told)
    same(sorted(files(prefix)), ["etc/chalkgate/config.yaml", "share/man/man8/other.8"], "what is left")
    holds(not (prefix / "share/chalkgate").exists(), "its folders are gone")


def path_without_systemctl(place):
    """The machine's own units are none of this test's business."""
    place.write("bin/systemctl", "#!/bin/sh\nexit 0\n").chmod(0o755)
    return f"{place.folder / 'bin'}:{os.environ['PATH']}"


if __name__ == "__main__":
    lab.main()
