"""Packets that a firewall holds for a known time between device and socket, by every way this kernel allows."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import objects
from exporter.bpf.attachable import Attachable
from exporter.bpf.hooks import Hook
from exporter.bpf.loader import BpfObject
from exporter.probes import kernellatency as probe
from tests.bpf.nfqueue import Held
from tests.bpf.sampling import measuring

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.snapshot import Histogram
    from tests.netns.namespaces import Namespace, Pair
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
FENTRY, KPROBE, NEITHER = range(3)
SLOW_MS, VERY_SLOW_MS = 100, 200  # so long nothing takes by itself, however busy the machine is
HOLD = 0.21  # seconds, over the higher threshold


def _sections() -> dict[str, str]:
    with BpfObject(objects.find("kernellatency")) as bpf:
        return bpf.programs


@pytest.fixture(params=[FENTRY, KPROBE, NEITHER], ids=["fentry", "kprobe", "neither"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Leave the probe only one of its ways."""
    number: int = request.param
    kernel, sections = Attachable(Path("/sys")), _sections()
    for name in ("RECEIVED", "SENT", "ROUTED"):
        hook: Hook = getattr(probe, name)
        for program in hook.ways[number]:
            if reason := kernel.lacking(sections[program]):
                pytest.skip(f"{sections[program]}: {reason}")
        monkeypatch.setattr(probe, name, Hook(hook.place, (hook.ways[number],)))
    return number


@dataclass
class Watch:
    """The probe, by one way.

    Args:
        begin: attaches it, to measure one packet of so many, and gives a collector.
        rows: what one owner has in a snapshot.
        all_sent: whether it measures other packets than those of TCP when they are sent.
    """

    begin: Callable[[int], Any]
    rows: Callable[..., Any]
    all_sent: bool
    collector: Any = None

    def start(self, one_in: int = 1) -> None:
        self.collector = self.begin(one_in)

    def of(self, namespace: Namespace) -> dict[str, Any]:
        """What was measured in a namespace up to now."""
        found: dict[str, Any] = self.rows(self.collector.cycle(), namespace.pod)[()]
        return found


@pytest.fixture
def watch(way: int, collector_of: Callable[..., Any], rows: Callable[..., Any]) -> Watch:
    """Start it when the traffic that is not to be measured is over; skips where the kernel lacks the way."""
    limits = {"slow_ms": SLOW_MS, "very_slow_ms": VERY_SLOW_MS}
    return Watch(lambda one_in: collector_of(measuring("kernellatency", one_in, **limits)), rows, way != NEITHER)


