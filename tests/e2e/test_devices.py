"""Two devices on a network of their own, each with an IPv4 address and two IPv6 addresses: the resolver knows
them by the kernel's neighbours, their names by the lease file of a real DHCP server; a block by name stops every
address of one of them, also the next, and nothing of the other.

The namespaces are those of test_dhcp.py: a router (dnsmasq), the server, and here two devices on one bridge.
"""
import ctypes
import json
import platform
import socket
import struct
import sys

import lab
import test_dhcp
from lab import Skip, holds, same, wait_for
from test_dhcp import PREFIX4, PREFIX6, SERVER4, SERVER6, Namespace

NAME = "www.site.example"


class Net:
    """The network, and the resolver on it."""

    def __init__(self, place, more="", user="nobody"):
        self.place = place
        self.router, self.server, first = test_dhcp.network(place)
        self.devices = [first, self.second()]
        for end, address, interface in ((self.router, f"{PREFIX6}1", "br0"), (self.server, SERVER6, "eth0")):
            done = end.run("ip", "-6", "address", "add", f"{address}/64", "dev", interface, "nodad", expect=None)
            if done.returncode:
                raise Skip("IPv6 addresses are not allowed in namespaces here: " + done.stderr.strip())
        self.leases = place.folder / "leases"
        self.leases.touch()
        self.start(more, user)

    def second(self):
        device = Namespace(self.place, "device2")
        self.router.run("ip", "link", "add", "d1", "type", "veth", "peer", "name", "eth0", "netns", device.process.pid)
        self.router.run("ip", "link", "set", "d1", "master", "br0")
        self.router.run("ip", "link", "set", "d1", "up")
        device.run("ip", "link", "set", "eth0", "up")
        return device

    def start(self, more, user):
        """As test_dhcp.resolver_in(), with lease files and devices in the configuration."""
        place = self.place
        self.server.start(sys.executable, test_dhcp.HERE / "upstream.py", "--address", "127.0.0.1", "--port", "5300",
                          log="upstream.log")
        place.port = 53
        place.configure(upstreams=["127.0.0.1:5300"], listen=[f"{SERVER4}:53", f"[{SERVER6}]:53"],
                        groups={"pupils": ([f"{PREFIX4}.0/24", f"{PREFIX6}/64"], ["ads"]), "staff": ([], [])},
                        more=f"user: {user}\nleases: [{json.dumps(str(self.leases))}]\n{more}")
        place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
        process = place.start(*self.server.inside(lab.DAEMON, "--config", place.config_path), log="chalkgated.log")
        self.resolver = lab.Resolver(place, process, 53, process.log_path)
        place.resolvers.append(self.resolver)
        wait_for("the resolver answers", lambda: self.status(self.server, SERVER4, None))

    def status(self, end, server, source, name=NAME):
        """The status of an answer, asked from an address; None for silence."""
        binding = ["-b", source] if source else []
        done = end.run("kdig", f"@{server}", *binding, "+timeout=2", "+retry=2", name, expect=None)
        return next((line.split("status: ")[1].split(";")[0] for line in done.stdout.splitlines() if "status: " in line), None)

    def statuses(self, end, addresses):
        return {one: self.status(end, SERVER6 if ":" in one else SERVER4, one) for one in addresses}

    def known(self, *arguments, expect=0):
        return json.loads(self.place.command("--json", "devices", *arguments, expect=expect).stdout)

    def device(self, text):
        found = self.known(text, expect=None)
        return found[0] if len(found) == 1 else None


def dhcp(net, device, name):
    """An address by DHCP, with a host name. Gives the address."""
    script = net.place.write("udhcpc.sh", test_dhcp.UDHCPC)
    script.chmod(0o755)
    done = device.run("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "20", "-T", "1", "-F", name, "-x", f"hostname:{name}",
                      "-s", script, env={"RESOLV": str(net.place.folder / f"resolv-{name}")})
    out = device.run("ip", "-o", "-4", "address", "show", "dev", "eth0").stdout
    holds(PREFIX4 in out, f"no address by DHCP: {done.stdout}{done.stderr}")
    return out.split("inet ")[1].split("/")[0]


def dnsmasq(net):
    net.router.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=br0", "--user=root",
                     f"--dhcp-range={PREFIX4}.100,{PREFIX4}.150,255.255.255.0,1h", f"--dhcp-leasefile={net.leases}",
                     f"--pid-file={net.place.folder}/dnsmasq.pid", "--log-facility=-", log="dnsmasq.log")


def addresses_of(net, device, name, number):
    """IPv4 by DHCP, and two of IPv6: one that stays and one "for privacy"."""
    six = [f"{PREFIX6}{number}:1", f"{PREFIX6}{number}:d1ce"]
    for one in six:
        device.run("ip", "-6", "address", "add", f"{one}/64", "dev", "eth0", "nodad")
    return [dhcp(net, device, name), *six]


