"""Storms: hostile clients, a hostile upstream, upstreams that come and go, and kills, each beside ordinary clients.

These do as stub resolvers do: a question that is not answered, or with SERVFAIL, is asked once more after one to five
seconds. Denied and cached names are answered whatever happens, the others as long as one upstream lives, and nobody is
ever told anything wrong.
"""
import collections
import random
import socket
import struct
import threading
import time

import dns
import lab
from lab import holds, same, wait_for
from test_operation import Load
from upstream import Faults, Reply, Upstream, address_of

DENIED, HOT = "tracker.example", [f"hot{i}.site.example" for i in range(20)]
FORGED = "11.6.6.6"
STARTS_AGAIN_S = 8.0  # under sanitizers, on a loaded machine; released it is below one


class Clients:
    """Ordinary clients with addresses of their own, until the `with` ends; what became of each question of theirs."""

    def __init__(self, place, count=6, kinds=("denied", "hot", "fresh")):
        self.place, self.kinds = place, kinds
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.asked, self.failed, self.wrong, self.first = collections.Counter(), collections.Counter(), [], collections.Counter()
        self.threads = [threading.Thread(target=self.run, args=(at,)) for at in range(count)]

    __enter__, __exit__ = Load.__enter__, Load.__exit__

    def run(self, number):
        chance = random.Random(number)
        while not self.stop.is_set():
            kind = chance.choice(self.kinds)
            name = {"denied": f"c{chance.randrange(99)}.{DENIED}", "hot": chance.choice(HOT),
                    "fresh": f"new{number}x{chance.randrange(10 ** 9)}.site.example"}[kind]
            at_once, answer = self.ask(name, f"127.0.1.{number + 1}", chance)
            with self.lock:
                self.asked[kind] += 1
                self.first[kind] += at_once
                self.failed[kind] += answer is None
                if answer is not None and not self.is_right(kind, name, answer):
                    self.wrong.append(f"{name}: {answer}")
            time.sleep(0.01)

    def ask(self, name, source, chance):
        """As a stub asks: whether the first try was answered, and the answer or None."""
        for tries in (1, 2):
            begun, patience = time.monotonic(), chance.uniform(1, 5)
            answer = dns.ask(name, port=self.place.port, source=source, timeout=5)
            if answer is not None and answer.rcode != "SERVFAIL":
                return tries == 1, answer
            if tries == 1:
                time.sleep(max(0, patience - (time.monotonic() - begun)))
        return False, None

    @staticmethod
    def is_right(kind, name, answer):
        if kind == "denied":
            return answer.rcode == "NXDOMAIN" and not answer.answers
        return (answer.rcode, answer.addresses) == ("NOERROR", [address_of(name)])

    def check(self, share=None):
        """Nothing wrong; denied and hot names all answered, of fresh ones a share."""
        told = f"asked {dict(self.asked)}, at the first try {dict(self.first)}, in vain {dict(self.failed)}"
        print(told)
        same(self.wrong[:5], [], "wrong answers")
        holds(min(self.asked[kind] for kind in self.kinds) > 20, told)
        same((self.failed["denied"], self.failed["hot"]), (0, 0), told)
        if share is not None:
            holds(self.failed["fresh"] <= (1 - share) * self.asked["fresh"], told)


def opened(place, upstreams, more="", workers=1):
    place.configure(upstreams=[f"127.0.0.1:{one.port}" for one in upstreams], more=more, workers=workers, categories=["ads"])
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", [DENIED]))
    resolver = place.resolver()
    for name in HOT * 2:
        same(resolver.ask(name).rcode, "NOERROR", name)
    return resolver


# Hostile clients.

class Hostile:
    """Floods from many addresses, each some hundred datagrams in a hundredth of a second."""

    def __init__(self, place, makers):
        self.place, self.stop, self.sent = place, threading.Event(), 0
        self.threads = [threading.Thread(target=self.run, args=one) for one in makers] + [threading.Thread(target=self.connections)]

    __enter__, __exit__ = Load.__enter__, Load.__exit__

    def run(self, make, rate, addresses):
        socks = []
        for at in range(addresses):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((f"127.9.{at // 250}.{at % 250 + 1}", 0))
            sock.setblocking(False)
            socks.append(sock)
        begun, sent = time.monotonic(), 0
        while not self.stop.is_set():
            while sent < (time.monotonic() - begun) * rate:
                try:
                    socks[sent % addresses].sendto(make(sent), ("127.0.0.1", self.place.port))
                except OSError:
                    pass
                sent += 1
            time.sleep(0.005)
        self.sent += sent
        for sock in socks:
            sock.close()

    def connections(self):
        """Idle ones, ones that begin a question and never end it, and ones that send rubbish."""
        socks, chance = [], random.Random(9)
        while not self.stop.wait(0.02):
            sock = socket.socket()
            try:
                sock.bind((f"127.9.9.{chance.randrange(1, 250)}", 0))
                sock.connect(("127.0.0.1", self.place.port))
                sock.send(chance.choice([b"\0", b"\0\x40half", chance.randbytes(400), struct.pack(">H", 12) + bytes(12)]))
                socks.append(sock)
            except OSError:
                sock.close()
        for sock in socks:
            sock.close()


