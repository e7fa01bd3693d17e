"""The file of figures: well formed whatever the configuration's words are, and true."""
import re

import lab
from lab import holds, same, wait_for

LINE = re.compile(r'^(#.*|[a-z_:]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? -?\d+)$')


def test_figures(place):
    file = place.folder / "state" / "chalkgate.prom"
    place.configure(more=f"metrics: {{file: '{file}', every: 1s}}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    wait_for("the file of figures", file.exists)
    for name in ("tracker.example", "www.tracker.example", '"};evil.tracker.example', "a\\n.tracker.example"):
        resolver.ask(name)

    def denied():
        found = re.search(r"^chalkgate_denied_total (\d+)$", file.read_text(), re.M)
        return found and int(found[1]) == 4
    wait_for("four denials counted", denied)
    text = file.read_text()
    same([line for line in text.splitlines() if not LINE.match(line)], [], "lines that are not well formed")
    holds('chalkgate_listed_names{category="ads"} 1\n' in text, "the category's names")
    holds("tracker" not in text, "a name that somebody asked for")


def test_unwritable_file_is_told_once(place):
    place.configure(more="metrics: {file: /nonexistent/chalkgate.prom, every: 1s}\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    wait_for("the log says so", lambda: "metrics: cannot write" in resolver.log())
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "answers go on")


if __name__ == "__main__":
    lab.main()
