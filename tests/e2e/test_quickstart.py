"""The first command of the README."""
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


if __name__ == "__main__":
    lab.main(alone=False)  # it asks the machine's own upstreams
