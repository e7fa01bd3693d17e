"""Lists imported and rolled back while dnsperf asks at a steady rate: no question is lost, and a name that is in every
generation is denied throughout."""
import re
import subprocess

import lab
from lab import holds, need, same

RATE, NAMES = 400, 200000


def lists_of(place, number):
    """200,000 names, half of them in the next list, too; and those that are asked."""
    return place.list_of(f"many{number}", [f"always{i}.example" for i in range(1000)] +
                         [f"n{i}.list{i % 7}.example" for i in range(number * NAMES // 2, (number + 2) * NAMES // 2)])


def test_no_question_is_lost(place):
    need("dnsperf")
    place.configure()
    arguments = ["lists", "import", "--category", "ads", "--replace", "--allow-shrink", "--reason", "x"]
    place.command(*arguments, lists_of(place, 0))
    resolver = place.resolver()
    queries = place.write("queries", "".join(f"www.always{i}.example A\nalways{i}.example AAAA\n" for i in range(1000)))
    asking = subprocess.Popen(["dnsperf", "-s", "127.0.0.1", "-p", str(place.port), "-d", queries, "-c", "4", "-Q", str(RATE), "-t", "20",
                               "-l", "600"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    place.processes.append(asking)
    for number in (1, 2, 3):
        place.command(*arguments, lists_of(place, number))
        same(resolver.ask(f"n{(number + 1) * NAMES // 2}.list{(number + 1) * NAMES // 2 % 7}.example").rcode, "NXDOMAIN", "a new name")
    place.command("lists", "rollback", "--reason", "x")
    same(place.json("status")["generation"], 3, "the generation in force")
    holds(asking.poll() is None, "dnsperf still asks")
    asking.send_signal(lab.signal.SIGINT)
    told = asking.communicate(timeout=lab.PATIENCE)[0]
    same(re.search(r"Queries lost:\s+(\d+)", told)[1], "0", told)
    codes = re.search(r"Response codes:\s+(.*)", told)[1]
    holds(re.fullmatch(r"NXDOMAIN \d+ \(100\.00%\)", codes), told)
    holds(int(re.search(r"Queries completed:\s+(\d+)", told)[1]) > 100, told)


if __name__ == "__main__":
    lab.main()
