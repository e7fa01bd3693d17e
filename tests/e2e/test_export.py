#!/usr/bin/env python3
"""Denials and changes out to the world: syslog over UDP, TCP and TLS, the journal, JSON lines, dnstap; collectors that
are away or hang; names that are hostile text."""
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import threading
import time

import lab
from lab import holds, need, same, wait_for
from test_net import certificate

TITLE = 'Bets ["] \\ à la carte ]'
HOSTILE = ('evil"]=\\..bets.example', "a\nb.bets.example", "\x1b[31m.bets.example", "=cmd().bets.example", "<b>.bets.example")
# RFC 5424 section 6: header, one element with parameters whose values are escaped, message.
SYSLOG = re.compile(rb'<(\d{1,3})>1 (\S+) (\S{1,255}) chalkgate (\d+) (denial|change|counted) \[(\S+?)((?: [!#-<>-\\^-~]{1,32}="'
                    rb'(?:[^"\\\]\x00-\x1f\x7f]|\\["\\\]])*")*)\] (?:\xef\xbb\xbf)?([^\x00-\x1f\x7f]*)')
PARAMETER = re.compile(rb' ([^=]+)="((?:[^"\\\]]|\\["\\\]])*)"')


def parse(message):
    """A syslog message's parameters, with "priority", "id" and "text"; fails where RFC 5424 is not kept."""
    found = SYSLOG.fullmatch(message)
    holds(found, f"no message of RFC 5424: {message!r}")
    time.strptime(found[2][:19].decode(), "%Y-%m-%dT%H:%M:%S")
    fields = {key.decode(): re.sub(rb'\\(["\\\]])', rb"\1", value).decode() for key, value in PARAMETER.findall(found[7])}
    return {**fields, "priority": int(found[1]), "event": found[5].decode(), "text": found[8].decode()}


class Collector:
    """A receiver of syslog: datagrams, or a stream of counted messages (RFC 6587), perhaps over TLS."""

    def __init__(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, where=("127.0.0.1", 0), context=None, frames=True):
        self.messages, self.connections, self.frames = [], [], frames
        self.context, self.stopped = context, False
        self.socket = socket.socket(family, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(where)
        self.port = self.socket.getsockname()[1] if family == socket.AF_INET else None
        if kind == socket.SOCK_STREAM:
            self.socket.listen(8)
        self.thread = threading.Thread(target=self.accept if kind == socket.SOCK_STREAM else self.receive, daemon=True)
        self.thread.start()

    def receive(self):
        while not self.stopped:
            try:
                self.messages.append(self.socket.recv(65536))
            except OSError:
                return

    def accept(self):
        while not self.stopped:
            try:
                connection, _ = self.socket.accept()
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
            except OSError:
                continue
            self.connections.append(connection)
            threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        held = b""
        while True:
            try:
                got = connection.recv(65536)
            except OSError:
                return
            if not got:
                return
            held += got
            while self.frames and re.match(rb"\d+ ", held):
                count, rest = held.split(b" ", 1)
                if len(rest) < int(count):
                    break
                self.messages.append(rest[:int(count)])
                held = rest[int(count):]
            while not self.frames and b"\n" in held:
                line, held = held.split(b"\n", 1)
                self.messages.append(line)

    def stop(self):
        self.stopped = True
        for one in self.connections:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def opened(place, exports, names=("bets.example",), also="", first=lambda: None, **more):
    place.configure(categories=(("gambling", {"title": TITLE}), ("self-harm", {"title": "Self-harm", "severity": "urgent"})),
                    groups={"pupils": (["127.0.0.0/8"], ["gambling", "self-harm"])},
                    more=f"export: {json.dumps(exports)}\n{also}")
    place.command("lists", "import", "--category", "gambling", "--reason", "x", place.list_of("gambling", names))
    place.command("lists", "import", "--category", "self-harm", "--reason", "x", place.list_of("self-harm", ["harm.example"]))
    first()
    return place.resolver(**more)


def exports(place):
    return {one["name"]: one for one in place.json("status")["exports"]}


def settled(place, sent):
    """Waits until each collector has so many denials."""
    wait_for(f"{sent} denials sent to each: {exports(place)}",
             lambda: all(one.get("sent", 0) >= sent and one["waiting"] == 0 for one in exports(place).values()), pause=0.3)


def journal_fields(datagram):
    """The fields of systemd's native protocol."""
    fields = {}
    while datagram:
        line, datagram = datagram.split(b"\n", 1)
        if b"=" in line:
            key, value = line.split(b"=", 1)
        else:
            key, (length,) = line, struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8:8 + length], datagram[9 + length:]
        fields[key.decode()] = value.decode()
    return fields


