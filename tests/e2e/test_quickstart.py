"""The first command of the README, and the installed programs with their manual pages."""
import os
import re
import signal
import subprocess

import lab
from lab import ROOT, holds, same, wait_for


def environment(place):
    return {"PORT": str(place.free_port()), "TMPDIR": str(place.folder)}


def shown(text):
    for part in (r"status: NXDOMAIN", r"status: NOERROR", r"EDE: 15", r"is denied", r"pupils +gambling", r"Generation 1 is in force",
                 r"Refused look-ups"):
        holds(re.search(part, text), f"'{part}' is missing in what was shown:\n{text}")


def test_once(place):
    done = place.run(ROOT / "tools" / "quickstart.sh", "--once", expect=0, env=environment(place), timeout=600)
    shown(done.stdout)
    same(list(place.folder.glob("chalkgate-demo-*")), [], "what is left behind")


def test_until_interrupted(place):
    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
    log = place.folder / "shown"
    with open(log, "wb") as out:
        process = subprocess.Popen([ROOT / "tools" / "quickstart.sh"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   env={**os.environ, **environment(place)}, preexec_fn=prepare)
    try:
        wait_for("the demonstration", lambda: "until you press Ctrl-C" in log.read_text() or process.poll() is not None, 300, 0.2)
        shown(log.read_text())
    finally:
        os.killpg(process.pid, signal.SIGINT)
    same(process.wait(20), 130, "the exit code after Ctrl-C")
    same(list(place.folder.glob("chalkgate-demo-*")), [], "what is left behind")


def test_wrong_use(place):
    same(place.run(ROOT / "tools" / "quickstart.sh", "--nonsense").returncode, 2, "an unknown option")
    same(place.run(ROOT / "tools" / "quickstart.sh", "--once", env={"PORT": "soon"}).returncode, 2, "a port that is none")


def test_install(place):
    """The built tree installs whole; every verb has a manual page."""
    into = place.folder / "root"
    place.run("cmake", "--install", lab.BUILD, "--prefix", "/usr", expect=0, env={"DESTDIR": str(into)})
    for path in ("usr/bin/chalkgate", "usr/sbin/chalkgated", "usr/share/man/man8/chalkgate.8", "usr/share/man/man8/chalkgated.8"):
        holds((into / path).is_file(), f"{path} was not installed: {[str(one) for one in into.rglob('*')]}")
    verbs = re.findall(r"^  ([a-z-]+)  ", place.run(lab.COMMAND, "--help", expect=0).stdout.split("Verbs:")[1], re.M)
    holds(len(verbs) > 5, f"verbs: {verbs}")
    for verb in verbs:
        page = into / f"usr/share/man/man8/chalkgate-{verb}.8"
        holds(page.is_file() and ".SH DESCRIPTION" in page.read_text(), f"the page of {verb}")
    page = (into / "usr/share/man/man8/chalkgate-lists-import.8").read_text()
    holds("allow\\-shrink" in page and ".SH OPTIONS" in page, f"the page of lists import: {page}")
    holds(list(into.rglob("config.yaml")), "the default configuration")


if __name__ == "__main__":
    lab.main()