def mac_of(device):
    return device.run("ip", "-o", "link", "show", "dev", "eth0").stdout.split("link/ether ")[1].split()[0]


def told_of(net, addresses, mac):
    """Its refusals are on record with its name, and are one device's in the report."""
    def records():
        found = net.place.denials("--device", "tablet-7")
        return found if {one["client"] for one in found} >= set(addresses) else None
    found = wait_for("the refusals are on record by name", records, pause=0.2)
    same({(one["device_name"], one["mac"]) for one in found}, {("tablet-7", mac)}, "the records' device")
    by_address = net.place.command("denials", "--client", addresses[0])
    holds(f"tablet-7 ({mac}) had other addresses, too; --device {mac} shows" in by_address.stderr, by_address.stderr)
    report = net.place.json("report", "--since", "today")
    same([one["name"] for one in report["devices"]], [f"tablet-7 ({mac})"], "the report's devices")
    case = net.place.command("case", found[0]["case"]).stdout
    holds("tablet-7" in case and mac in case, case)


def test_one_device_is_one_device(place):
    net = Net(place)
    dnsmasq(net)
    tablet, laptop = net.devices
    of_tablet = addresses_of(net, tablet, "tablet-7", "a")
    of_laptop = addresses_of(net, laptop, "laptop-3", "b")
    # Known by a question each, and by the lease file.
    for device, addresses in ((tablet, of_tablet), (laptop, of_laptop)):
        same(net.statuses(device, addresses), {one: "NOERROR" for one in addresses}, "before the block")
    for device, name, addresses in ((tablet, "tablet-7", of_tablet), (laptop, "laptop-3", of_laptop)):
        told = wait_for(f"{name} is known", lambda n=name, a=addresses: (d := net.device(n)) and len(d["addresses"]) >= len(a) and d)
        same((told["name"], told["mac"], told["named_by"]), (name, mac_of(device), "lease"), "what is known")
        holds(set(addresses) <= {one["address"] for one in told["addresses"]}, f"addresses: {told}")
        same({one["group"] for one in told["addresses"] if not one["address"].startswith("fe80")}, {"pupils"}, "its group")
    holds("tablet-7" in place.command("devices").stdout, "the table")
    same(place.command("devices", "nobody-has-this", expect=4).returncode, 4, "a filter that finds nothing")

    place.command("block-device", "tablet-7", "--for", "1h", "--reason", "security time-out")
    same(net.statuses(tablet, of_tablet), {one: "NXDOMAIN" for one in of_tablet}, "the blocked device")
    same(net.statuses(laptop, of_laptop), {one: "NOERROR" for one in of_laptop}, "the other device")
    told_of(net, of_tablet, mac_of(tablet))
    # A new privacy address: the kernel learns whose it is with the first answer to it.
    tablet.run("ip", "-6", "address", "add", f"{PREFIX6}a:beef/64", "dev", "eth0", "nodad")
    wait_for("the new address is blocked", lambda: net.status(tablet, SERVER6, f"{PREFIX6}a:beef") == "NXDOMAIN", pause=0.2)
    # Of the laptop by its MAC address, of the tablet no more.
    grant = json.loads(place.command("--json", "grants").stdout)[0]
    place.command("revoke", grant["id"], "--reason", "done")
    place.command("block-device", of_laptop[1], "--for", "1h", "--reason", "by one of its addresses")
    same(net.statuses(tablet, of_tablet), {one: "NOERROR" for one in of_tablet}, "the tablet afterwards")
    same(net.statuses(laptop, of_laptop), {one: "NXDOMAIN" for one in of_laptop}, "the laptop afterwards")
    status = json.loads(place.command("--json", "status").stdout)
    same((status["devices"]["files"][0]["format"], status["devices"]["netlink"]), ("dnsmasq", ""), "the status")


def test_a_fixed_device(place):
    """Its group goes with its MAC address, to every address it has; who takes its address gets nothing."""
    mac = "02:00:5e:10:00:77"
    net = Net(place, more=f"devices: {{head: {{mac: '{mac}', group: staff}}}}\n")
    head, pupil = net.devices
    head.run("ip", "link", "set", "dev", "eth0", "address", mac)
    for device, number in ((head, 7), (pupil, 8)):
        device.run("ip", "address", "add", f"{PREFIX4}.{number}/24", "dev", "eth0")
        device.run("ip", "-6", "address", "add", f"{PREFIX6}{number}/64", "dev", "eth0", "nodad")
    listed = "www.tracker.example"
    for server, source in ((SERVER4, f"{PREFIX4}.7"), (SERVER6, f"{PREFIX6}7")):
        wait_for("the head's address is known", lambda s=server, a=source: net.status(head, s, a, listed) == "NOERROR", pause=0.2)
    same(net.status(pupil, SERVER4, f"{PREFIX4}.8", listed), "NXDOMAIN", "the pupil's device")
    story = place.command("why", listed, "--client", f"{PREFIX6}7").stdout
    holds(f"has MAC {mac}, seen as neighbour" in story, story)
    # The pupil's device takes the head's addresses while the head is away.
    head.run("ip", "link", "set", "eth0", "down")
    pupil.run("ip", "address", "add", f"{PREFIX4}.7/24", "dev", "eth0")
    wait_for("the address is the pupil's", lambda: net.status(pupil, SERVER4, f"{PREFIX4}.7", listed) == "NXDOMAIN", pause=0.3)


