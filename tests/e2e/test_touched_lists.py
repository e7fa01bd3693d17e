"""What people do by hand to the files of lists while they are in use: what was looked up before is not taken for what
the file says now, also where it bears the same number."""
import os

import lab
from lab import holds, same, wait_for
from upstream import Upstream

LISTED = [f"listed-{i}.example" for i in range(4000)]


def opened(place, *imports):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], workers=1)
    for category, names in imports:
        bring(place, category, names)
    return place.resolver()


def bring(place, category, names):
    place.command("lists", "import", "--category", category, "--reason", "x", place.list_of(category, names))


def file_of(place, generation):
    return place.state / "lists" / f"{generation:08}.mdb"


def write_over(path):
    """Nothing of its entries is left; it is as long as before, and the trailer is whole."""
    whole = path.read_bytes()
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(b"\0" * (len(whole) - 8192 - 256))
    return whole


def put_back(path, whole):
    with open(path, "r+b") as file:
        file.write(whole)


def let_through(resolver, name):
    """Often enough that it is remembered with its answer."""
    for _ in range(3):
        same(resolver.ask(name).rcode, "NOERROR", name)


def in_force(place):
    return place.json("status")["generation"]


def test_folder_begun_anew(place):
    resolver = opened(place, ("ads", ["listed.example"]))
    let_through(resolver, "free.example")
    for file in (place.state / "lists").iterdir():
        file.unlink()
    bring(place, "ads", ["free.example"])
    same(in_force(place), 1, "the number is given again")
    same(resolver.ask("free.example").rcode, "NXDOMAIN", "listed now")


def test_number_given_again(place):
    resolver = opened(place, ("ads", ["listed.example"]), ("games", ["game.example"]))
    let_through(resolver, "free.example")
    place.command("lists", "rollback", "--reason", "x")
    file_of(place, 2).unlink()
    bring(place, "games", ["free.example"])
    same(in_force(place), 2, "the number is given again")
    same(resolver.ask("free.example").rcode, "NXDOMAIN", "listed now")


def test_written_over_and_put_back_later(place):
    resolver = opened(place, ("ads", LISTED), ("games", ["game.example"]))
    path = file_of(place, 2)
    whole = write_over(path)
    for _ in range(3):
        resolver.ask(LISTED[7])  # let through or not: nothing is noticed yet, or it is
    wait_for("the generation before is in force", lambda: in_force(place) == 1)
    put_back(path, whole)
    place.command("lists", "rollback", "2", "--reason", "x")
    same(in_force(place), 2, "what was put back")
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a name that was asked meanwhile")


def test_written_over_and_put_back_at_once(place):
    """Also where the times of its last writing are put back: programs that restore files do that."""
    resolver = opened(place, ("ads", LISTED))
    path = file_of(place, 1)
    before = path.stat()
    whole = write_over(path)
    for _ in range(3):
        resolver.ask(LISTED[7])
    put_back(path, whole)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    wait_for("it is noticed", lambda: "opened anew" in resolver.log() or "damaged" in resolver.log())
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a name that was asked meanwhile")


def test_reload_does_not_hide_it(place):
    """What is opened anew bears the time of the writing: that it is of that generation is not enough."""
    resolver = opened(place, ("ads", LISTED), ("games", ["game.example"]))
    with open(file_of(place, 2), "r+b") as file:
        file.seek(-60000, os.SEEK_END)
        file.write(b"\0" * 40000)  # of what look-ups go by; opening it meets nothing wrong
    done = place.command("reload", "--reason", "x", expect=None)
    holds(done.returncode == 0 or "damaged" in done.stderr, done.stderr)  # 0: it was mended by then
    wait_for("the generation before is in force", lambda: in_force(place) == 1)
    for name in LISTED[:400]:
        same(resolver.ask(name).rcode, "NXDOMAIN", name)


def test_only_touched(place):
    resolver = opened(place, ("ads", LISTED))
    for turn in range(2):
        path = file_of(place, 1)
        os.utime(path)
        wait_for("it is opened anew", lambda: resolver.log().count("opened anew") == turn + 1)
        place.command("reload", "--reason", "x")
        same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a listed name")
    same(place.json("status")["warnings"], [], "warnings")


def test_taken_away(place):
    """It is told once, and what is in force stays in force."""
    resolver = opened(place, ("ads", LISTED))
    file_of(place, 1).unlink()
    wait_for("it is told", lambda: "is not there any more" in resolver.log())
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a listed name")
    same(resolver.ask("free.example").rcode, "NOERROR", "another name")
    (place.state / "lists" / "current").unlink()
    bring(place, "ads", LISTED + ["free.example"])
    same(resolver.ask("free.example").rcode, "NXDOMAIN", "listed now")
    same(resolver.log().count("is not there any more"), 1, "how often it was told")


if __name__ == "__main__":
    lab.main()
