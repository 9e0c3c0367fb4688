"""Packets that wait in a real queue, and those that a driver had, are told one by one."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from exporter.model.event import Connection
from exporter.probes.netiftxlat import NETDEV_SLOW, QDISC_SLOW
from tests.bpf.test_netiftxlat import FAMILIES, RELEASED, address_of_right, hold, in_queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

EACH = {"sample_one_in": 1}
HELD_US = 110_000


def send(pair: Pair, family: int, count: int) -> Connection:
    """Datagrams from one port, and what their events should tell."""
    own = pair.left4 if family == socket.AF_INET else pair.left6
    sender = pair.left.open(family, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sender.bind((own, 0))
    for _ in range(count):
        sender.sendto(bytes(400), (address_of_right(pair, family), 9999))
    there = ip_address(address_of_right(pair, family))
    return Connection("UDP", ip_address(own), sender.getsockname()[1], there, 9999)


@FAMILIES
def test_packets_held_in_a_queue_are_told_with_how_long_they_waited(
    family: int, quiet: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    watched = watch_events("netiftxlat", EACH)
    send(quiet, family, 17)
    hold(quiet.left)
    ends = send(quiet, family, 32)
    until(lambda: in_queue(quiet.left) >= 31)
    since = time.monotonic()
    until(lambda: time.monotonic() - since > HELD_US / 1_000_000)
    hold(quiet.left, "change", RELEASED)
    send(quiet, family, 1)  # sets the queue going
    until(lambda: in_queue(quiet.left) == 0)
    found = [event for event in watched.of(quiet.left) if event.type is QDISC_SLOW]

    assert [(event.connection, event.values[1]) for event in found] == [(ends, "eth0")] * 31
    assert {HELD_US <= int(event.values[0]) < 10_000_000 for event in found} == {True}
    assert watched.of(quiet.right) == []


@FAMILIES
def test_what_a_driver_had_is_told_with_its_ends_and_its_wait_though_the_packet_is_gone(
    family: int, quiet: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("netiftxlat", EACH | {"slow_ms": 0})
    ends = send(quiet, family, 13)
    found = watched.of(quiet.left)
    queue, driver = ([event for event in found if event.type is each] for each in (QDISC_SLOW, NETDEV_SLOW))

    assert [(event.connection, event.values[1]) for event in queue] == [(ends, "eth0")] * 13
    assert [(event.connection, event.values[2]) for event in driver] == [(ends, "eth0")] * 13
    assert [event.values[1] for event in driver] == [event.values[0] for event in queue]


@pytest.mark.parametrize("rate", [1, 100_000])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_slow(
    rate: int, quiet: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("netiftxlat", EACH | {"slow_ms": 0}, events_per_second=rate)
    ends = send(quiet, socket.AF_INET, 499)
    here = [event for event in watched.of(quiet.left) if event.connection == ends]
    before = watched.counted("events_suppressed_total")
    slow = watched.counted("qdiscslow_total", "netdevslow_total")
    watched.of()
    told = len(watched.told)

    assert (len(here) == 998) == (rate > 1)
    assert watched.counted("events_lost_total") == 0
    assert told + before <= slow + 500  # others on the machine send meanwhile
    assert told + watched.counted("events_suppressed_total") >= 998