def test_those_that_go_round_are_named(place):
    """What status tells of devices that try to go round the filter has the names that reports have; for viewers only."""
    leases = place.write("leases", "1995500000 02:00:00:00:00:08 127.0.0.8 tablet-7 *\n")
    place.configure(categories=(("proxies", {"title": "Proxies", "circumvention": True}),),
                    groups={"pupils": (["127.0.0.0/8"], ["proxies"])},
                    more=f"leases: [{json.dumps(str(leases))}]\ndevices: {{head-laptop: {{addresses: [127.0.0.9]}}}}\n")
    place.command("lists", "import", "--category", "proxies", "--reason", "x", place.list_of("proxies", ["vpn.example"]))
    resolver = place.resolver()
    for source in ("127.0.0.7", "127.0.0.8", "127.0.0.9"):
        for at in range(30):
            same(resolver.ask(f"n{at}.vpn.example", source=source).rcode, "NXDOMAIN", "a denial")
    names = {"127.0.0.7": "127.0.0.7", "127.0.0.8": "tablet-7 (02:00:00:00:00:08)", "127.0.0.9": "head-laptop"}
    same({one["client"]: one["device"] for one in place.json("status")["radar"]}, names, "status")
    shown = place.command("status").stdout
    for address, name in names.items():
        holds(any(address in line and name in line for line in shown.splitlines()), f"{name}\n{shown}")
    # Names come to records a moment after these.
    wait_for("the report has the same names",
             lambda: {one["name"] for one in place.json("report", "--since", "today")["devices"]} == set(names.values()), pause=0.2)


def without_netlink():
    """For preexec_fn: socket(AF_NETLINK, …) fails from here on with EAFNOSUPPORT, by a filter of seccomp(2)."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    load, jump_equal, give = 0x20, 0x15, 0x06
    error, allow = 0x00050000 | 97, 0x7FFF0000
    rows = [(load, 0, 0, 0), (jump_equal, 0, 3, number), (load, 0, 0, 16), (jump_equal, 0, 1, socket.AF_NETLINK),
            (give, 0, 0, error), (give, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rows), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def test_without_netlink_and_lease_file(place):
    """The resolver answers by what it has, and its status says what is missing, as long as it is."""
    if platform.machine() not in ("x86_64", "aarch64"):
        raise Skip("the number of socket(2) is not known here")
    leases = place.folder / "leases"
    place.configure(more=f"leases: [{json.dumps(str(leases))}]\n")
    place.command("lists", "import", "--category", "ads", "--reason", "x", place.list_of("ads", ["tracker.example"]))
    resolver = place.resolver(preexec_fn=without_netlink)

    def warnings():
        told = place.json("status", expect=None)
        return told["devices"], " ".join(told["warnings"])

    same(resolver.ask("www.tracker.example").rcode, "NXDOMAIN", "what is denied")
    devices, words = warnings()
    holds("neighbours cannot be watched" in devices["netlink"] and devices["netlink"] in words, devices)
    holds(str(leases) in devices["files"][0]["fault"] and devices["files"][0]["fault"] in words, devices)
    leases.write_text("no lease file at all\n")
    wait_for("another fault", lambda: "none of dnsmasq" in warnings()[1], pause=0.2)
    leases.write_text("0 02:00:00:00:00:21 127.0.0.1 laptop *\n")
    wait_for("the file is read", lambda: warnings()[0]["files"][0]["fault"] == "", pause=0.2)
    # Devices are known by the lease file alone; a block of one holds.
    place.command("block-device", "laptop", "--for", "1h", "--reason", "a test")
    same(resolver.ask("www.example").rcode, "NXDOMAIN", "the blocked device")
    leases.unlink()
    wait_for("the fault is told again", lambda: warnings()[0]["files"][0]["fault"] != "", pause=0.2)
    same(resolver.ask("www.example").rcode, "NXDOMAIN", "what was known stays known")


if __name__ == "__main__":
    lab.main()
