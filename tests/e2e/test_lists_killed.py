"""The resolver or the command killed at each step of putting lists in force: what is in force afterwards is whole, and
the change log says what it is."""
import os
import signal
import subprocess

import lab
from lab import COMMAND, holds, need, need_root, same, wait_for

# Entering which call for the how-manieth time: before and after the file is durable, has its name, is linked, and is synced;
# and, last, in the change log's commit, when the lists are in force already.
STEPS = [("copy_file_range", 1), ("fchmod", 1), ("fsync", 1), ("renameat", 1), ("fsync", 2), ("symlinkat", 1), ("renameat", 2), ("fsync", 3),
         ("fdatasync", 1)]


def opened(place):
    need("strace")
    need_root()
    place.configure(more="lists: {keep: 50}\n")
    place.command("lists", "import", "--category", "games", "--reason", "x", place.list_of("games", ["both.example"]))


def killing(step):
    call, when = step
    return ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={when}"]


def import_of(place, number):
    return ["lists", "import", "--category", "ads", "--replace", "--allow-shrink", "--reason", f"try {number}",
            place.list_of(f"ads{number}", [f"n{number}-{i}.example" for i in range(20)])]


def noted(place):
    return [(one["action"], one["target"]) for one in place.json("changes") if one["action"].startswith("lists")]


def whole(place, resolver, number, what):
    """The lists of this try or of the one before, and on record; then this try goes well. Gives whether they were in force."""
    answers = {resolver.ask(f"n{number}-{i}.example").rcode for i in range(20)}
    same(len(answers), 1, f"answers for the names of one list, killed at {what}")
    same(resolver.ask("both.example").rcode, "NXDOMAIN", f"a name of every generation, killed at {what}")
    generation = place.json("status")["generation"]
    same(noted(place)[-1][1], f"generation {generation}", f"the change log, killed at {what}")
    place.command("changes", "verify")
    place.command(*import_of(place, number))
    same(resolver.ask(f"n{number}-0.example").rcode, "NXDOMAIN", f"the import after a kill at {what}")
    same([one for one in os.listdir(place.state / "lists") if one.startswith(("staging-", "current-"))], [], what)
    return answers == {"NXDOMAIN"}


def test_the_resolver(place):
    opened(place)
    resolver, taken = place.resolver(), []
    for number, step in enumerate(STEPS):
        tracer = subprocess.Popen([*killing(step), "-p", str(resolver.process.pid)], stderr=subprocess.PIPE)
        tracer.stderr.readline()  # it is attached
        done = place.command(*import_of(place, number), expect=None)
        holds(done.returncode != 0, f"killed at {step}, and yet: {done}")
        same(resolver.process.wait(lab.PATIENCE), -signal.SIGKILL, f"how it ended at {step}")
        tracer.wait(lab.PATIENCE)
        tracer.stderr.close()
        resolver = place.resolver()
        taken.append(whole(place, resolver, number, step))
    same(taken, sorted(taken), "from one step on the new lists are in force")
    holds(taken[0] is False and taken[-1] is True, taken)


def test_the_command(place):
    """While no resolver runs. The next import by command leaves no gap in the log, either."""
    opened(place)
    for number, step in enumerate(STEPS):
        killed = place.run(*killing(step), COMMAND, "--config", place.config_path, *import_of(place, number),
                           env={"ASAN_OPTIONS": "detect_leaks=0"})
        holds(killed.returncode in (137, -signal.SIGKILL), f"killed at {step}, and yet: {killed}")
        before = os.readlink(place.state / "lists" / "current")
        if number % 3 == 2:
            resolver = place.resolver()
            whole(place, resolver, number, step)
            resolver.stop()
        place.command(*import_of(place, number + 100))
        holds(("generation", int(before[:8])) in [(one.split()[0], int(one.split()[1])) for _, one in noted(place)],
              f"{before} was in force and is not on record, killed at {step}: {noted(place)}")
        place.command("changes", "verify")


if __name__ == "__main__":
    lab.main()
