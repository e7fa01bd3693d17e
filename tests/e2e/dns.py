"""DNS messages for tests: small, and able to make broken ones. RFC 1035, 6891, 8914."""
import socket
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28,
         "SRV": 33, "DNAME": 39, "OPT": 41, "SVCB": 64, "HTTPS": 65, "NXNAME": 128, "TKEY": 249, "TSIG": 250,
         "IXFR": 251, "AXFR": 252, "MAILB": 253, "ANY": 255}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH", 16: "BADVERS",
          23: "BADCOOKIE"}


def type_number(kind):
    if isinstance(kind, int):
        return kind
    return int(kind[4:]) if kind.startswith("TYPE") else TYPES[kind]


def name_wire(name):
    """Text, or a list of labels as bytes, to wire form."""
    if isinstance(name, bytes):
        return name
    if isinstance(name, str):
        labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    else:
        labels = name
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def name_read(message, at):
    """Reads a name, compressed or not: its text and the offset after it."""
    labels, end, jumps = [], None, 0
    while True:
        length = message[at]
        if length >= 0xc0:
            end = at + 2 if end is None else end
            at = struct.unpack_from(">H", message, at)[0] & 0x3fff
            jumps += 1
            if jumps > 128:
                raise ValueError("a loop of compression pointers")
            continue
        at += 1
        if length == 0:
            break
        labels.append(message[at:at + length].decode("latin-1"))
        at += length
    return ".".join(labels) or ".", end if end is not None else at


def option(code, data=b""):
    return struct.pack(">HH", code, len(data)) + data


def query(name, kind="A", ident=0x1234, flags=0x0100, edns=1232, do=False, options=b"", klass=1, version=0,
          questions=1):
    head = struct.pack(">HHHHHH", ident, flags, questions, 0, 0, 0 if edns is None else 1)
    body = (name_wire(name) + struct.pack(">HH", type_number(kind), klass)) * questions
    if edns is None:
        return head + body
    ttl = (version << 16) | (0x8000 if do else 0)
    return head + body + b"\0" + struct.pack(">HHIH", 41, edns, ttl, len(options)) + options


def record(owner, kind, ttl, data, klass=1):
    return name_wire(owner) + struct.pack(">HHIH", type_number(kind), klass, ttl & 0xffffffff, len(data)) + data


def address_data(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def soa(zone, ttl=300, minimum=300):
    data = name_wire("ns." + zone) + name_wire("hostmaster." + zone) + struct.pack(">IIIII", 1, 3600, 600, 86400, minimum)
    return record(zone, "SOA", ttl, data)


class Record:
    def __init__(self, owner, kind, klass, ttl, data, message, at):
        self.owner, self.kind, self.klass, self.ttl, self.data = owner, kind, klass, ttl, data
        if kind in (1, 28) and len(data) in (4, 16):
            self.text = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data)
        elif kind in (2, 5, 12, 39):
            self.text = name_read(message, at)[0]
        else:
            self.text = data.hex()

    def __repr__(self):
        return f"{self.owner} {self.ttl} {self.kind} {self.text}"


class Message:
    """A parsed message. Raises struct.error, IndexError or ValueError on broken ones."""

    def __init__(self, wire):
        self.wire = wire
        self.ident, self.flags, questions, *counts = struct.unpack_from(">HHHHHH", wire)
        self.rcode_number = self.flags & 15
        at, self.name, self.kind, self.klass = 12, None, None, None
        for _ in range(questions):
            self.name, at = name_read(wire, at)
            self.kind, self.klass = struct.unpack_from(">HH", wire, at)
            at += 4
        self.question_end = at
        self.sections = []
        self.edns, self.options = None, []
        for count in counts:
            section = []
            for _ in range(count):
                owner, at = name_read(wire, at)
                kind, klass, ttl, length = struct.unpack_from(">HHIH", wire, at)
                at += 10
                if at + length > len(wire):
                    raise ValueError("a record longer than its message")
                data = wire[at:at + length]
                if kind == 41:
                    self.edns = klass
                    self.rcode_number |= (ttl >> 24) << 4
                    self.version = (ttl >> 16) & 255
                    self.do = bool(ttl & 0x8000)
                    self._options_read(data)
                else:
                    section.append(Record(owner, kind, klass, ttl, data, wire, at))
                at += length
            self.sections.append(section)
        self.end = at

    def _options_read(self, data):
        at = 0
        while at + 4 <= len(data):
            code, length = struct.unpack_from(">HH", data, at)
            self.options.append((code, data[at + 4:at + 4 + length]))
            at += 4 + length

    @property
    def rcode(self):
        return RCODES.get(self.rcode_number, str(self.rcode_number))

    @property
    def answers(self):
        return self.sections[0]

    @property
    def addresses(self):
        return [one.text for one in self.answers if one.kind in (1, 28)]

    @property
    def truncated(self):
        return bool(self.flags & 0x0200)

    @property
    def ede(self):
        """Extended errors: [(code, text)]."""
        return [(struct.unpack_from(">H", data)[0], data[2:].decode("utf-8", "replace"))
                for code, data in self.options if code == 15 and len(data) >= 2]

    def __repr__(self):
        return f"<{self.rcode} {self.name} {self.answers} ede={self.ede}>"


def _family(server):
    return socket.AF_INET6 if ":" in server else socket.AF_INET


def exchange_udp(wire, server, port, timeout=6.0, source=None, expect=True):
    """Sends a datagram and gives the first one that comes back, or None."""
    with socket.socket(_family(server), socket.SOCK_DGRAM) as sock:
        if source:
            sock.bind((source, 0))
        sock.connect((server, port))
        if sock.getsockname()[:2] == sock.getpeername()[:2]:
            return None  # nobody is there any more, and the kernel gave us that port: we would answer ourselves
        sock.settimeout(timeout if expect else min(timeout, 0.7))
        sock.send(wire)
        try:
            return sock.recv(65535)
        except (socket.timeout, ConnectionRefusedError):
            return None


def tcp_read(sock):
    def exactly(count):
        data = b""
        while len(data) < count:
            more = sock.recv(count - len(data))
            if not more:
                return None
            data += more
        return data
    head = exactly(2)
    return exactly(struct.unpack(">H", head)[0]) if head else None


def exchange_tcp(wire, server, port, timeout=6.0, source=None):
    with socket.socket(_family(server), socket.SOCK_STREAM) as sock:
        if source:
            sock.bind((source, 0))
        sock.settimeout(timeout)
        try:
            sock.connect((server, port))
            sock.sendall(struct.pack(">H", len(wire)) + wire)
            return tcp_read(sock)
        except (socket.timeout, ConnectionError):
            return None


def ask(name, kind="A", server="127.0.0.1", port=53, tcp=False, timeout=6.0, source=None, **more):
    """Asks a question; a Message, or None when nothing came."""
    wire = query(name, kind, **more)
    reply = (exchange_tcp if tcp else exchange_udp)(wire, server, port, timeout, source)
    return Message(reply) if reply is not None else None
