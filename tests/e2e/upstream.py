#!/usr/bin/env python3
"""An upstream that misbehaves on request: a name says how it is to be answered.

The label before the last tells the fault, the ones before it are free: `a.silent.example`, `b.late-300.example`.
Any other name has the address that `address_of()` makes of it. In tests: `with Upstream() as up:`, then
up.port, up.seen (what was asked, in order), up.down = True for an outage. From a shell:
`upstream.py --port N` until a signal ends it.

Nothing here is longer than a test: no zone, no state, faults only. Everything runs on one asyncio loop in a
thread of its own.
"""
import argparse
import asyncio
import hashlib
import socket
import ssl
import struct
import threading
import time

import dns


def address_of(name, kind=1):
    """The address of a name: public, and always the same for the same name, whatever its case."""
    digest = hashlib.sha256(name.lower().rstrip(".").encode("latin-1")).digest()
    if kind == 28:
        return "2a01:4f8::" + digest[:2].hex().lstrip("0").rjust(1, "1") + ":1"
    return f"11.{digest[0]}.{digest[1]}.{digest[2] % 250 + 1}"


class Seen:
    """One question that came."""

    def __init__(self, message, transport, peer):
        self.name, self.kind, self.ident, self.edns = message.name, message.kind, message.ident, message.edns
        self.flags, self.klass, self.options = message.flags, message.klass, message.options
        self.transport, self.port, self.time = transport, peer[1], time.monotonic()


class Reply:
    """What is to be sent, when, and by which socket."""

    def __init__(self, wire, after=0.0, other_port=False, close=False):
        self.wire, self.after, self.other_port, self.close = wire, after, other_port, close


def header(message, rcode=0, answers=0, authority=0, additional=0, flags=0x8180, ident=None, questions=1):
    return struct.pack(">HHHHHH", message.ident if ident is None else ident & 0xffff, flags | rcode, questions,
                       answers, authority, additional)


