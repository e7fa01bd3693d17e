"""A sealed category: every way of loosening it, tried one after the other, and a resolver that does not start without it."""
import os
import signal

import lab
from lab import holds, same, wait_for

BAD = [f"bad{i}.example" for i in range(100)]
SEALED = ("illegal", {"title": "Illegal", "severity": "urgent", "sealed": True})
ALWAYS = "calendar: {periods: {always: {days: [mon-sun], when: always, times: ['00:00-24:00']}}}\n"


def configure(place, sealed=SEALED, group=None, more=""):
    """`group`: what pupils may beside being there; YAML, in braces."""
    place.configure(categories=(["ads"] + ([sealed] if sealed else [])), groups={"pupils": (["127.0.0.0/8"], ["ads"])},
                    more=more)
    if group:
        text = place.config_path.read_text()
        place.config_path.write_text(text.replace('"deny": ["ads"]', '"deny": ["ads"], ' + group))


def opened(place, sealed=SEALED):
    configure(place, sealed=sealed, more="lists: {keep: 50}\n")
    place.command("lists", "import", "--category", "ads", place.list_of("ads", ["tracker.example"]))
    place.command("lists", "import", "--category", "illegal", "--reason", "the authority's list", place.list_of("illegal", BAD))


def denied(resolver, what):
    for name in (BAD[0], f"www.{BAD[50]}", BAD[99].upper()):
        same(resolver.ask(name).rcode, "NXDOMAIN", f"{name} after {what}")


def test_an_export_has_all_that_is_denied(place):
    """What an entry to allow of a higher tier says counts for nothing; so the export, imported again, loses no name."""
    opened(place)
    place.command("lists", "import", "--category", "illegal", "--allow", "--tier", "national", place.list_of("free", BAD[:1]))
    for form in ("domains", "rpz"):
        told = place.command("lists", "export", "--format", form, "illegal").stdout
        holds(BAD[0] in told and "passthru" not in told, told[:500])
    path = place.write("again.txt", place.command("lists", "export", "illegal").stdout)
    place.command("lists", "import", "--category", "illegal", "--replace", path)
    denied(place.resolver(), "an export and its import")


def test_the_configuration_cannot_loosen_it(place):
    opened(place)
    resolver = place.resolver()
    denied(resolver, "nothing")
    # Rules of any kind, the school's own records and zones among them.
    groups = ['"allow": ["bad0.example", "bad50.example", "bad99.example"]', '"allow": ["category:illegal"]', '"observe": ["illegal"]',
              '"allow": ["service:own"]', '"walled-garden": true, "allow": ["bad0.example", "bad50.example", "bad99.example"]',
              '"schedule": [{"during": ["always"], "allow": ["illegal", "bad0.example", "bad50.example", "bad99.example"]}]']
    service = "services: {own: {names: [bad0.example, bad50.example, bad99.example]}}\n"
    for group in groups:
        configure(place, group=group, more=ALWAYS + service)
        place.command("reload", "--reason", "a try", expect=None)
        denied(resolver, group)
    for more in ("records: {bad0.example: [192.0.2.1], www.bad50.example: [192.0.2.1], bad99.example: [192.0.2.1]}\n",
                 "forward-zones: {bad0.example: [127.0.0.1], bad50.example: [127.0.0.1], bad99.example: [127.0.0.1]}\n"):
        configure(place, more=more)
        place.command("reload", "--reason", "a try")
        denied(resolver, more)
    # The seal itself.
    for sealed in (("illegal", {"title": "Illegal"}), ("illegal", {"sealed": False}), None):
        configure(place, sealed=sealed)
        done = place.command("reload", "--reason", "a try", expect=None)
        holds(done.returncode != 0 and "was sealed" in done.stderr, f"{sealed}: {done}")
        resolver.signal(signal.SIGHUP)
        wait_for("SIGHUP is refused as well", lambda: any("was sealed" in one for one in place.json("status")["warnings"]))
        denied(resolver, f"a configuration with {sealed}")
        done = place.command("allow", "bad0.example", "--group", "pupils", "--permanent", "--reason", "a try", expect=3)
        holds("sealed" in done.stderr, done.stderr)
    shown = {one["name"]: one for one in place.json("status")["categories"]}
    same([shown["illegal"]["sealed"], shown["illegal"]["names"], shown["ads"]["sealed"]], [True, 100, False], "status")
    holds("(sealed, in force)" in place.command("status").stdout, "status in words")

    # Nor while no resolver runs: it does not start like that, and commands refuse.
    resolver.stop()
    configure(place, sealed=("illegal", {"title": "Illegal"}))
    for arguments in (["rollback"], ["import", "--category", "illegal", "--replace", "--allow-shrink", place.list_of("less", BAD[:9])],
                      ["import", "--category", "ads", place.list_of("more", ["x.example"])]):
        done = place.command("lists", *arguments, expect=3)
        holds("was sealed" in done.stderr, done.stderr)
    done = place.command("allow", "bad0.example", "--group", "pupils", "--permanent", "--reason", "a try", expect=3)
    holds("was sealed" in done.stderr, done.stderr)
    refused = place.resolver(wait=False)
    same(refused.process.wait(lab.PATIENCE), 1, "exit code")
    holds("was sealed" in refused.log() and "sealed: true" in refused.log(), refused.log())
    configure(place)
    denied(place.resolver(), "all of this")


