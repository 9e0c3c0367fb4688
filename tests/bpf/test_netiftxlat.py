"""Packets that wait in real queues, with the statistics of qdiscs and devices as the second witness."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.bpf.sampling import measuring

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.snapshot import Histogram, Snapshot
    from tests.netns.namespaces import Namespace, Pair

LIMITS = {"slow_ms": 100, "very_slow_ms": 200}  # so long nothing takes by itself, however busy the machine is
HOLD = 0.21  # seconds, over the higher threshold
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
HELD = ("tbf", "rate", "8bit", "burst", "700", "limit", "1000000")  # one packet of ours leaves, the rest never
RELEASED = ("tbf", "rate", "10gbit", "burst", "1000000", "limit", "1000000")


def address_of_right(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


def send(pair: Pair, family: int, count: int) -> None:
    """Datagrams to the right side, where nobody listens."""
    sender = pair.left.open(family, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    for _ in range(count):
        sender.sendto(bytes(400), (address_of_right(pair, family), 9999))


def hold(namespace: Namespace, verb: str = "replace", words: tuple[str, ...] = HELD) -> None:
    namespace.run("tc", "qdisc", verb, "dev", "eth0", "root", *words)


def in_queue(namespace: Namespace) -> int:
    return int(namespace.json("tc", "-s", "-j", "qdisc", "show", "dev", "eth0")[0]["qlen"])


def sent(namespace: Namespace, device: str = "eth0") -> int:
    """Packets that a device sent, as it counts them itself."""
    return int(namespace.json("ip", "-j", "-s", "link", "show", "dev", device)[0]["stats64"]["tx"]["packets"])


def events(histogram: Histogram | None) -> int:
    return sum(histogram.counts) if histogram else 0


def unfinished(rows: Callable[..., Any], snapshot: Snapshot) -> int:
    return int(rows(snapshot, snapshot.pods[0])["unfinished",]["uncounted_total"])


@FAMILIES
def test_packets_held_in_a_queue_are_slow_and_all_others_are_not(
    family: int, quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of(measuring("netiftxlat", **LIMITS))
    send(quiet, family, 97)
    hold(quiet.left)
    before = rows(collector.cycle(), quiet.left.pod)[()]
    send(quiet, family, 32)
    until(lambda: in_queue(quiet.left) >= 31)
    since = time.monotonic()
    until(lambda: time.monotonic() - since > HOLD)
    hold(quiet.left, "change", RELEASED)
    send(quiet, family, 1)  # sets the queue going
    until(lambda: in_queue(quiet.left) == 0)
    after = rows(collector.cycle(), quiet.left.pod)[()]

    assert (before["qdiscslow_total"], before["qdiscslow100ms"]) == (0, 0)
    assert (after["qdiscslow_total"], after["qdiscslow100ms"]) == (31, 31)
    assert after["qdisc_seconds"].sum - before["qdisc_seconds"].sum > HOLD * 31
    assert (after["netdevslow_total"], after["netdevslow100ms"]) == (0, 0)
    assert rows(collector.cycle(), quiet.right.pod)[()]["qdiscslow_total"] == 0


def test_every_packet_of_a_device_is_counted_once_in_both_phases(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    device_before, collector = sent(quiet.left), collector_of(measuring("netiftxlat", **LIMITS))
    send(quiet, socket.AF_INET, 997)
    send(quiet, socket.AF_INET6, 499)
    found = rows(collector.cycle(), quiet.left.pod)[()]

    assert sent(quiet.left) - device_before == 1496
    assert (events(found["qdisc_seconds"]), events(found["netdev_seconds"])) == (1496, 1496)


def test_a_device_on_top_of_another_counts_for_itself(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    """A bridge hands on to its port within its own transmission."""
    left = quiet.left
    left.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    left.run("sysctl", "-qw", "net.ipv6.conf.br0.disable_ipv6=1")
    left.run("ip", "link", "set", "eth0", "master", "br0")
    left.run("ip", "link", "set", "br0", "up")
    left.run("ip", "address", "add", "10.78.0.1/24", "dev", "br0")
    mac = quiet.right.json("ip", "-j", "link", "show", "dev", "eth0")[0]["address"]
    left.run("ip", "neighbour", "replace", "10.78.0.2", "lladdr", mac, "dev", "br0")
    sender = left.open(socket.AF_INET, socket.SOCK_DGRAM)
    until(lambda: sender.sendto(b"", ("10.78.0.2", 9999)) or (sent(left) and sent(left, "br0")))
    collector = collector_of(measuring("netiftxlat", **LIMITS))
    before = sent(left, "br0"), sent(left)
    for _ in range(101):
        sender.sendto(b"", ("10.78.0.2", 9999))
    found = rows(collector.cycle(), left.pod)[()]

    assert (sent(left, "br0"), sent(left)) == (before[0] + 101, before[1] + 101)
    assert (events(found["qdisc_seconds"]), events(found["netdev_seconds"])) == (202, 202)


def test_what_a_queue_drops_is_neither_counted_nor_kept(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    hold(quiet.left, words=("tbf", "rate", "8bit", "burst", "100", "limit", "1000"))  # bytes
    collector = collector_of(measuring("netiftxlat", packets=64))
    send(quiet, socket.AF_INET, 499)
    statistics = quiet.left.json("tc", "-s", "-j", "qdisc", "show", "dev", "eth0")[0]
    snapshot = collector.cycle()

    assert statistics["drops"] >= 490
    assert events(rows(snapshot, quiet.left.pod)[()]["qdisc_seconds"]) == statistics["packets"]
    assert unfinished(rows, snapshot) < 100


@FAMILIES
def test_what_the_kernel_cuts_on_the_way_is_left_out_and_lengthens_nothing(
    family: int, quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    """This queue takes no packet above its bucket: it makes segments, which do not go by the first hook."""
    listener = quiet.right.listen(80, 1, family)
    client = quiet.left.connect(address_of_right(quiet, family), 80)
    server = quiet.right.sockets.enter_context(listener.accept()[0])
    hold(quiet.left, words=("tbf", "rate", "400mbit", "burst", "5000", "limit", "10000000"))
    collector, before = collector_of(measuring("netiftxlat")), sent(quiet.left)
    client.settimeout(10)
    for _ in range(16):
        client.sendall(bytes(1 << 17))
        taken = 0
        while taken < 1 << 17:
            taken += len(server.recv(1 << 20))
    found = rows(collector.cycle(), quiet.left.pod)[()]

    segments = sent(quiet.left) - before
    assert segments > 1000
    assert events(found["qdisc_seconds"]) == events(found["netdev_seconds"]) < segments / 4


def test_what_there_was_no_room_for_is_counted_and_never_mistaken(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of(measuring("netiftxlat", packets=4, **LIMITS))
    hold(quiet.left)
    send(quiet, socket.AF_INET, 32)
    until(lambda: in_queue(quiet.left) >= 31)
    since = time.monotonic()
    until(lambda: time.monotonic() - since > HOLD)
    hold(quiet.left, "change", RELEASED)
    send(quiet, socket.AF_INET, 1)
    until(lambda: in_queue(quiet.left) == 0)
    snapshot = collector.cycle()

    assert rows(snapshot, quiet.left.pod)[()]["qdiscslow100ms"] <= 4
    assert unfinished(rows, snapshot) >= 27  # other packets of this machine count here too


def test_thresholds_are_those_of_the_options(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("netiftxlat", slow_ms=0, very_slow_ms=3_600_000))
    send(quiet, socket.AF_INET, 13)
    found = rows(collector.cycle(), quiet.left.pod)[()]

    assert (found["qdiscslow_total"], found["qdiscslow100ms"]) == (13, 0)
    assert (found["netdevslow_total"], found["netdevslow100ms"]) == (13, 0)


def test_of_sampled_packets_about_one_in_so_many_is_measured_and_none_wrongly(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of(measuring("netiftxlat", 4, **LIMITS))
    send(quiet, socket.AF_INET, 3989)
    hold(quiet.left)
    before = rows(collector.cycle(), quiet.left.pod)[()]
    send(quiet, socket.AF_INET, 200)
    until(lambda: in_queue(quiet.left) >= 199)
    since = time.monotonic()
    until(lambda: time.monotonic() - since > HOLD)
    hold(quiet.left, "change", RELEASED)
    send(quiet, socket.AF_INET, 1)  # sets the queue going
    until(lambda: in_queue(quiet.left) == 0)
    after = rows(collector.cycle(), quiet.left.pod)[()]

    assert 800 < events(before["qdisc_seconds"]) < 1200
    assert 800 < events(before["netdev_seconds"]) < 1200
    assert (before["qdiscslow_total"], before["qdiscslow100ms"]) == (0, 0)
    slow = events(after["qdisc_seconds"]) - events(before["qdisc_seconds"])
    assert 15 < slow < 90
    assert slow - 2 <= after["qdiscslow100ms"] <= slow  # the first and the last did not wait
    assert (after["netdevslow_total"], after["netdevslow100ms"]) == (0, 0)


def test_of_devices_on_top_of_each_other_each_is_sampled_for_itself(
    quiet: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    left = quiet.left
    left.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    left.run("sysctl", "-qw", "net.ipv6.conf.br0.disable_ipv6=1")
    left.run("ip", "link", "set", "eth0", "master", "br0")
    left.run("ip", "link", "set", "br0", "up")
    left.run("ip", "address", "add", "10.78.0.1/24", "dev", "br0")
    mac = quiet.right.json("ip", "-j", "link", "show", "dev", "eth0")[0]["address"]
    left.run("ip", "neighbour", "replace", "10.78.0.2", "lladdr", mac, "dev", "br0")
    sender = left.open(socket.AF_INET, socket.SOCK_DGRAM)
    collector = collector_of(measuring("netiftxlat", 4, **LIMITS))
    for _ in range(1999):
        sender.sendto(b"", ("10.78.0.2", 9999))
    found = rows(collector.cycle(), left.pod)[()]

    assert sent(left, "br0") >= 1999
    assert 830 < events(found["netdev_seconds"]) < 1170