class Faults:
    """fault_WORD(message, number, tcp) -> replies. The number is what follows the last dash, or None."""

    def __init__(self, zone_loop=None):
        self.zone_loop = zone_loop

    @staticmethod
    def question(message):
        return message.wire[12:message.question_end]

    def good(self, message, ttl=300, ident=None, address=None, question=None, flags=0x8180):
        """The right answer; other arguments make it wrong."""
        owner = b"\xc0\x0c"
        opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0) if message.edns is not None else b""
        more = 1 if opt else 0
        head = lambda answers, authority=0, rcode=0: header(message, rcode, answers, authority, more, flags, ident)
        asked = question if question is not None else self.question(message)
        if message.kind in (1, 28):
            data = dns.address_data(address or address_of(message.name, message.kind))
            return head(1) + asked + dns.record(owner, message.kind, ttl, data) + opt
        if message.kind == 16:
            return head(1) + asked + dns.record(owner, 16, ttl, b"\x05hello") + opt
        zone = message.name.split(".")[-1]
        return head(0, 1) + asked + dns.soa(zone, ttl) + opt

    def fault_late(self, message, number, tcp):
        return [Reply(self.good(message), after=number / 1000)]

    def fault_silent(self, message, number, tcp):
        return []

    def fault_wrongid(self, message, number, tcp):
        """`number` forgeries, then the truth after 300 ms."""
        forged = [Reply(self.good(message, ident=message.ident + 1 + i, address="11.6.6.6"))
                  for i in range(number or 3)]
        return forged + [Reply(self.good(message), after=0.3)]

    def fault_onlywrongid(self, message, number, tcp):
        return [Reply(self.good(message, ident=message.ident + 1, address="11.6.6.6"))]

    def fault_wrongport(self, message, number, tcp):
        return [Reply(self.good(message, address="11.6.6.6"), other_port=not tcp), Reply(self.good(message), after=0.3)]

    def fault_wrongname(self, message, number, tcp):
        wrong = dns.name_wire("other." + message.name) + struct.pack(">HH", message.kind, message.klass)
        return [Reply(self.good(message, question=wrong, address="11.6.6.6")), Reply(self.good(message), after=0.3)]

    def fault_wrongtype(self, message, number, tcp):
        wrong = dns.name_wire(message.name) + struct.pack(">HH", 15, message.klass)
        return [Reply(self.good(message, question=wrong, address="11.6.6.6")), Reply(self.good(message), after=0.3)]

    def fault_wrongclass(self, message, number, tcp):
        wrong = dns.name_wire(message.name) + struct.pack(">HH", message.kind, 3)
        return [Reply(self.good(message, question=wrong, address="11.6.6.6")), Reply(self.good(message), after=0.3)]

    def fault_wrongcase(self, message, number, tcp):
        """Forged over UDP, where the case of letters is all that tells; right over TCP."""
        if tcp:
            return [Reply(self.good(message))]
        lower = dns.name_wire(message.name.swapcase()) + struct.pack(">HH", message.kind, message.klass)
        return [Reply(self.good(message, question=lower, address="11.6.6.6"))]

    def fault_query(self, message, number, tcp):
        """The question itself comes back, without the reply bit."""
        return [Reply(message.wire), Reply(self.good(message), after=0.3)]

    def fault_header(self, message, number, tcp):
        return [Reply(header(message, number or 0, questions=0))]

    def fault_headerthengood(self, message, number, tcp):
        return [Reply(header(message, number or 0, questions=0)), Reply(self.good(message), after=0.3)]

    def fault_rcode(self, message, number, tcp):
        return [Reply(header(message, number) + self.question(message))]

    def fault_truncated(self, message, number, tcp):
        """Truncated over UDP, whole over TCP."""
        if tcp:
            return [Reply(self.good(message))]
        return [Reply(header(message, flags=0x8380) + self.question(message))]

    def fault_alwaystruncated(self, message, number, tcp):
        return [Reply(header(message, flags=0x8380) + self.question(message))]

    def fault_tcpcloses(self, message, number, tcp):
        return [Reply(b"", close=True)] if tcp else self.fault_truncated(message, number, tcp)

    def fault_tcpclose(self, message, number, tcp):
        """The end instead of an answer, in the middle of the length."""
        return [Reply(b"\0", close=True)] if tcp else self.fault_truncated(message, number, tcp)

    def fault_tcpjunk(self, message, number, tcp):
        """Over TCP a message that answers nothing, then the end: the connection has served, and nobody."""
        if not tcp:
            return self.fault_truncated(message, number, tcp)
        wire = self.good(message, ident=message.ident ^ 1)
        return [Reply(struct.pack(">H", len(wire)) + wire, close=True)]

    def fault_tcphangs(self, message, number, tcp):
        return [] if tcp else self.fault_truncated(message, number, tcp)

    def fault_tcpcut(self, message, number, tcp):
        """Half a message over TCP, then the end."""
        if not tcp:
            return self.fault_truncated(message, number, tcp)
        wire = self.good(message)
        return [Reply(struct.pack(">H", len(wire)) + wire[:len(wire) // 2], close=True)]

    def fault_noedns(self, message, number, tcp):
        if message.edns is not None:
            return [Reply(header(message, 1) + self.question(message))]
        return [Reply(self.good(message))]

    def fault_noednsheader(self, message, number, tcp):
        """The same from a server that does not repeat the question."""
        return [Reply(header(message, 1, questions=0))] if message.edns is not None else [Reply(self.good(message))]

    def fault_dropsedns(self, message, number, tcp):
        return [] if message.edns is not None else [Reply(self.good(message))]

    def fault_longtext(self, message, number, tcp):
        """64 kB of TXT; truncated over UDP."""
        if not tcp:
            return self.fault_truncated(message, number, tcp)
        text = b"".join(dns.record(b"\xc0\x0c", 16, 300, b"\xff" + bytes([65 + i % 26]) * 255) for i in range(240))
        return [Reply(header(message, answers=240) + self.question(message) + text)]

    def fault_manykeys(self, message, number, tcp):
        """KeyTrap's bulk: 64 kB of the same type, each record with the tag of the others."""
        if not tcp:
            return self.fault_truncated(message, number, tcp)
        rows = b"".join(dns.record(b"\xc0\x0c", message.kind, 300, b"\1\1\3\x0d" + struct.pack(">I", i) * 16) for i in range(800))
        return [Reply(header(message, answers=800) + self.question(message) + rows)]

    def fault_addresses(self, message, number, tcp):
        if not tcp:
            return self.fault_truncated(message, number, tcp)
        count = number or 4000
        rows = b"".join(dns.record(b"\xc0\x0c", 1, 300, struct.pack(">I", (11 << 24) + 65536 + i)) for i in range(count))
        return [Reply(header(message, answers=count) + self.question(message) + rows)]

    def fault_longnames(self, message, number, tcp):
        """A chain of names of 126 labels, and 64 KB of addresses of the last of them, each by a pointer."""
        if not tcp:
            return self.fault_truncated(message, number, tcp)
        wire, count, owner = bytearray(header(message, flags=0x8180) + self.question(message)), 0, 12
        for hop in range(14):
            target = bytes((1, 97 + hop)) * 126 + b"\0"
            wire += struct.pack(">HHHIH", 0xc000 | owner, 5, 1, 60, len(target))
            owner, count = len(wire), count + 1
            wire += target
        while len(wire) <= 65535 - 16:
            wire += struct.pack(">HHHIHI", 0xc000 | owner, 1, 1, 60, 4, 0x0b000000 + count)
            count += 1
        struct.pack_into(">H", wire, 6, count)
        return [Reply(bytes(wire))]

    def fault_ttl(self, message, number, tcp):
        return [Reply(self.good(message, ttl=number))]

    def _chain(self, message, names, end=True):
        rows, owner = b"", message.name
        for target in names:
            rows += dns.record(owner, 5, 300, dns.name_wire(target))
            owner = target
        if end:
            rows += dns.record(owner, message.kind, 300, dns.address_data(address_of(owner, message.kind)))
        wire = header(message, answers=len(names) + end) + self.question(message) + rows
        return self._fit(message, wire)

    def _fit(self, message, wire):
        if len(wire) <= 1232 or message.transport == "tcp":
            return [Reply(wire)]
        return [Reply(header(message, flags=0x8380) + self.question(message))]

    def fault_chain(self, message, number, tcp):
        return self._chain(message, [f"c{i}.chained.example" for i in range(number or 8)])

    def fault_loop(self, message, number, tcp):
        return self._chain(message, ["l1.loop.example", "l2.loop.example", message.name], end=False)

    def fault_selfalias(self, message, number, tcp):
        return self._chain(message, [message.name], end=False)

    def fault_endless(self, message, number, tcp):
        """One alias a reply, and the target is the next such name."""
        first = message.name.split(".")[0]
        count = int(first[1:]) if first[1:].isdigit() else 0
        return self._chain(message, [f"e{count + 1}.endless.example"], end=False)

    def fault_cloaked(self, message, number, tcp):
        """An alias to the name that the first label spells: `tracker-_-example.cloaked.example`."""
        return self._chain(message, [message.name.split(".")[0].replace("-_-", ".")])

    def _service(self, message, priority, target, parameters=b"", more=b""):
        data = struct.pack(">H", priority) + dns.name_wire(target) + parameters
        row = dns.record(b"\xc0\x0c", message.kind, 300, data)
        return [Reply(header(message, answers=1) + self.question(message) + row + more)]

    def fault_svcalias(self, message, number, tcp):
        """HTTPS and SVCB in AliasMode (RFC 9460 section 2.4.2), to the name that the first label spells."""
        target = message.name.split(".")[0].replace("-_-", ".")
        return self._service(message, 0, target) if message.kind in (64, 65) else [Reply(self.good(message))]

    def fault_svctarget(self, message, number, tcp):
        """The same in ServiceMode, with alpn."""
        target = message.name.split(".")[0].replace("-_-", ".")
        return self._service(message, 1, target, dns.option(1, b"\2h2")) if message.kind in (64, 65) else [Reply(self.good(message))]

    def fault_svchint(self, message, number, tcp):
        """ServiceMode of the name itself, with the hint 11.66.0.N and `ech`."""
        hint = bytes([11, 66, 0, number or 1])
        parameters = dns.option(1, b"\2h2") + dns.option(4, hint) + dns.option(5, b"\0\4ech!")
        return self._service(message, 1, ".", parameters) if message.kind in (64, 65) else [Reply(self.good(message))]

    def fault_dname(self, message, number, tcp):
        """A DNAME of the parent to tracker.example, with the alias made of it."""
        parent = ".".join(message.name.split(".")[1:])
        alias = message.name.split(".")[0] + ".tracker.example"
        rows = (dns.record(parent, 39, 300, dns.name_wire("tracker.example")) + dns.record(b"\xc0\x0c", 5, 300, dns.name_wire(alias))
                + dns.record(alias, 1, 300, dns.address_data(address_of(alias))))
        return [Reply(header(message, answers=3) + self.question(message) + rows)]

    def fault_aliasat(self, message, number, tcp):
        """An alias to below tracker.example, at the address 11.66.0.N."""
        rows = (dns.record(b"\xc0\x0c", 5, 300, dns.name_wire("www.tracker.example"))
                + dns.record("www.tracker.example", 1, 300, bytes([11, 66, 0, number or 1])))
        return [Reply(header(message, answers=2) + self.question(message) + rows)]

    def fault_barealias(self, message, number, tcp):
        """An alias without anything behind it, as for types that the target does not have."""
        return self._chain(message, [message.name.split(".")[0].replace("-_-", ".")], end=False)

    def fault_at(self, message, number, tcp):
        """The address 11.66.0.N, or 2a01:66::N."""
        return [Reply(self.good(message, address=f"11.66.0.{number or 1}" if message.kind == 1 else f"2a01:66::{number or 1}"))]

    def fault_private(self, message, number, tcp):
        return [Reply(self.good(message, address="192.168.1.1" if message.kind == 1 else "fd00::1"))]

    def fault_rdlen(self, message, number, tcp):
        row = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 65535) + b"\1\2\3\4"
        return [Reply(header(message, answers=1) + self.question(message) + row)]

    def fault_count(self, message, number, tcp):
        return [Reply(header(message, answers=65535) + self.question(message))]

    def fault_cut(self, message, number, tcp):
        return [Reply(self.good(message)[:number or 1])]

    def fault_trailing(self, message, number, tcp):
        return [Reply(self.good(message) + b"\0" * 16)]

    def fault_selfpointer(self, message, number, tcp):
        at = message.question_end
        row = struct.pack(">H", 0xc000 | at) + struct.pack(">HHIH", 1, 1, 300, 4) + b"\13\6\6\6"
        return [Reply(header(message, answers=1) + self.question(message) + row)]

    def fault_forwardpointer(self, message, number, tcp):
        row = struct.pack(">H", 0xc000 | (message.question_end + 20)) + struct.pack(">HHIH", 1, 1, 300, 4) + b"\13\6\6\6"
        return [Reply(header(message, answers=1) + self.question(message) + row + b"\1x\0")]

    def fault_nodata(self, message, number, tcp):
        """No data and no SOA."""
        return [Reply(header(message) + self.question(message))]

    def fault_nxdomain(self, message, number, tcp):
        """No such name, with or without (`nxdomain-0`) a SOA."""
        if number == 0:
            return [Reply(header(message, 3) + self.question(message))]
        return [Reply(header(message, 3, authority=1) + self.question(message) + dns.soa("example", number or 300, number or 300))]

    def fault_poison(self, message, number, tcp):
        """The right answer with presents: an address and a server for another name."""
        opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
        rows = (dns.record(b"\xc0\x0c", 1, 300, dns.address_data(address_of(message.name)))
                + dns.record("victim.example", 1, 86400, b"\13\6\6\6")
                + dns.record("example", 2, 86400, dns.name_wire("victim.example"))
                + dns.record("victim.example", 1, 86400, b"\13\6\6\6"))
        return [Reply(header(message, 0, 2, 1, 2) + self.question(message) + rows + opt)]

    def fault_flood(self, message, number, tcp):
        forged = [Reply(self.good(message, ident=i * 7919, address="11.6.6.6")) for i in range(number or 2000)
                  if (i * 7919) & 0xffff != message.ident]
        return forged + [Reply(self.good(message), after=0.3)]

    def fault_rubbish(self, message, number, tcp):
        return [Reply(hashlib.sha256(message.wire).digest() * 4)]

    def fault_empty(self, message, number, tcp):
        return [Reply(b"")]

    def replies(self, message, tcp):
        labels = message.name.lower().split(".")
        word, _, number = (labels[-2] if len(labels) > 1 else "").partition("-")
        fault = getattr(self, "fault_" + word, None)
        if fault is None:
            return [Reply(self.good(message))]
        return fault(message, int(number) if number.isdigit() else None, tcp)


class Upstream:
    def __init__(self, address="127.0.0.1", port=0, tls=None, delay=0.0):
        """`tls`: (certificate file, key file) to speak TLS on the TCP port instead."""
        self.address, self.port, self.tls, self.delay = address, port, tls, delay
        self.down = False
        self.seen = []
        self.connections = self.resumed = 0
        self.faults = Faults()
        self._ready = threading.Event()
        self._loop = None
        self._fault = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._ready.wait(10)
        if self._fault:
            raise self._fault
        return self

    def __exit__(self, *unused):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def asked(self, name):
        """The questions that came for a name, whatever their case."""
        return [one for one in list(self.seen) if one.name.lower() == name.lower()]

    def _run(self):
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._open())
        except OSError as fault:
            self._fault = fault
            self._ready.set()
            return
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._udp.close()
        self._other.close()
        self._tcp.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _open(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        for _ in range(50):
            udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((self.address, self.port))
                tcp.bind((self.address, udp.getsockname()[1]))
                break
            except OSError:
                udp.close()
                tcp.close()
                if self.port:
                    raise
        else:
            raise OSError("no port is free for UDP and TCP")
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = udp.getsockname()[1]
        outer = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                outer._udp = transport

            def datagram_received(self, data, peer):
                outer._datagram(data, peer)

        await self._loop.create_datagram_endpoint(Datagrams, sock=udp)
        self._other = socket.socket(family, socket.SOCK_DGRAM)
        self._other.bind((self.address, 0))
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
        self._tcp = await asyncio.start_server(self._connection, sock=tcp, ssl=context, backlog=256)

    def _message(self, data, transport, peer):
        try:
            message = dns.Message(data)
        except (struct.error, IndexError, ValueError):
            return None
        if message.name is None or message.flags & 0x8000:
            return None
        message.transport = transport
        self.seen.append(Seen(message, transport, peer))
        return message

    def _datagram(self, data, peer):
        message = self._message(data, "udp", peer)
        if message is None or self.down:
            return
        for reply in self.faults.replies(message, False):
            self._loop.call_later(reply.after + self.delay, self._send, reply, peer)

    def _send(self, reply, peer):
        if self.down:
            return
        if reply.other_port:
            self._other.sendto(reply.wire, peer)
        else:
            self._udp.sendto(reply.wire, peer)

    async def _connection(self, reader, writer):
        self.connections += 1
        if self.tls:
            self.resumed += writer.get_extra_info("ssl_object").session_reused
        peer = writer.get_extra_info("peername")
        tasks = set()
        try:
            while True:
                size = struct.unpack(">H", await reader.readexactly(2))[0]
                message = self._message(await reader.readexactly(size), "tcp", peer)
                if message is None or self.down:
                    continue
                task = self._loop.create_task(self._answer(message, writer))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            for task in list(tasks):
                task.cancel()
            writer.close()

    async def _answer(self, message, writer):
        try:
            for reply in self.faults.replies(message, True):
                if reply.after + self.delay > 0:
                    await asyncio.sleep(reply.after + self.delay)
                if reply.close:
                    writer.write(reply.wire)
                    await writer.drain()
                    writer.close()
                    return
                writer.write(struct.pack(">H", len(reply.wire)) + reply.wire)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError, RuntimeError):
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5300)
    arguments = parser.parse_args()
    with Upstream(arguments.address, arguments.port) as upstream:
        print(f"answering on {arguments.address} port {upstream.port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
