"""Each packet lost is told with its ends, reason and place, and as often as it is counted."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.drop_reasons import HARMLESS
from exporter.bpf.symbols import KallsymsTable
from exporter.errors import UnsupportedError
from exporter.model.event import Connection
from exporter.probes.packetloss import LOSS
from tests.bpf.test_packetloss import (
    FAMILIES,
    TOLD,
    acquainted,
    counter,
    send,
    udp,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

__all__ = ["acquainted"]


def addresses(pair: Pair, family: int) -> tuple[str, str]:
    return (pair.left6, pair.right6) if family == socket.AF_INET6 else (pair.left4, pair.right4)


def of_udp(events: list[Event], port: int) -> list[Event]:
    """Those of datagrams to a port."""
    return [
        event
        for event in events
        if event.connection and event.connection.protocol == "UDP" and event.connection.destination_port == port
    ]


def reason(name: str) -> str:
    return name if TOLD else ""


@FAMILIES
def test_datagrams_for_a_closed_port_are_told_with_their_ends(
    family: int, pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    watched = watch_events("packetloss")
    here, there = addresses(pair, family)
    sender = pair.left.open(family, socket.SOCK_DGRAM)
    sender.bind((here, 40404))
    for _ in range(7):
        sender.sendto(b"x", (there, 9))
    until(lambda: counter(pair.right, udp(family, "NoPorts")) >= 7)
    events = of_udp(watched.of(pair.right), 9)

    ends = Connection("UDP", ip_address(here), 40404, ip_address(there), 9)
    assert [(event.type, event.connection, event.values) for event in events] == [
        (LOSS, ends, (reason("NO_SOCKET"), "unicast", "eth0", ""))
    ] * 7
    assert {len(event.stack) for event in events} == {1}


def name_of(address: int) -> str:
    with closing(KallsymsTable()) as table:
        try:
            return table.at([address])[address].function
        except UnsupportedError as error:
            pytest.skip(str(error))


@FAMILIES
@pytest.mark.parametrize("arguments", [{}, {"enable_stack": True}], ids=["place", "stack"])
def test_what_the_firewall_drops_is_told_where_the_rule_is_with_the_place_and_the_device(
    family: int, arguments: dict[str, bool], pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("packetloss", **arguments)
    here, there = addresses(pair, family)
    program = "iptables" if family == socket.AF_INET else "ip6tables"
    pair.left.run(program, "-A", "OUTPUT", "-p", "udp", "--dport", "54", "-j", "DROP")
    sender = pair.left.open(family, socket.SOCK_DGRAM)
    sender.bind((here, 40404))
    for _ in range(3):
        with pytest.raises(PermissionError):
            sender.sendto(b"x", (there, 54))
    events = of_udp(watched.of(pair.left), 54)

    ends = Connection("UDP", ip_address(here), 40404, ip_address(there), 54)
    assert [(event.connection, event.values) for event in events] == [
        (ends, (reason("NETFILTER_DROP"), "unicast", "eth0", ""))
    ] * 3
    assert {len(event.stack) > 5 if arguments else len(event.stack) == 1 for event in events} == {True}
    assert {name_of(event.stack[0]) for event in events} <= {"nf_hook_slow", "nft_do_chain"}


def test_a_multicast_packet_that_does_not_get_out_is_for_many(pair: Pair, watch_events: Callable[..., Watched]) -> None:
    watched = watch_events("packetloss")
    pair.left.run("ip", "route", "add", "239.0.0.0/8", "dev", "eth0")
    pair.left.run("iptables", "-A", "OUTPUT", "-p", "udp", "--dport", "54", "-j", "DROP")
    sender = pair.left.open(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(PermissionError):
        sender.sendto(b"x", ("239.1.2.3", 54))

    assert [event.values[1] for event in of_udp(watched.of(pair.left), 54)] == ["multicast"]


def segment(pair: Pair, name: tuple[str, int], port: int) -> bytes:
    """A TCP header with an acknowledgement that is far from what the connection is at."""
    header = struct.pack("!HHIIBBHHH", name[1], port, 0, 0, 5 << 4, 0x10, 512, 0, 0)
    pseudo = socket.inet_aton(pair.left4) + socket.inet_aton(pair.right4) + struct.pack("!HH", 6, len(header))
    total = sum(struct.unpack("!16H", pseudo + header))
    total = (total >> 16) + (total & 0xFFFF)
    return header[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + header[18:]


def test_a_segment_that_a_socket_refuses_is_told_with_the_state_of_the_socket(
    pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    fields = Path("/sys/kernel/tracing/events/skb/kfree_skb/format")
    if not fields.exists() or "rx_sk" not in fields.read_text("ascii"):
        pytest.skip("this kernel does not tell which socket a packet was for")
    watched = watch_events("packetloss")
    listener = pair.right.listen(8080, 1)
    name = pair.left.connect(pair.right4, 8080).getsockname()
    pair.right.sockets.enter_context(listener.accept()[0])
    with pair.left.entered():
        raw = pair.left.sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
    for _ in range(3):
        raw.sendto(segment(pair, name, 8080), (pair.right4, 0))
    until(lambda: watched.of(pair.right))

    ends = Connection("TCP", ip_address(pair.left4), name[1], ip_address(pair.right4), 8080)
    found = watched.of(pair.right)
    assert {(event.connection, event.values[1:]) for event in found} == {(ends, ("unicast", "eth0", "TCP_ESTABLISHED"))}
    assert {event.values[0].startswith("TCP_") for event in found} == {True}
    assert len(found) == 3


def test_what_was_meant_for_another_machine_is_counted_but_not_told(
    pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    if not TOLD:
        pytest.skip("this kernel tells no reasons")
    watched = watch_events("packetloss")
    pair.right.run("ip", "link", "set", "eth0", "promisc", "on")
    pair.left.run("ip", "neigh", "replace", pair.right4, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    before = counter(pair.right, "IpInReceives")
    send(pair.left, pair.right4, 9, 13)
    until(lambda: watched.counted("drops_total") - watched.counted("total") >= 13)

    assert counter(pair.right, "IpInReceives") == before  # which leaves out what is meant for others
    assert of_udp(watched.of(pair.right), 9) == []


@pytest.mark.parametrize("rate", [1, 100_000])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_counted(
    rate: int, pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None], rows: Callable[..., Any]
) -> None:
    if not TOLD:
        pytest.skip("this kernel tells no reasons, so the harmless drops are told too")
    watched = watch_events("packetloss", events_per_second=rate)
    send(pair.left, pair.right4, 9, 1009)
    until(lambda: counter(pair.right, "UdpNoPorts") >= 1009)
    told = of_udp(watched.of(pair.right), 9)
    snapshot = watched.collector.cycle()
    unknown = {
        row.labels[0]: row.values[0]
        for table in snapshot.tables
        for row in table.rows
        if table.metrics[0].name == "unattributed_total"
    }
    everywhere = sum(
        row.values[0] for table in snapshot.tables for row in table.rows if table.metrics[0].name == "total"
    ) + sum(count for name, count in unknown.items() if name not in HARMLESS)
    watched.of(pair.right)

    assert rows(snapshot, pair.right.pod)[()]["total"] >= 1009
    assert (len(told) == 1009) == (rate > 1)
    assert watched.counted("events_lost_total") == 0
    everything = len(watched.told) + watched.counted("events_suppressed_total")
    assert everywhere <= everything <= everywhere + 50  # others on the node lose packets between the two looks