def right_of(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


def receiver(namespace: Namespace, family: int) -> socket.socket:
    made = namespace.open(family, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.settimeout(10)
    made.bind(("", 9999))
    return made


def send(namespace: Namespace, family: int, address: str, count: int) -> None:
    sender = namespace.open(family, socket.SOCK_DGRAM)
    for _ in range(count):
        sender.sendto(b"x", (address, 9999))


def receive(there: socket.socket, count: int) -> None:
    for _ in range(count):
        there.recv(1)


def pass_time(seconds: float) -> None:
    since = time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.01)


def events(histogram: Histogram | None) -> int:
    return sum(histogram.counts) if histogram else 0


@FAMILIES
def test_received_packets_that_a_firewall_held_are_slow_and_all_others_are_not(
    family: int, quiet: Pair, watch: Watch
) -> None:
    there = receiver(quiet.right, family)
    watch.start()
    send(quiet.left, family, right_of(quiet, family), 97)
    receive(there, 97)
    before = watch.of(quiet.right)
    held = Held(quiet.right, "INPUT", "-p", "udp")
    send(quiet.left, family, right_of(quiet, family), 31)
    held.wait_for(31)
    pass_time(HOLD)
    held.release()
    receive(there, 31)
    after = watch.of(quiet.right)

    assert (before["rxslow"], before["rxslow100ms"], events(before["rx_seconds"])) == (0, 0, 97)
    assert (after["rxslow"], after["rxslow100ms"], events(after["rx_seconds"])) == (31, 31, 128)
    assert HOLD * 31 < after["rx_seconds"].sum < 10 * 31
    assert (after["txslow"], after["txslow100ms"], after["tx_seconds"]) == (0, 0, None)
    assert watch.of(quiet.left)["rx_seconds"] is None


@FAMILIES
def test_sent_datagrams_that_a_firewall_held_are_slow_and_all_others_are_not(
    family: int, quiet: Pair, watch: Watch
) -> None:
    if not watch.all_sent:
        pytest.skip("without fentry and kprobes only what TCP sends is measured")
    there = receiver(quiet.right, family)
    watch.start()
    send(quiet.left, family, right_of(quiet, family), 97)
    held = Held(quiet.left, "OUTPUT", "-p", "udp")
    send(quiet.left, family, right_of(quiet, family), 31)
    held.wait_for(31)
    pass_time(HOLD)
    held.release()
    receive(there, 128)
    found = watch.of(quiet.left)

    assert (found["txslow"], found["txslow100ms"], events(found["tx_seconds"])) == (31, 31, 128)
    assert HOLD * 31 < found["tx_seconds"].sum < 10 * 31
    assert watch.of(quiet.right)["rxslow"] == 0


@FAMILIES
def test_sent_tcp_segments_that_a_firewall_held_are_slow_whatever_the_way(
    family: int, quiet: Pair, watch: Watch
) -> None:
    quiet.left.run("ip", "route", "replace", "10.77.0.0/24", "dev", "eth0", "rto_min", "60s")  # nothing is sent again
    quiet.left.run("ip", "-6", "route", "replace", "fd77::/64", "dev", "eth0", "metric", "1", "rto_min", "60s")
    listener = quiet.right.listen(80, 100, family)
    clients = [quiet.left.connect(right_of(quiet, family), 80) for _ in range(13)]
    servers = [quiet.right.sockets.enter_context(listener.accept()[0]) for _ in clients]
    watch.start()
    held = Held(quiet.left, "OUTPUT", "-p", "tcp")
    for client in clients:
        client.sendall(b"x")
    held.wait_for(13)
    pass_time(HOLD)
    held.release()
    for server in servers:
        server.settimeout(10)
        assert server.recv(1) == b"x"
    found = watch.of(quiet.left)

    assert (found["txslow"], found["txslow100ms"], events(found["tx_seconds"])) == (13, 13, 13)
    assert HOLD * 13 < found["tx_seconds"].sum < 10 * 13


@FAMILIES
def test_segments_that_wait_for_a_neighbour_are_slow_when_they_are_sent_at_last(
    family: int,
    quiet: Pair,
    watch: Watch,
    until: Callable[..., None],
) -> None:
    watch.start()
    nobody = "10.77.0.9" if family == socket.AF_INET else "fd77::9"
    for _ in range(7):
        made = quiet.left.open(family)
        made.settimeout(0)
        made.connect_ex((nobody, 80))
    pass_time(HOLD)
    quiet.left.run("ip", "neighbour", "replace", nobody, "lladdr", "02:00:00:00:00:09", "dev", "eth0")
    until(lambda: watch.of(quiet.left)["txslow100ms"])
    found = watch.of(quiet.left)

    assert (found["txslow"], found["txslow100ms"]) == (7, 7)


def test_what_is_dropped_is_not_counted_and_never_lengthens_another(quiet: Pair, watch: Watch) -> None:
    there = receiver(quiet.right, socket.AF_INET)
    watch.start()
    quiet.right.run("iptables", "-I", "INPUT", "-p", "udp", "-j", "DROP")
    quiet.left.run("iptables", "-A", "OUTPUT", "-p", "udp", "-m", "length", "--length", "30", "-j", "DROP")
    sender = quiet.left.open(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(499):
        sender.sendto(b"x", (quiet.right4, 9999))
        with pytest.raises(PermissionError):
            sender.sendto(b"xx", (quiet.right4, 9999))
    pass_time(0.02)
    quiet.right.run("iptables", "-D", "INPUT", "-p", "udp", "-j", "DROP")
    send(quiet.left, socket.AF_INET, quiet.right4, 97)
    receive(there, 97)
    left, right = watch.of(quiet.left), watch.of(quiet.right)

    assert (right["rxslow"], events(right["rx_seconds"])) == (0, 97)
    assert left["txslow"] == 0
    assert events(left["tx_seconds"]) == (499 + 97 if watch.all_sent else 0)


@FAMILIES
def test_what_comes_in_fragments_is_received_once(family: int, quiet: Pair, watch: Watch) -> None:
    there = receiver(quiet.right, family)
    watch.start()
    sender = quiet.left.open(family, socket.SOCK_DGRAM)
    for _ in range(13):
        sender.sendto(bytes(4000), (right_of(quiet, family), 9999))
        assert len(there.recv(5000)) == 4000
    found = watch.of(quiet.right)

    assert (found["rxslow"], events(found["rx_seconds"])) == (0, 13)


def test_of_sampled_packets_about_one_in_so_many_is_measured_and_none_wrongly(quiet: Pair, watch: Watch) -> None:
    there = receiver(quiet.right, socket.AF_INET)
    watch.start(one_in=4)
    quiet.right.run("iptables", "-I", "INPUT", "-p", "udp", "-m", "length", "--length", "30", "-j", "DROP")
    sender = quiet.left.open(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(1999):
        sender.sendto(b"xx", (quiet.right4, 9999))
        sender.sendto(b"x", (quiet.right4, 9999))
        there.recv(1)
    before = watch.of(quiet.right)
    held = Held(quiet.right, "INPUT", "-p", "udp")
    send(quiet.left, socket.AF_INET, quiet.right4, 199)
    held.wait_for(199)
    pass_time(HOLD)
    held.release()
    receive(there, 199)
    after = watch.of(quiet.right)
    slow = events(after["rx_seconds"]) - events(before["rx_seconds"])

    assert 380 < events(before["rx_seconds"]) < 620
    assert (before["rxslow"], before["rxslow100ms"]) == (0, 0)
    assert 15 < slow < 90
    assert (after["rxslow"], after["rxslow100ms"]) == (slow, slow)


def test_on_loopback_a_packet_is_sent_and_received(quiet: Pair, watch: Watch) -> None:
    there = receiver(quiet.left, socket.AF_INET)
    watch.start()
    send(quiet.left, socket.AF_INET, "127.0.0.1", 101)
    receive(there, 101)
    found = watch.of(quiet.left)

    assert events(found["rx_seconds"]) == 101
    assert events(found["tx_seconds"]) == (101 if watch.all_sent else 0)


@FAMILIES
def test_a_packet_that_is_forwarded_counts_only_where_it_is_sent_and_received(
    family: int,
    quiet: Pair,
    make_netns: Callable[[], Namespace],
    watch: Watch,
) -> None:
    router, far = quiet.right, make_netns()
    router.run("ip", "link", "add", "eth1", "type", "veth", "peer", "eth0", "netns", far.name)
    for side, device, host in ((router, "eth1", 1), (far, "eth0", 2)):
        side.run("ip6tables", "-I", "OUTPUT", "-p", "icmpv6", "-j", "DROP")
        side.run("ip", "address", "add", f"10.79.0.{host}/24", "dev", device)
        side.run("ip", "address", "add", f"fd79::{host}/64", "dev", device, "nodad")
        side.run("ip", "link", "set", device, "up")
    for kind in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        router.run("sysctl", "-qw", f"net.{kind}=1")
    quiet.left.run("ip", "route", "add", "10.79.0.0/24", "via", quiet.right4)
    quiet.left.run("ip", "-6", "route", "add", "fd79::/64", "via", quiet.right6)
    mac = far.json("ip", "-j", "link", "show", "dev", "eth0")[0]["address"]
    for address in ("10.79.0.2", "fd79::2"):
        router.run("ip", "neighbour", "replace", address, "lladdr", mac, "dev", "eth1")
    there = receiver(far, family)
    watch.start()
    send(quiet.left, family, "10.79.0.2" if family == socket.AF_INET else "fd79::2", 101)
    receive(there, 101)
    counted = [
        tuple(events(watch.of(side)[name]) for name in ("rx_seconds", "tx_seconds"))
        for side in (quiet.left, router, far)
    ]

    assert counted == [(0, 101 if watch.all_sent else 0), (0, 0), (101, 0)]
