"""Each change of the connection tracking table of a namespace is counted, and told with its ends."""

from __future__ import annotations

import socket
from contextlib import closing
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import UnsupportedError
from exporter.model.event import Connection
from exporter.probes.conntrack import EVENTS, ConntrackEvents
from exporter.sources import netlink
from exporter.sources.conntrack_changes import Changes
from tests.bpf.test_tcpretrans import FAMILIES, abandon, address_of_right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.event import Event
    from tests.netns.namespaces import Namespace, Pair

OPEN = 8080
NETFILTER, FLUSH, REQUEST_ACK = 12, 1 << 8 | 2, 0x5  # linux/netlink.h, linux/netfilter/nfnetlink_conntrack.h


def ends(first: tuple[Any, ...], second: tuple[Any, ...]) -> Connection:
    """Of two socket names."""
    return Connection("TCP", ip_address(first[0]), first[1], ip_address(second[0]), second[1])


@pytest.fixture
def listen(as_root: None) -> Iterator[Callable[..., tuple[Changes, ConntrackEvents]]]:  # noqa: ARG001 -- skips
    """Have a namespace track what it sends and receives, and listen to that."""
    opened: list[Changes] = []

    def made(namespace: Namespace, rate: int = 100_000) -> tuple[Changes, ConntrackEvents]:
        for program in ("iptables", "ip6tables"):
            namespace.run(program, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
        try:
            with namespace.entered():
                opened.append(changes := Changes(rate))
        except UnsupportedError as error:
            pytest.skip(str(error))
        return changes, ConntrackEvents(changes, namespace.pod.netns)

    yield made
    for each in opened:
        each.close()


def everything(events: ConntrackEvents) -> list[Event]:
    found: list[Event] = []
    while more := events.take():
        found.extend(more)
    return found


def opened_and_reset(pair: Pair, family: int, port: int = OPEN) -> Connection:
    """A connection from left to right that is over: its ends."""
    with closing(pair.right.listen(port, 10, family)) as listener:
        client = pair.left.connect(address_of_right(pair, family), port)
        name = ends(client.getsockname(), client.getpeername())
        listener.accept()[0].close()
        abandon(client)
    return name


@FAMILIES
def test_a_connection_is_told_from_its_first_segment_to_when_it_is_forgotten(
    family: int, pair: Pair, listen: Callable[..., tuple[Changes, ConntrackEvents]]
) -> None:
    changes, events = listen(pair.left)
    name = opened_and_reset(pair, family)
    pair.left.run("ip", "link", "set", "eth0", "down")
    with closing(changes):
        found = [event for event in everything(events) if event.connection == name]

    first, *later = found
    assert (first.type, first.netns, first.values) == (
        EVENTS["new"],
        pair.left.pod.netns,
        ("SYN_SENT", "false", "", ""),
    )
    assert {event.type for event in later} == {EVENTS["update"]}
    assert [event.values[:2] for event in later][:2] == [("SYN_RECV", "true"), ("ESTABLISHED", "true")]


def test_translated_ends_are_told_where_the_answers_come_from(
    pair: Pair, listen: Callable[..., tuple[Changes, ConntrackEvents]]
) -> None:
    _, events = listen(pair.left)
    pair.left.run(
        *("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-d", "192.0.2.1", "--dport", "80"),
        *("-j", "DNAT", "--to", f"{pair.right4}:{OPEN}"),
    )
    pair.left.run("ip", "route", "add", "192.0.2.1", "dev", "eth0")
    pair.right.listen(OPEN, 10)
    client = pair.left.connect("192.0.2.1", 80)
    first = everything(events)[0]

    assert first.connection == ends(client.getsockname(), ("192.0.2.1", 80))
    assert first.values == ("SYN_SENT", "false", "", f"{pair.right4}:{OPEN}")


def test_deleting_an_entry_tells_that_it_is_gone_without_an_answer(
    pair: Pair, listen: Callable[..., tuple[Changes, ConntrackEvents]]
) -> None:
    changes, events = listen(pair.left)
    sock = pair.left.open(kind=socket.SOCK_DGRAM)
    sock.sendto(b"x", (pair.right4, 53))
    with pair.left.entered(), closing(netlink.open_socket(NETFILTER)) as control:
        netlink.exchange(control, netlink.request(FLUSH, bytes(4), REQUEST_ACK))
    found = everything(events)

    wanted = ("UDP", ip_address(pair.left4), sock.getsockname()[1], ip_address(pair.right4), 53)
    assert [(event.type, event.connection) for event in found if event.connection == wanted] == [
        (EVENTS["new"], wanted),
        (EVENTS["destroy"], wanted),
    ]
    assert found[-1].values == ("", "false", "", "")
    assert changes.counted().changes["change_destroy"] >= 1


@pytest.mark.parametrize("rate", [1, 100_000])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_counted(
    rate: int, pair: Pair, listen: Callable[..., tuple[Changes, ConntrackEvents]]
) -> None:
    changes, events = listen(pair.left, rate)
    sock = pair.left.open(kind=socket.SOCK_DGRAM)
    for port in range(5000, 5101):
        sock.sendto(b"x", (pair.right4, port))
    told, counted = everything(events), changes.counted()

    assert counted.changes["change_new"] == 101
    assert len(told) + counted.suppressed == sum(counted.changes.values())
    assert (counted.suppressed == 0, counted.lost) == (rate > 1, 0)


def test_who_does_not_read_loses_what_finds_no_room_and_that_is_counted(
    pair: Pair, listen: Callable[..., tuple[Changes, ConntrackEvents]]
) -> None:
    changes, events = listen(pair.left)
    changes._open().setsockopt(socket.SOL_SOCKET, 33, 2048)  # SO_RCVBUFFORCE
    sock = pair.left.open(kind=socket.SOCK_DGRAM)
    for port in range(5000, 5101):
        sock.sendto(b"x", (pair.right4, port))
    counted, told = changes.counted(), everything(events)

    assert counted.changes["change_new"] == 101
    assert (counted.lost > 0, len(told) + counted.lost) == (True, sum(counted.changes.values()))