def test_every_form_and_hostile_names(place):
    cert, key, authority = certificate(place, "collector.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    ways = {"udp": Collector(kind=socket.SOCK_DGRAM), "tcp": Collector(), "tls": Collector(context=context),
            "local": Collector(socket.AF_UNIX, socket.SOCK_DGRAM, str(place.folder / "log")),
            "stream": Collector(socket.AF_UNIX, socket.SOCK_STREAM, str(place.folder / "lines"), frames=False)}
    journal = Collector(socket.AF_UNIX, socket.SOCK_DGRAM, str(place.folder / "journal"))
    program = place.write("collect", f"#!/bin/sh\nyes &\ncat >> {place.folder}/piped\nkill $!\n")
    program.chmod(0o755)
    at = {name: f"127.0.0.1:{one.port}" for name, one in ways.items() if one.port}
    resolver = opened(place, {
        "udp": {"form": "syslog", "address": at["udp"], "transport": "udp"},
        "tcp": {"form": "syslog", "address": at["tcp"]},
        "tls": {"form": "syslog", "address": at["tls"], "transport": "tls", "tls-name": "collector.test",
                "facility": "local3"},
        "local": {"form": "syslog", "socket": str(place.folder / "log")},
        "stream": {"form": "json", "socket": str(place.folder / "lines")},
        "journal": {"form": "journal", "socket": str(place.folder / "journal")},
        "file": {"form": "json", "file": str(place.folder / "denials.json"), "sync": True},
        "piped": {"form": "json", "command": [str(program)]}}, env={**os.environ, "SSL_CERT_FILE": str(authority)})
    wait_for("carriers have begun", lambda: all("sent" in one for one in exports(place).values()), pause=0.3)
    time.sleep(3)  # the change log's end is known to them
    for name in HOSTILE:
        same(resolver.ask(name).rcode, "NXDOMAIN", repr(name))
    same(resolver.ask("www.harm.example").rcode, "NXDOMAIN")
    place.command("allow", "good.bets.example", "--group", "pupils", "--for", "1h", "--reason", 'a ]"\\ reason')
    settled(place, len(HOSTILE) + 1)
    wait_for("changes are sent", lambda: all(one["changes"] >= 1 for one in exports(place).values()), pause=0.3)
    records = {one["case"]: one for one in place.denials()}
    same(len(records), len(HOSTILE) + 1)
    for name in ("udp", "tcp", "tls", "local"):
        told = [parse(one) for one in ways[name].messages]
        denials = {one["case"]: one for one in told if one["event"] == "denial"}
        same(set(denials), set(records), name)
        for case, one in denials.items():
            same((one["name"], one["title"], one["client"]), (records[case]["name"], records[case]["title"], "127.0.0.1"), name)
            holds(case in one["text"], one["text"])
            same(one["priority"], (19 if name == "tls" else 10) * 8 + (1 if "harm" in one["name"] else 5), one["name"])
        change = [one for one in told if one["event"] == "change" and one["action"] == "allow"]
        same([one["reason"] for one in change], ['a ]"\\ reason'], f"{name}: {told}")
    for lines in (ways["stream"].messages, (place.folder / "denials.json").read_bytes().splitlines(),
                  (place.folder / "piped").read_bytes().splitlines()):
        for line in lines:
            holds(re.fullmatch(rb"[ -~]*", line), f"not printable ASCII: {line!r}")
        told = [json.loads(line) for line in lines]
        same({one["case"] for one in told if one["event"] == "denial"}, set(records))
        same([one["reason"] for one in told if one.get("action") == "allow"], ['a ]"\\ reason'])
    same(os.stat(place.folder / "denials.json").st_mode & 0o777, 0o640)
    fields = [journal_fields(one) for one in journal.messages]
    same({one["CHALKGATE_CASE"] for one in fields if "CHALKGATE_CASE" in one}, set(records))
    same({one["PRIORITY"] for one in fields if one.get("CHALKGATE_SEVERITY") == "urgent"}, {"1"})
    same({one["SYSLOG_IDENTIFIER"] for one in fields}, {"chalkgate"})
    for one in [*ways.values(), journal]:
        one.stop()


