"""What people do by hand to the files of lists while they are in use: what was looked up before is not taken for what
the file says now, also where it bears the same number."""
import os
import time

import lab
from lab import holds, same, wait_for
from upstream import Upstream

LISTED = [f"listed-{i}.example" for i in range(4000)]


def opened(place, *imports, more=""):
    upstream = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{upstream.port}"], workers=1, more=more)
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


def hurt(path):
    """Part of what look-ups go by is gone; opening it meets nothing wrong."""
    with open(path, "r+b") as file:
        file.seek(-60000, os.SEEK_END)
        file.write(b"\0" * 40000)


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
    same(in_force(place), 2, "the number of lists that are in force is not given again")
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
    hurt(file_of(place, 2))
    done = place.command("reload", "--reason", "x", expect=None)
    holds("damaged" in done.stderr or in_force(place) == 1, done.stderr)  # unless it was mended by then
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


def goes_on(place, resolver):
    """What was read before is in force, whoever asks, and rules can be changed."""
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a listed name")
    same(resolver.ask("free.example").rcode, "NOERROR", "another name")
    place.command("allow", LISTED[9], "--group", "pupils", "--for", "1h", "--reason", "x")
    same(resolver.ask(LISTED[9]).rcode, "NOERROR", "an exception of now")
    place.command("reload", "--reason", "x")
    warnings = place.json("status")["warnings"]
    same(len(warnings), 1, f"one warning: {warnings}")
    holds("cannot be used" in warnings[0], warnings[0])


def all_is_well(place):
    wait_for("no warning", lambda: place.json("status")["warnings"] == [], patience=60)


def test_taken_away(place):
    """It is told once, and what is in force stays in force."""
    resolver = opened(place, ("ads", LISTED))
    path = file_of(place, 1)
    path.rename(path.with_suffix(".away"))
    wait_for("it is told", lambda: "00000001.mdb: No such file" in resolver.log())
    goes_on(place, resolver)
    time.sleep(7)
    same(resolver.log().count("00000001.mdb: No such file"), 1, "how often it was told")
    path.with_suffix(".away").rename(path)
    all_is_well(place)
    path.unlink()
    wait_for("it is told again", lambda: resolver.log().count("00000001.mdb: No such file") == 2)
    (place.state / "lists" / "current").unlink()
    bring(place, "ads", LISTED + ["new.example"])
    same(resolver.ask("new.example").rcode, "NXDOMAIN", "listed now")
    same(place.json("status")["warnings"], [], "warnings")


def test_a_damaged_one_in_its_place(place):
    """What is mapped is another file, and whole."""
    alerts = place.folder / "alerts"
    resolver = opened(place, ("ads", LISTED), more=f"alerts: {{command: [/bin/sh, -c, 'cat >> {alerts}']}}\n")
    path = file_of(place, 1)
    copy = path.with_suffix(".copy")
    whole = path.read_bytes()
    copy.write_bytes(whole)
    hurt(copy)
    copy.rename(path)
    wait_for("it is told", lambda: "its checksum does not match" in resolver.log())
    goes_on(place, resolver)
    wait_for("the alert", lambda: alerts.exists() and "lists-damaged" in alerts.read_text())
    copy.write_bytes(whole)
    copy.rename(path)
    all_is_well(place)
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a listed name")


def test_damaged_before_the_start(place):
    """A start reads no more than it has to; what it did not see is seen a moment later."""
    opened(place, ("ads", LISTED), ("games", ["game.example"])).stop()
    hurt(file_of(place, 2))
    resolver = place.resolver()
    wait_for("the start meets nothing wrong", lambda: "ready: 4001 names on the lists, generation 2" in resolver.log())
    wait_for("the generation before is in force", lambda: in_force(place) == 1)
    for name in LISTED[:400]:
        same(resolver.ask(name).rcode, "NXDOMAIN", name)


def test_other_lists_in_its_place(place):
    """They are whole and bear the number in force, and still nobody has adopted them."""
    resolver = opened(place, ("ads", LISTED))
    path = file_of(place, 1)
    other = place.folder / "other.yaml"
    other.write_text(place.config_path.read_text().replace(f"state: {place.state}", f"state: {place.folder}/other"))
    place.run(lab.COMMAND, "--config", other, "lists", "import", "--category", "ads", "--reason", "x",
              place.list_of("ads", ["little.example"]), expect=0)
    os.replace(place.folder / "other" / "lists" / "00000001.mdb", path)
    wait_for("it is told", lambda: "has other lists than those that were adopted" in resolver.log())
    goes_on(place, resolver)


def test_not_behind_a_seal(place):
    """Without the file of the lists in force, what is sealed in them is still held against what shall come."""
    resolver = opened(place, ("ads", LISTED[:100]), ("ads", LISTED[:200]))
    config = place.config_path
    config.write_text(config.read_text().replace("  ads: {", "  ads: {sealed: true, "))
    place.command("reload", "--reason", "x")
    file_of(place, 2).unlink()
    refused = place.command("lists", "rollback", "--reason", "x", expect=3)
    holds("the sealed category ads" in refused.stderr, refused.stderr)
    same(resolver.ask(LISTED[150]).rcode, "NXDOMAIN", "a sealed name")


def test_put_right_without_a_word(place):
    """Damaged where there is nothing to go back to, then restored: answers come again by themselves."""
    resolver = opened(place, ("ads", LISTED))
    path = file_of(place, 1)
    whole = write_over(path)
    wait_for("the warning", lambda: "nothing can replace them" in resolver.log())
    same(resolver.ask("free.example").rcode, "SERVFAIL", "a name that cannot be judged")
    path.with_suffix(".copy").write_bytes(whole)
    path.with_suffix(".copy").rename(path)
    all_is_well(place)
    same(resolver.ask("free.example").rcode, "NOERROR", "another name")
    same(resolver.ask(LISTED[7]).rcode, "NXDOMAIN", "a listed name")


if __name__ == "__main__":
    lab.main()
