"""A device in the network: it learns the resolver's address by DHCP and by router advertisement, asks with the
system's own resolver library, and the denial is on record under its address.

Three network namespaces hang on one bridge: the router (dnsmasq), the server (chalkgated, and an upstream), and
the device. They are held open by processes of this test and vanish with them; nothing of the machine changes.
"""
import ipaddress
import os
import pathlib
import re
import sys

import lab
from lab import DAEMON, Skip, holds, need, need_root, same, wait_for
from upstream import address_of

LISTED, UNLISTED = "www.tracker.example", "www.site.example"
HERE = pathlib.Path(__file__).resolve().parent
PREFIX4, PREFIX6 = "10.77.0", "fd77:c4a1::"
SERVER4, SERVER6 = f"{PREFIX4}.53", f"{PREFIX6}53"

UDHCPC = """#!/bin/sh
# What DHCP said, put into force: an address, and the name servers.
case $1 in
bound | renew)
    ip address replace "$ip/$mask" dev "$interface"
    : >"$RESOLV"
    for server in $dns; do echo "nameserver $server" >>"$RESOLV"; done
    ;;
esac
"""


class Namespace:
    """A network namespace that lives as long as this object's process."""

    def __init__(self, place, name):
        self.place = place
        self.process = place.start("unshare", "--net", "sleep", "600", log=f"namespace-{name}.log")
        self.name = name
        wait_for(f"the namespace {name}", lambda: self.differs() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise Skip("network namespaces are not allowed here: " + self.process.log_path.read_text().strip())
        self.run("ip", "link", "set", "lo", "up")

    def differs(self):
        try:
            return os.readlink(f"/proc/{self.process.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        except OSError:
            return False

    def inside(self, *command):
        return ["nsenter", "--target", self.process.pid, "--net", *command]

    def run(self, *command, expect=0, **more):
        return self.place.run(*self.inside(*command), expect=expect, **more)

    def start(self, *command, **more):
        return self.place.start(*self.inside(*command), **more)


def network(place):
    """The router with a bridge, the server and the device on it."""
    need_root()
    need("unshare", "nsenter", "ip", "dnsmasq", "udhcpc", "getent", "mount")
    router, server, device = (Namespace(place, name) for name in ("router", "server", "device"))
    made = router.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", expect=None)
    if made.returncode:
        raise Skip("this kernel makes no bridge: " + made.stderr.strip())
    for end, name in ((server, "s0"), (device, "d0")):
        made = router.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", end.process.pid, expect=None)
        if made.returncode:
            raise Skip("this kernel makes no veth pair: " + made.stderr.strip())
        router.run("ip", "link", "set", name, "master", "br0")
        router.run("ip", "link", "set", name, "up")
    router.run("ip", "address", "add", f"{PREFIX4}.1/24", "dev", "br0")
    router.run("ip", "link", "set", "br0", "up")
    for end in (server, device):
        end.run("ip", "link", "set", "eth0", "up")
    server.run("ip", "address", "add", f"{SERVER4}/24", "dev", "eth0")
    return router, server, device


def has_ipv6():
    return pathlib.Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").exists()


def resolver_in(place, server, listen):
    """chalkgated on port 53 of the server, as an unprivileged user, and an upstream beside it."""
    server.start(sys.executable, HERE / "upstream.py", "--address", "127.0.0.1", "--port", "5300", log="upstream.log")
    place.port = 53
    place.configure(upstreams=["127.0.0.1:5300"], listen=listen, more="user: nobody\n",
                    groups={"pupils": ([f"{PREFIX4}.0/24", f"{PREFIX6}/64", "fe80::/10"], ["ads"])})
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    process = place.start(*server.inside(DAEMON, "--config", place.config_path), log="chalkgated.log")
    resolver = lab.Resolver(place, process, 53, process.log_path)
    place.resolvers.append(resolver)

    def answers():
        holds(process.poll() is None, f"the resolver ended:\n{resolver.log()}")
        return "status:" in server.run("kdig", f"@{SERVER4}", "+timeout=1", "+retry=0", "CH", "TXT", "ready.invalid", expect=None).stdout
    wait_for("the resolver answers", answers)


class Device:
    """Programs on the device, with the resolv.conf that its network gave it."""

    def __init__(self, place, namespace):
        self.place, self.namespace = place, namespace
        self.resolv = place.write("device-resolv.conf", "")
        self.nsswitch = place.write("device-nsswitch.conf", "hosts: files dns\n")

    def getent(self, database, name):
        """getent as the device runs it: (exit code, first addresses)."""
        script = 'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/nsswitch.conf && exec getent "$2" "$3"'
        done = self.place.run(*self.namespace.inside("unshare", "--mount", "sh", "-c", script, self.resolv, self.nsswitch,
                                                     database, name))
        holds("mount" not in done.stderr, done.stderr)
        return done.returncode, sorted({line.split()[0] for line in done.stdout.splitlines()})

    def addresses(self, family):
        out = self.namespace.run("ip", "-o", family, "address", "show", "dev", "eth0", "scope", "global").stdout
        if "tentative" in out:  # nothing is sent from it until nobody else claims it
            return []
        return re.findall(r"inet6? (\S+)/", out)


def records_of(place, addresses):
    def found():
        return [one for one in place.denials("--name", LISTED) if one["client"] in addresses]
    try:
        return wait_for(f"a denial on record under {addresses}", found, patience=15, pause=0.3)
    except AssertionError as fault:
        raise AssertionError(f"{fault}; on record: {place.denials()}") from None


def check(place, device, addresses, database, kind):
    code, _ = device.getent(database, LISTED)
    same(code, 2, "getent of the listed name, which is not found")
    code, got = device.getent(database, UNLISTED)
    same((code, got), (0, [address_of(UNLISTED, kind)]), "getent of the unlisted name")
    record = records_of(place, addresses)[-1]
    same((record["group"], record["category"]), ("pupils", "ads"), "the record")


def test_dhcp(place):
    router, server, namespace = network(place)
    resolver_in(place, server, [f"{SERVER4}:53"])
    router.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=br0", "--user=root",
                 f"--dhcp-range={PREFIX4}.100,{PREFIX4}.150,255.255.255.0,1h", f"--dhcp-option=option:dns-server,{SERVER4}",
                 f"--dhcp-leasefile={place.folder}/leases", f"--pid-file={place.folder}/dnsmasq.pid", "--log-facility=-",
                 log="dnsmasq.log")
    device = Device(place, namespace)
    script = place.write("udhcpc.sh", UDHCPC)
    script.chmod(0o755)
    done = namespace.run("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", script, env={"RESOLV": str(device.resolv)})
    holds(SERVER4 in device.resolv.read_text(), f"DHCP did not hand out the resolver: {done.stdout}{done.stderr}")
    addresses = device.addresses("-4")
    holds(addresses and addresses[0].startswith(PREFIX4), f"the device's address: {addresses}")
    check(place, device, addresses, "ahostsv4", 1)


RDNSS_OPTION = 25  # RFC 8106 section 5.1

RECEIVE_ADVERTISEMENT = """
import socket, struct, sys, time
sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
index = socket.if_nametoindex("eth0")
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff02::1") + struct.pack("@I", index))
sock.settimeout(1)
for _ in range(20):
    try:
        sock.sendto(b"\\x85\\0\\0\\0\\0\\0\\0\\0", ("ff02::2", 0, 0, index))
        end = time.monotonic() + 1
        while time.monotonic() < end:
            data = sock.recv(2048)
            if data[0] == 134:
                print(data.hex())
                sys.exit(0)
    except (socket.timeout, OSError):
        time.sleep(0.3)
sys.exit(1)
"""


def servers_of(advertisement):
    """The addresses of the RDNSS options of a router advertisement."""
    at, servers = 16, []
    while at + 8 <= len(advertisement):
        kind, size = advertisement[at], advertisement[at + 1] * 8
        holds(size, "an option of no length")
        if kind == RDNSS_OPTION:
            servers += [str(ipaddress.IPv6Address(advertisement[one:one + 16])) for one in range(at + 8, at + size, 16)]
        at += size
    return servers


def test_router_advertisement(place):
    if not has_ipv6():
        raise Skip("this kernel has no IPv6")
    router, server, namespace = network(place)
    for end, address, interface in ((router, f"{PREFIX6}1", "br0"), (server, SERVER6, "eth0")):
        done = end.run("ip", "-6", "address", "add", f"{address}/64", "dev", interface, "nodad", expect=None)
        if done.returncode:
            raise Skip("IPv6 addresses are not allowed in namespaces here: " + done.stderr.strip())
    resolver_in(place, server, [f"{SERVER4}:53", f"[{SERVER6}]:53"])
    router.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=br0", "--user=root",
                 "--enable-ra", f"--dhcp-range={PREFIX6},ra-stateless,64,1h", f"--dhcp-option=option6:dns-server,[{SERVER6}]",
                 f"--dhcp-leasefile={place.folder}/leases", f"--pid-file={place.folder}/dnsmasq.pid", "--log-facility=-",
                 log="dnsmasq.log")
    device = Device(place, namespace)
    done = namespace.run(sys.executable, "-c", RECEIVE_ADVERTISEMENT, expect=None)
    same(done.returncode, 0, f"a router advertisement: {done.stderr}")
    servers = servers_of(bytes.fromhex(done.stdout.strip()))
    same(servers, [SERVER6], "the RDNSS option")
    device.resolv.write_text("".join(f"nameserver {one}\n" for one in servers))
    addresses = wait_for("an address of the device by the advertised prefix", lambda: device.addresses("-6"))
    check(place, device, [str(ipaddress.ip_address(one)) for one in addresses], "ahostsv6", 28)


if __name__ == "__main__":
    lab.main()
