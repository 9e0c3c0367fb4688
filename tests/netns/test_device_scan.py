"""Devices that the kernel scan finds, against /proc/net/dev and the kernel's list of queueing disciplines."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from exporter.sources import netdev, qdisc
from exporter.sources.device_scan import PART
from tests.netns.scanning import Both, both, differences, loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.netns.namespaces import Namespace, Pair

NAMESPACES = 50


@pytest.fixture(autouse=True, scope="module")
def _possible() -> None:
    """Nothing is set up for a kernel that cannot be scanned."""
    loaded(PART).close()


def traffic(found: Sequence[Both]) -> list[Both]:
    return [one for one in found if one.reader is netdev.read]


def send(namespace: Namespace, address: str, count: int) -> None:
    with namespace.entered(), socket.socket(type=socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(b"x" * 100, (address, 9))


def test_all_numbers_of_50_namespaces_equal_those_of_procfs(make_netns: Callable[[], Namespace]) -> None:
    namespaces = [make_netns() for _ in range(NAMESPACES)]
    for left, right in zip(namespaces[::2], namespaces[1::2], strict=True):
        left.join(right)
        for host, side in enumerate((left, right), start=1):
            side.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            side.run("ip", "address", "add", f"10.77.0.{host}/24", "dev", "eth0")
            side.run("ip", "link", "set", "eth0", "up")
        send(left, "10.77.0.2", left.number % 13)
        send(right, "127.0.0.1", right.number % 7)

    found = both(PART, namespaces)

    assert [(one.before, one.after) for one in found] == [(one.answer, one.answer) for one in found]
    assert [one.answer for one in found if one.reader is qdisc.read] == [[]] * NAMESPACES
    assert sum(one.answer["eth0"].tx_packets for one in traffic(found)) > sum(number % 13 for number in range(1, 50, 2))


def test_numbers_that_grow_while_they_are_read_lie_between_two_readings(
    pair: Pair, until: Callable[[Callable[[], object]], None]
) -> None:
    sending = f"import socket\nwhile 1: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{pair.right4}', 9))"
    command = ["ip", "netns", "exec", pair.left.name, sys.executable, "-c", sending]
    with subprocess.Popen(command) as sender:
        try:
            until(lambda: traffic(both(PART, [pair.right]))[0].answer["eth0"].rx_packets > 1000)
            found = [one for _ in range(20) for one in both(PART, [pair.left, pair.right])]
        finally:
            sender.kill()
    assert differences(PART, found) == []
    assert sum(one.before != one.after for one in traffic(found)) > 0


def test_what_passed_through_receive_queues_is_counted_on_both_sides(pair: Pair) -> None:
    """With GRO a veth counts by queue, and the side that sent counts nothing itself."""
    for side in (pair.left, pair.right):
        side.run("ethtool", "-K", "eth0", "gro", "on")
        side.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    before = {one.answer["eth0"] for one in traffic(both(PART, [pair.left, pair.right]))}
    pair.left.run("ping", "-c7", "-i0.01", "-q", pair.right4)

    found = traffic(both(PART, [pair.left, pair.right]))

    assert [one.answer for one in found] == [one.before for one in found] == [one.after for one in found]
    assert all(max(each.rx_packets for each in before) + 7 <= one.answer["eth0"].rx_packets for one in found)


def test_losses_are_told_on_the_side_where_they_happened(pair: Pair) -> None:
    left, right = pair.left, pair.right
    for side in (left, right):
        side.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    right.run("ip", "link", "set", "eth0", "mtu", "1000")
    left.run("ip", "neigh", "replace", pair.right4, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    sender = left.open(kind=socket.SOCK_DGRAM)
    for _ in range(11):
        sender.sendto(bytes(1400), (pair.right4, 9))  # longer than the other side takes
    with left.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        for _ in range(13):
            raw.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(50))  # of a protocol that nobody wants

    found = traffic(both(PART, [left, right]))

    assert [one.answer for one in found] == [one.before for one in found]
    ours, theirs = (one.answer["eth0"] for one in found)
    assert (ours.tx_drop, ours.rx_drop, theirs.tx_drop) == (11, 0, 0)
    assert theirs.rx_drop in (13, 11 + 13)  # some kernels count what was too long on both sides


def test_a_namespace_with_a_device_of_another_kind_is_left_to_procfs(pair: Pair) -> None:
    pair.left.run("ip", "link", "add", "d0", "type", "ifb")
    assert [one.answer is None for one in traffic(both(PART, [pair.left, pair.right]))] == [True, False]


def test_a_bridge_is_either_told_right_or_left_to_procfs(pair: Pair) -> None:
    pair.left.run("ip", "link", "add", "br0", "type", "bridge")
    pair.left.run("ip", "link", "set", "br0", "up")
    pair.left.run("ip", "address", "add", "10.78.0.1/24", "dev", "br0")
    pair.left.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    (found,) = traffic(both(PART, [pair.left]))
    assert found.answer in (found.before, None)


def test_a_namespace_with_more_devices_than_have_a_place_is_left_to_procfs(make_netns: Callable[[], Namespace]) -> None:
    namespace, other = make_netns(), make_netns()
    names = [f"v{number}" for number in range(7)]  # besides lo
    for name in names:
        namespace.join(other, name)
    told = traffic(both(PART, [namespace]))
    namespace.run("ip", "link", "add", "v7", "type", "veth", "peer", "v8")
    untold = traffic(both(PART, [namespace]))
    assert [sorted(one.answer) for one in told] == [["lo", *names]]
    assert [one.answer for one in told] == [one.before for one in told]
    assert [one.answer for one in untold] == [None]


def test_a_namespace_whose_device_has_a_queue_is_left_to_the_kernels_list(pair: Pair) -> None:
    pair.left.run("tc", "qdisc", "add", "dev", "eth0", "root", "pfifo")
    found = [one for one in both(PART, [pair.left, pair.right]) if one.reader is qdisc.read]
    assert [one.answer for one in found] == [None, []]
    assert [[each.kind for each in one.before] for one in found] == [["pfifo"], []]
