"""DNS over TLS towards upstreams: by name with a bootstrap server, kept connections, sessions taken up again, and
what breaks in the middle. Certificates are of an authority of our own."""
import concurrent.futures
import contextlib
import os
import socket
import threading
import time

import lab
from lab import holds, same, wait_for
from test_net import certificate
from upstream import Reply, Upstream, address_of

NAME = "dns.school.test"


def ground(place, upstreams, authority, more=""):
    place.configure(upstreams=upstreams, workers=1, more=more)
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    return place.resolver(env={**os.environ, "SSL_CERT_FILE": str(authority)})


def opened(place, more=""):
    cert, key, authority = certificate(place, NAME)
    up = place.enter(Upstream(tls=(cert, key)))
    return up, ground(place, [{"address": f"127.0.0.1:{up.port}", "transport": "tls", "tls-name": NAME}], authority, more)


def right(resolver, name):
    answer = resolver.ask(name, timeout=8)
    same((answer.rcode, answer.addresses), ("NOERROR", [address_of(name)]), name)


class Names(Upstream):
    """A bootstrap server: every name is at `where`, over IPv4 alone."""

    def __init__(self, where, **more):
        super().__init__(**more)
        self.faults.replies = lambda message, tcp: (
            [Reply(self.faults.good(message, address=where))] if message.kind == 1 else self.faults.fault_nodata(message, None, tcp))


def test_pipelined_on_few_connections(place):
    up, resolver = opened(place)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        names = [f"n{at}.late-{200 if at % 2 else 1}.example" for at in range(80)]
        list(pool.map(lambda name: right(resolver, name), names))
    holds(up.connections <= 4, f"{up.connections} connections for 80 questions at a time")
    same({one.transport for one in up.seen}, {"tcp"}, "how the upstream was asked")


def test_sessions_are_taken_up_again(place):
    """RFC 8446 section 2.2: the next connection costs no new key exchange."""
    up, resolver = opened(place)
    for at in range(4):
        right(resolver, f"n{at}.site.example")
        # The server ends the connection in the middle of a message; the next question makes another one.
        holds(resolver.ask(f"n{at}.tcpclose.example", timeout=8) is not None, "an answer of some kind")
    holds(up.connections >= 2, "another connection was made")
    holds(up.resumed >= 1, f"{up.resumed} of {up.connections} connections went on with a session")


def test_cut_off_in_the_middle(place):
    up, resolver = opened(place)
    for word in ("tcpcut", "tcpclose"):
        for at in range(3):
            answer = resolver.ask(f"a{at}.{word}.example", timeout=8)
            same((answer.rcode, answer.answers), ("SERVFAIL", []), word)
        right(resolver, f"after.{word}.example".replace(word, "whole"))
    answer = resolver.ask("a.tcphangs.example", timeout=8)
    same(answer.rcode, "SERVFAIL", "a server that says nothing")
    right(resolver, "afterwards.site.example")
    holds(len(up.asked("a0.tcpcut.example")) <= 4, "questions for one")


def test_upstream_by_name(place):
    cert, key, authority = certificate(place, NAME)
    up, names = place.enter(Upstream(tls=(cert, key))), place.enter(Names("127.0.0.1"))
    resolver = ground(place, [{"host": f"{NAME}:{up.port}", "transport": "tls"}], authority, f"bootstrap: [\"127.0.0.1:{names.port}\"]\n")
    right(resolver, "www.site.example")
    same({one.name.lower() for one in names.seen}, {NAME}, "what the bootstrap server was asked")
    same(up.asked(NAME), [], "and the upstream")
    shown = place.json("status")["upstreams"]
    same([(one["address"], one["state"]) for one in shown if one.get("host")], [(f"127.0.0.1:{up.port}", "answering")], "status")