def test_a_collector_that_is_away_or_hangs(place):
    down = place.free_port()
    hanging = socket.socket()
    hanging.bind(("127.0.0.1", 0))
    hanging.listen(1)  # connects, and never reads
    program = place.write("stuck", "#!/bin/sh\nsleep 1000\n")
    program.chmod(0o755)
    resolver = opened(place, {
        "away": {"form": "syslog", "address": f"127.0.0.1:{down}"},
        "hangs": {"form": "dnstap", "address": f"127.0.0.1:{hanging.getsockname()[1]}", "timeout": "2s"},
        "stuck": {"form": "json", "command": [str(program)], "timeout": "2s"},
        "full": {"form": "json", "file": "/dev/full"},
        "file": {"form": "json", "file": str(place.folder / "denials.json")}})
    wait_for("carriers have begun", lambda: all("sent" in one for one in exports(place).values()), pause=0.3)
    for at in range(200):
        same(resolver.ask(f"n{at}.bets.example").rcode, "NXDOMAIN")
    wait_for("the file has them", lambda: exports(place)["file"]["sent"] == 200, pause=0.3)
    wait_for("status tells of three", lambda: len([one for one in place.json("status")["warnings"] if "export" in one]) >= 3,
             pause=0.5)
    for name in ("away", "hangs", "stuck", "full"):
        wait_for(f"they wait for {name}", lambda at=name: exports(place)[at]["waiting"] == 200, pause=0.3)
        same(exports(place)[name]["sent"], 0, name)
    # Records and places outlive a kill and a collector's absence.
    resolver.kill()
    collector = Collector(where=("127.0.0.1", down))
    resolver = place.resolver()
    wait_for("what waited is sent", lambda: exports(place)["away"].get("sent") == 200, pause=0.3)
    told = [parse(one) for one in collector.messages]
    same(sorted(one["name"] for one in told if one["event"] == "denial"), sorted(f"n{at}.bets.example" for at in range(200)))
    # The collector goes and comes again, as another one.
    collector.stop()
    same(resolver.ask("later.bets.example").rcode, "NXDOMAIN")
    wait_for("the failure is told", lambda: exports(place)["away"]["last_error"], pause=0.3)
    collector = Collector(where=("127.0.0.1", down))
    wait_for("and it comes", lambda: [1 for one in collector.messages if b"later.bets.example" in one])
    wait_for("nothing is told any more", lambda: not exports(place)["away"]["last_error"], pause=0.3)
    collector.stop()
    hanging.close()
    same([json.loads(one)["name"] for one in (place.folder / "denials.json").read_text().splitlines()
          if "later" in one], ["later.bets.example"])