def commands(place):
    """Each with what it says."""
    fewer = place.list_of("fewer", BAD[:90])
    allowing = place.list_of("allowing", BAD)
    yield ["allow", "bad0.example", "--group", "pupils", "--for", "45m"], 3, "sealed"
    yield ["allow", "test", "--group", "pupils", "--permanent"], None, ""
    yield ["allow", "category:illegal", "--group", "pupils", "--for", "45m"], 3, "sealed"
    yield ["allow", "category:illegal", "--group", "pupils", "--permanent", "--approved-by", "the head"], 3, "sealed"
    for tier in ("school", "regional", "national"):
        yield ["lists", "import", "--category", "illegal", "--allow", "--tier", tier, "--force", allowing], None, ""
        yield ["lists", "import", "--category", "ads", "--allow", "--tier", tier, "--force", allowing], None, ""
    path = place.list_of("illegal", BAD[:90])
    yield ["lists", "import", "--category", "illegal", path], 3, "sealed"
    yield ["lists", "import", "--category", "illegal", "--allow-shrink", path], 3, "sealed"
    yield ["lists", "import", "--category", "illegal", "--allow-shrink", "--replace", fewer], 3, "sealed"
    yield ["lists", "import", "--category", "illegal", "--allow-shrink", "--replace", "--force", place.write("none.txt", "other.example\n")], 3, "sealed"
    yield ["lists", "rollback", "1"], 3, "sealed"
    yield ["lists", "rollback"], None, ""
    yield ["flush"], None, ""


def test_no_command_can_loosen_it(place):
    opened(place)
    resolver = place.resolver()
    for arguments, code, words in commands(place):
        done = place.command(*arguments, *([] if arguments[0] == "flush" else ["--reason", "a try"]), expect=code)
        holds(words in done.stderr, f"{arguments}: {done.stderr}")
        denied(resolver, arguments)
    resolver.stop()
    for arguments, code, words in commands(place):
        if arguments[0] != "flush":
            done = place.command(*arguments, "--reason", "a try", expect=code)
            holds(words in done.stderr, f"without a resolver, {arguments}: {done.stderr}")
    denied(place.resolver(), "the same without a resolver")
    told = place.json("why", "bad0.example", "--group", "pupils", expect=3)
    holds(told["category"] == "illegal" and "sealed" in place.command("why", "bad0.example", "--group", "pupils", expect=3).stdout, told)