def test_upstream_by_name_after_reloads(place):
    """What was found out of a host is still told, and asked, when the configuration is read again; another host is looked up."""
    cert, key, authority = certificate(place, NAME)
    up, names = place.enter(Upstream(tls=(cert, key))), place.enter(Names("127.0.0.1"))
    bootstrap = f"bootstrap: [\"127.0.0.1:{names.port}\"]\n"
    resolver = ground(place, [{"host": f"{NAME}:{up.port}", "transport": "tls"}], authority, bootstrap)

    def told():
        return [(one["host"], one["address"]) for one in place.json("status")["upstreams"] if "host" in one]
    right(resolver, "www.site.example")
    same(told(), [(f"{NAME}:{up.port}", f"127.0.0.1:{up.port}")], "status")
    for more in (bootstrap, bootstrap + "records: {printer.example: [\"10.0.0.9\"]}\n"):
        place.configure(upstreams=[{"host": f"{NAME}:{up.port}", "transport": "tls"}], workers=1, more=more)
        place.command("reload", "--reason", "x")
        same(told(), [(f"{NAME}:{up.port}", f"127.0.0.1:{up.port}")], "status after a reload")
    same(len(names.asked(NAME)), 2, "the bootstrap server was asked once for each family")
    right(resolver, "www2.site.example")
    plain = place.enter(Upstream())
    place.configure(upstreams=[{"host": f"dns2.school.test:{plain.port}"}], workers=1, more=bootstrap)
    place.command("reload", "--reason", "x")
    wait_for("another host has its address", lambda: told() == [(f"dns2.school.test:{plain.port}", f"127.0.0.1:{plain.port}")])
    right(resolver, "www3.site.example")


def test_bootstrap_that_comes_later(place):
    cert, key, authority = certificate(place, NAME)
    up, port = place.enter(Upstream(tls=(cert, key))), place.free_port()
    resolver = ground(place, [{"host": f"{NAME}:{up.port}", "transport": "tls"}], authority, f"bootstrap: [\"127.0.0.1:{port}\"]\n")
    answer = resolver.ask("www.site.example", timeout=8)
    same(answer.rcode, "SERVFAIL", "without an address")
    wait_for("the log says so", lambda: f"the address of the upstream {NAME}" in resolver.log())
    holds(any("bootstrap" in one for one in place.json("status")["warnings"]), "status warns")
    same(resolver.ask("tracker.example").rcode, "NXDOMAIN", "a listed name meanwhile")
    place.enter(Names("127.0.0.1", port=port))
    wait_for("the upstream is found", lambda: resolver.ask("www.site.example", timeout=8).rcode == "NOERROR")


def test_bootstrap_that_lies(place):
    """Whoever forges the address sends us to a server that cannot show the name's certificate."""
    _, _, authority = certificate(place, NAME)
    cert, key, _ = certificate(place, "dns.elsewhere.test")
    liar, names = place.enter(Upstream(tls=(cert, key))), place.enter(Names("127.0.0.1"))
    resolver = ground(place, [{"host": f"{NAME}:{liar.port}", "transport": "tls"}], authority, f"bootstrap: [\"127.0.0.1:{names.port}\"]\n")
    same(resolver.ask("www.site.example", timeout=8).rcode, "SERVFAIL", "another's certificate")
    same(liar.seen, [], "what the other server learned")


class Dripping:
    """Takes connections and sends a handshake an octet at a time, without end."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.lives, self.over = self.listener.getsockname()[1], [], False
        self.thread = threading.Thread(target=self._run)

    def _drip(self, connection):
        begun = time.monotonic()
        try:
            connection.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
            while not self.over:
                connection.send(b"\x03")
                time.sleep(0.2)
        except OSError:
            self.lives.append(time.monotonic() - begun)
        connection.close()

    def _run(self):
        drips = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                drips.append(threading.Thread(target=self._drip, args=(connection,)))
                drips[-1].start()
        for one in drips:
            one.join()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *what):
        self.over = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def test_handshake_without_end(place):
    """A server that drips its handshake is left like one that says nothing, and the log tells."""
    _, _, authority = certificate(place, NAME)
    up = place.enter(Dripping())
    resolver = ground(place, [{"address": f"127.0.0.1:{up.port}", "transport": "tls", "tls-name": NAME}], authority)
    same(resolver.ask("www.site.example", timeout=8).rcode, "SERVFAIL", "without an upstream")
    wait_for("the connection is given up", lambda: up.lives, patience=12)
    holds("no connection within three seconds" in resolver.log(), "the log says so")


if __name__ == "__main__":
    lab.main()
