"""Packets that a firewall holds for a known time are told with their ends, device and stages, by every way."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from exporter.model.event import Connection
from exporter.probes.kernellatency import RX_SLOW, TX_SLOW
from tests.bpf.nfqueue import Held
from tests.bpf.test_kernellatency import (
    FAMILIES,
    HOLD,
    NEITHER,
    pass_time,
    receive,
    receiver,
    right_of,
    way,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Namespace, Pair

__all__ = ["way"]
EACH = {"sample_one_in": 1}
HOLD_US = int(HOLD * 1_000_000)
AT_MOST_US = 10_000_000


def left_of(pair: Pair, family: int) -> str:
    return pair.left4 if family == socket.AF_INET else pair.left6


def connection(protocol: str, here: tuple[Any, ...], there: tuple[Any, ...]) -> Connection:
    """Between two socket names."""
    return Connection(protocol, ip_address(here[0]), here[1], ip_address(there[0]), there[1])


def send_from(namespace: Namespace, family: int, own: str, address: str, count: int) -> Connection:
    """Datagrams, and what their events should tell."""
    sender = namespace.open(family, socket.SOCK_DGRAM)
    sender.bind((own, 40404))
    for _ in range(count):
        sender.sendto(b"x", (address, 9999))
    return connection("UDP", (own, 40404), (address, 9999))


def check_stages(events: list[Event], way: int, *, first: bool) -> None:
    """Both stages are known or none, and the one in which the firewall held the packet is as long as it did."""
    for event in events:
        latency, before, after, _ = event.values
        assert HOLD_US <= int(latency) < AT_MOST_US
        if way == NEITHER:
            assert (before, after) == ("", "")
            continue
        assert int(before) + int(after) == latency
        assert int(before if first else after) >= HOLD_US > int(after if first else before)


@FAMILIES
def test_a_received_packet_that_was_held_is_told_and_others_are_not(
    family: int, quiet: Pair, way: int, watch_events: Callable[..., Watched]
) -> None:
    there = receiver(quiet.right, family)
    watched = watch_events("kernellatency", EACH)
    send_from(quiet.left, family, left_of(quiet, family), right_of(quiet, family), 17)
    receive(there, 17)
    held = Held(quiet.right, "INPUT", "-p", "udp")
    sender = quiet.left.open(family, socket.SOCK_DGRAM)
    sender.bind((left_of(quiet, family), 50505))
    for _ in range(7):
        sender.sendto(b"x", (right_of(quiet, family), 9999))
    held.wait_for(7)
    pass_time(HOLD)
    held.release()
    receive(there, 7)
    found = watched.of(quiet.right)

    ends = connection("UDP", sender.getsockname(), (right_of(quiet, family), 9999))
    assert [(event.type, event.connection, event.values[3]) for event in found] == [(RX_SLOW, ends, "eth0")] * 7
    check_stages(found, way, first=False)
    assert watched.of(quiet.left) == []


@FAMILIES
def test_a_sent_segment_that_was_held_is_told_with_its_ends(
    family: int, quiet: Pair, way: int, watch_events: Callable[..., Watched]
) -> None:
    quiet.left.run("ip", "route", "replace", "10.77.0.0/24", "dev", "eth0", "rto_min", "60s")  # nothing is sent again
    quiet.left.run("ip", "-6", "route", "replace", "fd77::/64", "dev", "eth0", "metric", "1", "rto_min", "60s")
    listener = quiet.right.listen(80, 100, family)
    client = quiet.left.connect(right_of(quiet, family), 80)
    server = quiet.right.sockets.enter_context(listener.accept()[0])
    server.settimeout(10)
    watched = watch_events("kernellatency", EACH)
    held = Held(quiet.left, "OUTPUT", "-p", "tcp")
    client.sendall(b"x")
    held.wait_for(1)
    pass_time(HOLD)
    held.release()
    assert server.recv(1) == b"x"
    found = watched.of(quiet.left)

    ends = connection("TCP", client.getsockname(), client.getpeername())
    assert [(event.type, event.connection, event.values[3]) for event in found] == [(TX_SLOW, ends, "eth0")]
    check_stages(found, way, first=True)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("rate", [1, 100_000])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_slow(
    rate: int, quiet: Pair, watch_events: Callable[..., Watched]
) -> None:
    there = receiver(quiet.right, socket.AF_INET)
    watched = watch_events("kernellatency", EACH, events_per_second=rate)
    held = Held(quiet.right, "INPUT", "-p", "udp")
    send_from(quiet.left, socket.AF_INET, quiet.left4, quiet.right4, 97)
    held.wait_for(97)
    pass_time(HOLD)
    held.release()
    receive(there, 97)
    here = watched.of(quiet.right)
    slow = watched.counted("rxslow", "txslow")
    told = len(watched.told)

    assert slow >= 97
    assert (len(here) == 97) == (rate > 1)
    assert watched.counted("events_lost_total") == 0
    assert slow - 5 <= told + watched.counted("events_suppressed_total") <= slow + 5  # others on the machine meanwhile


def test_with_stacks_a_sent_segment_tells_by_which_functions_it_went(
    quiet: Pair, way: int, watch_events: Callable[..., Watched]
) -> None:
    there = receiver(quiet.right, socket.AF_INET)
    watched = watch_events("kernellatency", EACH | {"slow_ms": 0}, enable_stack=True)
    listener = quiet.right.listen(80, 1)
    client = quiet.left.connect(quiet.right4, 80)
    server = quiet.right.sockets.enter_context(listener.accept()[0])
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    send_from(quiet.left, socket.AF_INET, quiet.left4, quiet.right4, 1)
    receive(there, 1)
    found = watched.of(quiet.left, quiet.right)

    assert {len(event.stack) > 5 for event in found if event.type is TX_SLOW} == {True}
    assert {len(event.stack) > 5 for event in found if event.type is RX_SLOW} == {way != NEITHER}