def test_dnstap_is_read_by_the_fields_own_reader(place):
    need("fstrm_capture", "dnstap-read")
    path, out = place.folder / "dnstap.sock", place.folder / "captured"
    capture = place.start("fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", path, "-w", out)
    wait_for("fstrm_capture listens", path.exists)
    types = place.write("lists/types.txt", "||tv.example^$dnstype=AAAA\n")
    resolver = opened(place, {"tap": {"form": "dnstap", "socket": str(path)}}, first=lambda: place.command(
        "lists", "import", "--category", "self-harm", "--reason", "x", place.list_of("self-harm", ["harm.example"]), types))
    wait_for("the carrier has begun", lambda: "sent" in exports(place)["tap"], pause=0.3)
    for name in (*HOSTILE, "www.harm.example"):
        same(resolver.ask(name, "AAAA").rcode, "NXDOMAIN")
    same(resolver.ask("tv.example", "AAAA").rcode, "NOERROR", "other types are let through")
    settled(place, len(HOSTILE) + 2)
    resolver.stop()  # ends the stream in order
    time.sleep(1)
    capture.send_signal(signal.SIGTERM)
    capture.wait(10)
    told = place.run("dnstap-read", "-y", out, expect=0).stdout
    same(len(re.findall(r"type: CLIENT_RESPONSE$", told, re.M)), len(HOSTILE) + 2, told[:3000])
    same((told.count("status: NXDOMAIN,"), told.count("status: NOERROR,")), (len(HOSTILE) + 1, 1), told[-3000:])
    holds('query_address: "127.0.0.1"' in told and "socket_protocol: UDP" in told, told[:3000])
    holds("www.harm.example. IN AAAA" in told and "NXDOMAIN" in told, told[-3000:])
    payload = pathlib.Path(out).read_bytes()
    for case in [one["case"] for one in place.denials()]:
        holds(case.encode() in payload, f"case {case} is not in the stream")


def test_pseudonyms_go_out_in_place_of_addresses(place):
    """Each form, the alerts and `denials --json` tell the pseudonym; nothing that leaves has the address in any form."""
    need("fstrm_capture", "dnstap-read")
    client, octets = "127.0.1.7", bytes((127, 0, 1, 7))
    path, out = place.folder / "dnstap.sock", place.folder / "captured"
    capture = place.start("fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", path, "-w", out)
    wait_for("fstrm_capture listens", path.exists)
    ways = {"udp": Collector(kind=socket.SOCK_DGRAM),
            "journal": Collector(socket.AF_UNIX, socket.SOCK_DGRAM, str(place.folder / "journal"))}
    program = place.write("alert", f"#!/bin/sh\ncat >> {place.folder}/alerted\n")
    program.chmod(0o755)
    resolver = opened(place, {
        "udp": {"form": "syslog", "address": f"127.0.0.1:{ways['udp'].port}", "transport": "udp"},
        "journal": {"form": "journal", "socket": str(place.folder / "journal")},
        "file": {"form": "json", "file": str(place.folder / "denials.json")},
        "tap": {"form": "dnstap", "socket": str(path)}},
        also=f"recording: {{pseudonyms: true}}\nalerts: {{command: [{program}]}}\n")
    wait_for("carriers have begun", lambda: all("sent" in one for one in exports(place).values()), pause=0.3)
    for name in ("www.bets.example", "www.harm.example"):
        same(resolver.ask(name, source=client).rcode, "NXDOMAIN")
    settled(place, 2)
    wait_for("the alert", lambda: (place.folder / "alerted").exists() and (place.folder / "alerted").read_bytes())
    mine = {one["client"] for one in place.denials()}
    same(len(mine), 1, "one device")
    mine = mine.pop()
    holds(mine.startswith("device-"), mine)
    alert = json.loads((place.folder / "alerted").read_text())
    same(alert["device"], mine)
    holds(alert["text"].startswith(mine), alert["text"])
    same({one["client"] for one in map(json.loads, (place.folder / "denials.json").read_text().splitlines())
          if one["event"] == "denial"}, {mine})
    told = [parse(one) for one in ways["udp"].messages]
    same({one["client"] for one in told if one["event"] == "denial"}, {mine})
    holds(all(one["text"].startswith(mine) for one in told if one["event"] == "denial"), str(told))
    resolver.stop()
    time.sleep(1)
    capture.send_signal(signal.SIGTERM)
    capture.wait(10)
    told = place.run("dnstap-read", "-y", out, expect=0).stdout
    same(set(re.findall(r'query_address: "(.*?)"', told)), set(re.findall(r'query_address: "(100::[0-9a-f:]+)"', told)),
         "dnstap has octets only: the pseudonym's are of 100::/64, which nobody has (RFC 6666)")
    holds("query_address" in told, told)
    for what in (b"".join(ways["udp"].messages), b"".join(ways["journal"].messages), pathlib.Path(out).read_bytes(),
                 (place.folder / "denials.json").read_bytes(), (place.folder / "alerted").read_bytes()):
        holds(what and octets not in what and client.encode() not in what, f"{client} went out: {what!r}")
    for one in ways.values():
        one.stop()