def silent(number):
    return dns.query(f"s{number}.silent.example", ident=number & 0xffff)


def broken(number):
    chance = random.Random(number)
    wire = bytearray(dns.query(f"b{number}.{DENIED}", do=True, options=dns.option(10, chance.randbytes(8))))
    for _ in range(chance.randrange(1, 6)):
        wire[chance.randrange(len(wire))] = chance.randrange(256)
    return bytes(wire[:chance.randrange(1, len(wire) + 1)])


def rubbish_names(number):
    return dns.query(f"r{number}.random.example", ident=number & 0xffff)


def in_flight(place):
    return place.json("status")["queries"]["in_flight"]


def test_hostile_clients(place):
    """More questions that nobody answers than there are places, from more clients than may share them."""
    good = place.enter(Upstream())
    hole = place.enter(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))  # takes questions, and answers none
    hole.bind(("127.0.0.1", 0))
    resolver = opened(place, [good], more=f"forward-zones: {{silent.example: [\"127.0.0.1:{hole.getsockname()[1]}\"]}}\n")
    with Hostile(place, [(silent, 5500, 60), (broken, 500, 20), (rubbish_names, 100, 5)]):
        wait_for("the places are taken", lambda: in_flight(place) > 10000, 20, 0.2)
        with Clients(place) as clients:
            time.sleep(5)
    clients.check(1.0)
    same(resolver.process.poll(), None, "the resolver runs")


# A hostile upstream.

class Lies(Faults):
    """The truth now and then, so that it is not put aside; else anything but, by chance, and nothing that could be taken for it."""
    WAYS = [("silent", None), ("wrongid", 3), ("onlywrongid", None), ("wrongname", None), ("wrongtype", None), ("wrongclass", None),
            ("wrongport", None), ("query", None), ("header", 0), ("header", 2), ("rcode", 1), ("rcode", 2), ("rcode", 4), ("rcode", 5),
            ("alwaystruncated", None), ("tcpcloses", None), ("tcphangs", None), ("tcpcut", None), ("noedns", None), ("dropsedns", None),
            ("loop", None), ("rdlen", None), ("count", None), ("cut", 30), ("selfpointer", None), ("forwardpointer", None),
            ("flood", 100), ("rubbish", None), ("empty", None)]

    def __init__(self):
        super().__init__()
        self.chance = random.Random(4)

    def replies(self, message, tcp):
        if self.chance.random() < 0.4:
            return [Reply(self.good(message))]
        way, number = self.chance.choice(self.WAYS)
        return getattr(self, "fault_" + way)(message, number, tcp)


def test_hostile_upstream(place):
    """One of two upstreams lies and breaks off in every way that can be told from the truth."""
    good, bad = place.enter(Upstream(delay=0.03)), place.enter(Upstream())
    bad.faults = Lies()
    opened(place, [bad, good])
    with Clients(place) as clients:
        time.sleep(5)
    clients.check(1.0)
    holds(len(bad.seen) > 20, f"the hostile one was asked {len(bad.seen)} times only")


# Upstreams that come and go.

class Flapping:
    """Upstreams, each down while another is up, in turns."""

    def __init__(self, upstreams, period):
        self.upstreams, self.period, self.stop, self.turns = upstreams, period, threading.Event(), 0
        self.threads = [threading.Thread(target=self.run)]

    def run(self):
        while not self.stop.is_set():
            self.turns += 1
            for at, one in enumerate(self.upstreams):
                one.down = at != self.turns % max(2, len(self.upstreams))
            self.stop.wait(self.period)
        for one in self.upstreams:
            one.down = False

    __enter__, __exit__ = Load.__enter__, Load.__exit__


def test_flapping_upstreams(place):
    """Two upstreams, of which always one is down."""
    ups = [place.enter(Upstream()), place.enter(Upstream())]
    opened(place, ups)
    with Flapping(ups, 0.9), Clients(place) as clients:
        time.sleep(5)
    clients.check(1.0)


def test_flapping_alone(place):
    """The only upstream is away every other second: what is new may have to be asked for twice."""
    up = place.enter(Upstream())
    opened(place, [up])
    with Flapping([up], 1.0), Clients(place) as clients:
        time.sleep(5)
    clients.check(0.95)


# Kills.

def test_kills(place):
    up = place.enter(Upstream())
    resolver = opened(place, [up], more="cache: {keep: true}\n")
    took = []
    with Clients(place) as clients:
        for _ in range(4):
            time.sleep(1)
            resolver.kill()
            begun = time.monotonic()
            resolver = place.resolver()
            took.append(time.monotonic() - begun)
    print(f"seconds from a kill to the first answer: {took}")
    holds(max(took) < STARTS_AGAIN_S, f"seconds from a kill to the first answer: {took}")
    clients.check(1.0)


if __name__ == "__main__":
    lab.main()