def test_it_grows_and_may_lose_a_little(place):
    opened(place)
    place.list_of("illegal", BAD[:99] + ["new.example"])
    place.command("lists", "import", "--category", "illegal", place.folder / "lists" / "illegal.txt")
    place.list_of("illegal", BAD[:97] + ["new.example"])
    place.command("lists", "import", "--category", "illegal", place.folder / "lists" / "illegal.txt", expect=3)


def test_a_little_again_and_again_is_no_way(place):
    """It is measured by the most it ever held, whether a resolver runs or not, and a restore does not forget that."""
    opened(place)
    many = [f"bad{i}.example" for i in range(500)]
    path = place.list_of("illegal", many)
    place.command("lists", "import", "--category", "illegal", path)
    fewer = ["lists", "import", "--category", "illegal", "--allow-shrink", "--reason", "a try", path]
    resolver = place.resolver()
    place.list_of("illegal", many[:496])
    place.command(*fewer)
    place.list_of("illegal", many[:492])
    for also in ([], ["--preview"]):
        done = place.command(*fewer, *also, expect=3)
        holds("492 entries left of the 500 that it once had" in done.stderr, done)
    # It may change and grow all the same, and other categories are not held up.
    place.list_of("illegal", many[:492] + ["w.example", "x.example", "y.example", "z.example"])
    place.command(*fewer)
    place.command("lists", "import", "--category", "ads", place.list_of("ads", ["tracker.example", "more.example"]))
    place.list_of("illegal", many[:492])
    resolver.stop()
    place.command(*fewer, expect=3)
    place.command("backup", place.folder / "little.backup")
    place.command("restore", place.folder / "little.backup")
    place.command(*fewer, expect=3)
    same(place.resolver().ask("z.example").rcode, "NXDOMAIN", "what may not go")
    # Whoever owns the machine may begin anew.
    place.resolvers[-1].stop()
    (place.state / "lists").rename(place.state / "aside")
    place.command(*fewer)
    same(place.json("lists", "show")["categories"][0]["names"], 492, "names of the new beginning")


def test_it_does_not_start_without_its_lists(place):
    configure(place)
    place.command("lists", "import", "--category", "ads", place.list_of("ads", ["tracker.example"]))
    refused = place.resolver(wait=False)
    holds(refused.process.wait(lab.PATIENCE) == 1 and "sealed" in refused.log(), refused.log())
    place.command("lists", "import", "--category", "illegal", place.list_of("illegal", BAD))
    resolver = place.resolver()
    denied(resolver, "the import")
    resolver.stop()
    path = place.state / "lists" / os.readlink(place.state / "lists" / "current")
    path.rename(path.with_suffix(".away"))
    refused = place.resolver(wait=False)
    same(refused.process.wait(lab.PATIENCE), 1, "exit code without the file")
    path.with_suffix(".away").rename(path)
    denied(place.resolver(), "the file came back")


def test_lists_in_force_are_in_the_change_log(place):
    """Whether a resolver runs or not; and those that nobody noted, as after a crash, are found."""
    opened(place)
    changes = place.json("changes")
    same([(one["action"], one["target"], one["reason"]) for one in changes if one["action"].startswith("lists")],
         [("lists-adopt", "generation 1", ""), ("lists-adopt", "generation 2", "the authority's list")], "without a resolver")
    place.resolver()
    place.command("lists", "import", "--category", "ads", "--reason", "more", place.list_of("more", ["x.example"]))
    place.command("lists", "rollback", "2", "--reason", "a mistake")
    place.resolvers[-1].stop()
    os.unlink(place.state / "lists" / "current")  # as if the change log's entry had not been written
    os.symlink("00000003.mdb", place.state / "lists" / "current")
    place.resolver()
    changes = place.json("changes")
    same([(one["action"], one["target"]) for one in changes if one["action"].startswith("lists")][2:],
         [("lists-adopt", "generation 3"), ("lists-rollback", "generation 2"), ("lists-found", "generation 3")], "with one")
    place.command("changes", "verify")


if __name__ == "__main__":
    lab.main()