def test_rotation_backlog_and_configuration(place):
    resolver = opened(place, {"file": {"form": "json", "file": "out/denials.json", "rotate-size": "1KiB", "rotate-keep": 2,
                                       "changes": False, "severity": "urgent"}})
    (place.folder / "out").mkdir()  # made too late: it is tried again
    resolver.ask("www.bets.example")
    for at in range(12):
        resolver.ask(f"n{at}.harm.example")
        if at % 4 == 3:
            wait_for("they are written", lambda: exports(place)["file"].get("sent", 0) > at, pause=0.3)
    same(sorted(one.name for one in (place.folder / "out").iterdir()), ["denials.json", "denials.json.1", "denials.json.2"])
    told = [json.loads(line) for one in (place.folder / "out").iterdir() for line in one.read_text().splitlines()]
    same({one["category"] for one in told}, {"self-harm"}, "severity: urgent")
    # A line that was cut off is mended.
    with open(place.folder / "out" / "denials.json", "a", encoding="ascii") as file:
        file.write('{"event":"den')
    resolver.stop()
    resolver = place.resolver()
    resolver.ask("last.harm.example")
    wait_for("it goes on", lambda: exports(place)["file"].get("sent", 0) == 13, pause=0.3)
    lines = (place.folder / "out" / "denials.json").read_text().splitlines()
    same(json.loads(lines[-1])["name"], "last.harm.example", str(lines))
    for line in lines:
        json.loads(line)
    resolver.stop()
    # A file of somebody else's is neither cut nor written to.
    (place.folder / "out" / "denials.json").write_text("precious, without an end")
    resolver = place.resolver()
    resolver.ask("more.harm.example")
    wait_for("it is told", lambda: "something else" in exports(place)["file"].get("last_error", ""), pause=0.3)
    same((place.folder / "out" / "denials.json").read_text(), "precious, without an end")
    (place.folder / "out" / "denials.json").unlink()
    wait_for("it goes on in a new one", lambda: exports(place)["file"].get("sent", 0) == 14, pause=0.3)
    # How far it came cannot be read: it begins anew, rather than to leave anything out.
    resolver.stop()
    (place.folder / "state" / "export" / "file.json").write_text('{"days":')
    resolver = place.resolver()
    resolver.ask("again.harm.example")
    wait_for("all are sent again", lambda: exports(place).get("file", {}).get("sent", 0) == 15, pause=0.3)
    resolver.stop()
    text = place.config_path.read_text()
    for bad, sentence in (({"form": "syslog", "file": "x"}, 'only "form: json" goes to a file'),
                          ({"form": "dnstap", "address": "127.0.0.1"}, "port is missing"),
                          ({"form": "syslog", "address": "127.0.0.1", "transport": "tls"}, '"tls-name"'),
                          ({"form": "json"}, "it needs one of"),
                          ({"form": "json", "address": "127.0.0.1:1", "transport": "udp"}, "only syslog goes over udp"),
                          ({"form": "sylog"}, 'did you mean "syslog"')):
        place.config_path.write_text(re.sub(r"^export:.*$", lambda _: f"export: {json.dumps({'x': bad})}", text, flags=re.M))
        done = place.run(lab.DAEMON, "--config", place.config_path, "--check", expect=2)
        holds(sentence in done.stderr, f"{bad}: {done.stderr}")
    place.config_path.write_text(re.sub(r"^export:.*$", 'export: {a: {form: syslog, address: "10.0.0.5"}, b: {form: journal}}',
                                        text, flags=re.M))
    printed = place.run(lab.DAEMON, "--config", place.config_path, "--print", expect=0).stdout
    holds("address: 10.0.0.5:514" in printed and "/run/systemd/journal/socket" in printed, printed)
    path = place.write("printed.yaml", printed)
    same(place.run(lab.DAEMON, "--config", path, "--print", expect=0).stdout, printed, "what is printed reads the same")


if __name__ == "__main__":
    lab.main()
