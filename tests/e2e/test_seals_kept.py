"""A seal is for good: neither a state.mdb that is lost or damaged nor an older backup takes it off."""
import signal

import lab
from lab import holds, same, wait_for
from test_sealed import BAD, configure, denied, opened


def refused_at_the_start(place, words):
    refused = place.resolver(wait=False)
    same(refused.process.wait(lab.PATIENCE), 1, "exit code")
    holds(words in refused.log(), refused.log())


def test_a_lost_or_damaged_state_loses_no_seal(place):
    """Seals are on record twice, and either record is enough."""
    opened(place)
    place.resolver().stop()
    database, second = place.state / "state.mdb", place.state / "sealed"
    whole = database.read_bytes()
    for what in ("cut", "garbage", "gone"):
        if what == "gone":
            database.unlink()
        else:
            database.write_bytes(whole[:5000] if what == "cut" else b"\xff" * len(whole))
        for sealed in (("illegal", {"title": "Illegal"}), None):
            configure(place, sealed=sealed)
            refused_at_the_start(place, "was sealed")
        configure(place)
        resolver = place.resolver()
        denied(resolver, f"state.mdb {what}")
        configure(place, sealed=("illegal", {"title": "Illegal"}))
        done = place.command("reload", "--reason", "a try", expect=None)
        holds(done.returncode != 0 and "was sealed" in done.stderr, f"{what}: {done}")
        denied(resolver, f"state.mdb {what}, and a reload")
        resolver.stop()
        database.write_bytes(whole)
    second.unlink()
    refused_at_the_start(place, "was sealed")
    configure(place)
    place.resolver().stop()
    holds("illegal\n" in second.read_text(), "the second record is made anew")
    second.unlink()
    second.mkdir()
    refused_at_the_start(place, "which categories are sealed cannot be read")
    done = place.command("allow", "x.example", "--group", "pupils", "--permanent", "--reason", "a try", expect=None)
    holds(done.returncode != 0 and "cannot be read" in done.stderr, done.stderr)


def test_a_reload_with_another_state_folder(place):
    """Its lists wait for a restart, as the warning says."""
    opened(place)
    ours = place.state
    place.state = place.folder / "other"
    configure(place)
    place.command("lists", "import", "--category", "illegal", place.list_of("few", ["x.example"]))
    place.state = ours
    configure(place)
    resolver = place.resolver()
    place.config_path.write_text(place.config_path.read_text().replace(str(ours), str(place.folder / "other")))
    resolver.signal(signal.SIGHUP)
    wait_for("the reload", lambda: "`state` has changed" in resolver.log() and "reloaded" in resolver.log())
    denied(resolver, "a reload")


def test_an_older_backup_loses_no_seal(place):
    """One of before the seal, and one with fewer of its names."""
    opened(place, sealed=("illegal", {"title": "Illegal"}))
    place.resolver().stop()
    before, fewer = place.folder / "before.backup", place.folder / "fewer.backup"
    place.command("backup", before)
    configure(place)
    place.resolver().stop()
    place.command("restore", before)
    configure(place, sealed=("illegal", {"title": "Illegal"}))
    refused_at_the_start(place, "was sealed")
    configure(place)
    resolver = place.resolver()
    denied(resolver, "an older backup")
    resolver.stop()
    place.command("backup", fewer)
    place.command("lists", "import", "--category", "illegal", place.list_of("illegal", BAD + [f"more{i}.example" for i in range(50)]))
    refused = place.command("restore", fewer, expect=3)
    holds("sealed" in refused.stderr and "backup" in refused.stderr, refused.stderr)
    same(list(place.state.glob("restoring-*")), [], "what a refused restore leaves behind")
    same(place.resolver().ask("more49.example").rcode, "NXDOMAIN", "a name that came after the backup")


if __name__ == "__main__":
    lab.main()
