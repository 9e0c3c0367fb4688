"""Neighbour entries that the kernel scan finds, against the kernel's list of them in each namespace."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter.bpf.neighbours import NeighbourScan
from exporter.errors import UnsupportedError
from exporter.sources.neigh import State
from exporter.sources.neighbour_scan import PART
from tests.netns.scanning import both, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

PAIRS = 25


@pytest.fixture(autouse=True, scope="module")
def _possible() -> None:
    """Nothing is set up for a kernel that cannot be scanned."""
    loaded(PART).close()


def fill(namespace: Namespace, state: str, count: int, first: int) -> None:
    for host in range(first, first + count):
        for address in (f"10.77.0.{host}", f"fd77::{host}"):
            lladdr = f"02:00:00:00:00:{host:02x}"
            namespace.run("ip", "neigh", "add", address, "lladdr", lladdr, "dev", "eth0", "nud", state)


def test_all_entries_of_50_namespaces_equal_those_that_the_kernel_lists(make_netns: Callable[[], Namespace]) -> None:
    namespaces = []
    for number in range(PAIRS):
        left, right = make_netns(), make_netns()
        left.join(right)
        for side in (left, right):
            side.run("ip", "address", "add", "10.77.0.1/24", "dev", "eth0")
            side.run("ip", "link", "set", "eth0", "up")
        fill(left, "permanent", number % 3, 10)
        fill(left, "stale", number % 5, 20)
        fill(right, "noarp", 1, 30)
        namespaces += [left, right]

    found = both(PART, namespaces)

    steady = [one for one in found if one.before == one.after]  # neighbour discovery may still be at work
    assert [one.answer for one in steady] == [one.before for one in steady]
    assert len(steady) > PAIRS
    permanent = sum(one.answer["ipv4"].get(State.PERMANENT, 0) for one in found[::2] if one.answer)
    assert permanent == sum(number % 3 for number in range(PAIRS))


def test_entries_that_nobody_answers_for_are_told_as_they_are(pair: Pair) -> None:
    asking = pair.left.open(kind=socket.SOCK_DGRAM)
    for host in range(100, 107):
        asking.sendto(b"?", (f"10.77.0.{host}", 9))
    (one,) = both(PART, [pair.left])
    assert one.answer["ipv4"] in (one.before["ipv4"], one.after["ipv4"])
    assert sum(one.answer["ipv4"].values()) == 7


def test_a_namespace_whose_entries_are_gone_has_none(pair: Pair) -> None:
    pair.left.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    fill_one = ("neigh", "add", pair.right4, "lladdr", "02:00:00:00:00:09", "dev", "eth0", "nud", "permanent")
    try:
        scan = NeighbourScan()
    except UnsupportedError as error:
        pytest.skip(f"no kernel scan of neighbours here: {error}")
    with closing(scan):
        found = []
        for words in (("link", "show"), fill_one, ("link", "del", "eth0")):
            pair.left.run("ip", *words)
            scan.scan()
            row = scan.row(pair.left.pod.netns)
            found.append(row and sum(row.ipv4))
    assert found == [0, 1, 0]


def test_namespaces_without_a_place_leave_all_to_the_kernels_list(pair: Pair) -> None:
    for side, other in ((pair.left, pair.right4), (pair.right, pair.left4)):
        side.run("ip", "neigh", "add", other, "lladdr", "02:00:00:00:00:09", "dev", "eth0", "nud", "permanent")
    try:
        scan = NeighbourScan(capacity=1)
    except UnsupportedError as error:
        pytest.skip(f"no kernel scan of neighbours here: {error}")
    with closing(scan):
        scan.scan()
        rows = [scan.row(side.pod.netns) for side in (pair.left, pair.right)]
    assert (scan.over_capacity, rows) == (1, [None, None])
