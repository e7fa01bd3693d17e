"""One upstream that misbehaves in every way: what the client is told, and by which counter it is seen.

The table is of `upstream.py`'s faults. Each is asked for by itself, so that what the counters say is of it alone; those
that are answered when all patience is at an end are asked for together.
"""
import concurrent.futures

import lab
from lab import holds, same
from upstream import Upstream, address_of

RIGHT, FAILED, MISSING, EMPTY = ("NOERROR", True), ("SERVFAIL", False), ("NXDOMAIN", False), ("NOERROR", False)

# Fault: what the client gets, and the least that some counters grow by; a count of 0 means not at all.
AT_ONCE = {
    "late-300": (RIGHT, {"replies": 1, "timeouts": 0}),
    "wrongid-3": (RIGHT, {"replies_refused": 3, "replies": 1}),
    "wrongport": (RIGHT, {"replies": 1}),  # the kernel keeps it from us
    "wrongname": (RIGHT, {"replies_refused": 1}),
    "wrongtype": (RIGHT, {"replies_refused": 1}),
    "wrongclass": (RIGHT, {"replies_refused": 1}),
    "wrongcase": (RIGHT, {"replies_refused": 1, "forwarded_tcp": 1}),
    "query": (RIGHT, {"replies_refused": 1}),
    "headerthengood": (RIGHT, {"replies_refused": 1}),
    "flood-500": (RIGHT, {"replies_refused": 200}),  # the kernel keeps some 280 while the resolver has no turn
    "rcode-1": (FAILED, {"replies_failed": 2, "servfail": 1}),  # with EDNS, and without
    "rcode-2": (FAILED, {"replies_failed": 1, "servfail": 1}),
    "rcode-3": (MISSING, {"replies": 1, "replies_failed": 0}),
    "rcode-4": (FAILED, {"replies_failed": 2, "servfail": 1}),
    "rcode-5": (FAILED, {"replies_failed": 1, "servfail": 1}),
    "truncated": (RIGHT, {"forwarded_tcp": 1}),
    "alwaystruncated": (FAILED, {"forwarded_tcp": 1, "replies_failed": 1, "servfail": 1}),
    "tcpcloses": (FAILED, {"forwarded_tcp": 1, "servfail": 1}),
    "tcpclose": (FAILED, {"forwarded_tcp": 1, "servfail": 1}),
    "tcpcut": (FAILED, {"forwarded_tcp": 1, "servfail": 1}),
    "longnames": (FAILED, {"forwarded_tcp": 1, "replies_failed": 1}),
    "ttl-0": (RIGHT, {"replies": 1}),
    "ttl-2147483648": (RIGHT, {"replies": 1}),
    "ttl-4294967295": (RIGHT, {"replies": 1}),
    "chain-30": (FAILED, {"replies_failed": 1}),
    "loop": (FAILED, {"replies_failed": 1}),
    "selfalias": (FAILED, {"replies_failed": 1}),
    "private": (EMPTY, {"denied": 1}),
    "rdlen": (FAILED, {"replies_failed": 1}),
    "count": (FAILED, {"replies_failed": 1}),
    "selfpointer": (FAILED, {"replies_failed": 1}),
    "forwardpointer": (FAILED, {"replies_failed": 1}),
    "trailing": (RIGHT, {"replies": 1}),
    "poison": (RIGHT, {"replies": 1}),
    "nodata": (EMPTY, {"replies": 1}),
    "nxdomain": (MISSING, {"replies": 1}),
    "nxdomain-0": (MISSING, {"replies": 1}),
    "noedns": (RIGHT, {"replies_failed": 1, "retried": 1}),  # the last: from now on it is asked without EDNS
}
IN_THE_END = {"silent": 0, "onlywrongid": 1, "header-0": 1, "header-2": 1, "tcphangs": 0, "cut-1": 1, "cut-11": 1, "cut-30": 1, "rubbish": 1,
              "empty": 0}  # and how many replies each question sent gets that are none


def asked(resolver, fault):
    """What comes of a name: its rcode, and whether it has its address; an address of anybody else's is a failure."""
    name = f"a.{fault}.example"
    answer = resolver.ask(name, timeout=8, tcp=fault == "longnames")
    holds(answer is not None, f"{fault}: nothing came")
    holds(answer.addresses in ([], [address_of(name)]), f"{fault}: {answer}")
    return answer.rcode, bool(answer.addresses)


def counters(place):
    return place.json("status")["queries"]


def test_each_has_its_answer_and_counter(place):
    up = place.enter(Upstream())
    place.configure(upstreams=[f"127.0.0.1:{up.port}"], workers=1)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver()
    before = counters(place)
    for fault, (told, grown) in AT_ONCE.items():
        same(asked(resolver, fault), told, fault)
        after = counters(place)
        for counter, least in grown.items():
            by = after[counter] - before[counter]
            holds(by >= least if least else by == 0, f"{fault}: {counter} grew by {by}")
        same(after["in_flight"], 0, f"{fault}: questions in flight")
        before = after
    with concurrent.futures.ThreadPoolExecutor(len(IN_THE_END)) as pool:
        for fault, told in zip(IN_THE_END, pool.map(lambda fault: asked(resolver, fault), IN_THE_END)):
            same(told, FAILED, fault)
    after = counters(place)
    same(after["servfail"] - before["servfail"], len(IN_THE_END), "SERVFAIL in the end")
    holds(after["timeouts"] - before["timeouts"] >= 2 * len(IN_THE_END), "timeouts")
    holds(after["replies_refused"] - before["replies_refused"] >= 2 * sum(IN_THE_END.values()), "replies refused")
    same(after["in_flight"], 0, "questions in flight")


if __name__ == "__main__":
    lab.main()
