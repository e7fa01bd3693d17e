"""Importing and going back where the state folder can only be read, or its disk is full: clear words, nothing half-written."""
import contextlib
import hashlib
import os

import lab
from lab import holds, need_root, same

MANY = [f"m{at}.example" for at in range(60000)]


def opened(place):
    """Two generations: in the first a.example, in the second b.example too."""
    place.configure()
    for name in ("a", "b"):
        place.command("lists", "import", "--category", "ads", place.list_of(name, [f"{name}.example"]))


def lists_of(place):
    """All that is in STATE/lists: names with sums, and where links lead."""
    folder = place.state / "lists"
    return {one.name: os.readlink(one) if one.is_symlink() else hashlib.sha256(one.read_bytes()).hexdigest()
            for one in folder.iterdir() if one.name != "sealed.json"}


@contextlib.contextmanager
def read_only(place, folder):
    made = place.run("mount", "--bind", folder, folder)
    if made.returncode:
        raise lab.Skip("nothing can be mounted here: " + made.stderr.strip())
    try:
        place.run("mount", "-o", "remount,bind,ro", folder, expect=0)
        yield
    finally:
        place.run("umount", folder, expect=0)


@contextlib.contextmanager
def full(place, left):
    """All of the disk but so many octets taken."""
    ballast = place.state / "lists" / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
        file.truncate(max(0, file.seek(0, os.SEEK_END) - left))
    try:
        yield
    finally:
        ballast.unlink()


def refused(place, resolver, words, *arguments):
    """A failure with these words, after which all is as before."""
    before = lists_of(place)
    done = place.command("lists", *arguments, expect=1)
    holds(all(one in done.stderr for one in words), f"{arguments}: {done.stderr}")
    same(lists_of(place), before, f"what is in the folder after {arguments}")
    same(place.json("lists", "show")["generation"], 2, "what is in force")
    if resolver:
        same(resolver.ask("b.example").rcode, "NXDOMAIN", "a name on the list")
        same(place.json("status")["generation"], 2, "the resolver's generation")


def test_where_nothing_can_be_written(place):
    need_root()
    opened(place)
    path = place.list_of("games", ["chess.example"])
    importing = ("import", "--category", "games", path)
    for running in (False, True):
        resolver = place.resolver() if running else None
        # A running resolver has files of its own open beside the lists.
        with read_only(place, place.state / "lists" if running else place.state):
            if running:
                refused(place, resolver, ["Read-only file system; please have it mounted for writing", "stays as it is"], *importing)
            else:
                refused(place, None, ["can only be read, so nothing was imported", "mounted for writing"], *importing)
            refused(place, resolver, ["Read-only file system; please have it mounted for writing"], "rollback")
            same(place.json("lists", "import", "--category", "games", "--preview", path)["changes"][0]["added"], 1, "a preview")
            holds("rollback 1" in place.command("lists", "diff").stdout, "a comparison")
    place.command("lists", *importing)
    same(place.resolvers[-1].ask("chess.example").rcode, "NXDOMAIN", "once it can be written to")


def test_on_a_full_disk(place):
    """A disk of the lists' own: on the state's, journals of the resolver come and go."""
    with place.small_disk(place.state / "lists", "24m"):
        opened(place)
        path = place.list_of("games", MANY)
        for running in (False, True):
            resolver = place.resolver() if running else None
            for left in (0, 100000, 1 << 20):
                with full(place, left):
                    refused(place, resolver, ["No space left on device; please make room there", "stays as it is"],
                            "import", "--category", "games", path)
        told = place.command("lists", "import", "--category", "games", path).stdout
        holds("Generation 3 is in force" in told, told)
        same(place.resolvers[-1].ask(MANY[-1]).rcode, "NXDOMAIN", "once there is room")


if __name__ == "__main__":
    lab.main()
