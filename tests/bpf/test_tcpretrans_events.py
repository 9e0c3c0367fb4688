"""Each retransmission is told with its ends, and whether this node had dropped the segment itself."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.btf import BtfKind
from exporter.bpf.kernel_btf import VMLINUX, KernelBtf
from exporter.model.event import Connection
from exporter.probes.tcpretrans import RETRANSMISSION
from tests.bpf.test_tcpretrans import FAMILIES, abandon, address_of_right, drop, sent_again, start_connecting

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

OTHERS = 20  # of what goes on elsewhere on the machine, between one look and the next
TOLD = KernelBtf().has(BtfKind.ENUM, "skb_drop_reason") if VMLINUX.exists() else True
FIREWALL = "NETFILTER_DROP" if TOLD else ""


def ends(first: tuple[Any, ...], second: tuple[Any, ...]) -> Connection:
    """Of two socket names."""
    return Connection("TCP", ip_address(first[0]), first[1], ip_address(second[0]), second[1])


def facts(event: Event) -> tuple[Any, ...]:
    """Without how long ago, which nobody can know."""
    return (*event.values[:4], *event.values[5:])


def hide(pair: Pair, *, hidden: bool) -> None:
    """Let what left sends go to a machine that does not exist: it arrives and is nobody's loss."""
    own = pair.right.json("ip", "-j", "link", "show", "dev", "eth0")[0]["address"]
    for address in (pair.right4, pair.right6):
        there = "02:00:00:00:00:99" if hidden else own
        pair.left.run("ip", "neigh", "replace", address, "lladdr", there, "nud", "permanent", "dev", "eth0")


@FAMILIES
def test_a_syn_that_the_firewall_dropped_is_told_as_the_same_segment(
    family: int, pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    watched = watch_events("tcpretrans")
    drop(pair.right)
    begun = [start_connecting(pair.left, address_of_right(pair, family), 80 + number) for number in range(7)]
    names = [ends(each.getsockname(), (address_of_right(pair, family), 80 + at)) for at, each in enumerate(begun)]
    until(lambda: sent_again(pair.left) >= 14)
    abandon(*begun)
    found = watched.of(pair.left)

    assert len(found) == sent_again(pair.left)
    assert {event.type for event in found} == {RETRANSMISSION}
    assert {event.connection for event in found} == set(names)
    assert {facts(event) for event in found} == {("syn", 1, "segment", FIREWALL, "TCP_SYN_SENT", "eth0")}
    assert {int(event.values[4]) >= 900 for event in found} == {True}  # the time-out of a handshake


def test_a_syn_ack_that_the_client_dropped_is_told_by_the_server(
    pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    watched = watch_events("tcpretrans")
    names = set()
    for family, address, own in ((socket.AF_INET, pair.right4, pair.left4), (socket.AF_INET6, pair.right6, pair.left6)):
        pair.right.listen(8080, 100, family)
        drop(pair.left, "--sport", "8080")
        begun = start_connecting(pair.left, address, 8080)
        names.add(ends((address, 8080), (own, begun.getsockname()[1])))
    until(lambda: len({event.connection for event in watched.of(pair.right)}) == 2)
    pair.right.run("ip", "link", "set", "eth0", "down")
    found = watched.of(pair.right)

    assert {event.connection for event in found} == names
    first = {event.connection: facts(event)[:5] for event in reversed(found)}  # a SYN again makes one more at once
    assert set(first.values()) == {("synack", 1, "segment", FIREWALL, "TCP_NEW_SYN_RECV")}


@FAMILIES
def test_what_was_lost_elsewhere_has_no_evidence_and_a_loss_beside_it_is_the_connections(
    family: int, pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    if not TOLD:
        pytest.skip("this kernel tells no reasons, so a packet for another machine counts as a loss")
    watched = watch_events("tcpretrans")
    listener = pair.right.listen(8080, 100, family)
    abandon(pair.left.connect(address_of_right(pair, family), 8080))  # finds the neighbour, so that the next is quick
    listener.accept()[0].close()
    client = pair.left.connect(address_of_right(pair, family), 8080)
    pair.right.sockets.enter_context(listener.accept()[0])
    name = ends(client.getsockname(), client.getpeername())
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hide(pair, hidden=True)
    client.sendall(bytes(50))
    until(lambda: sent_again(pair.left) >= 1)
    elsewhere = watched.of(pair.left)
    drop(pair.right)
    hide(pair, hidden=False)
    client.sendall(bytes(100))
    until(lambda: any(event.values[2] != "none" for event in watched.of(pair.left)))
    abandon(client)
    found = watched.of(pair.left)

    assert {event.connection for event in found if event.values[0] != "syn"} == {name}
    assert {event.values[2:5] for event in elsewhere} == {("none", "", "")}
    first = next(event for event in found if event.values[2] != "none")
    assert first.values[2:4] in {("connection", FIREWALL), ("segment", FIREWALL)}
    assert {event.values[6] for event in found} == {"eth0"}


@pytest.mark.parametrize("rate", [1, 100_000])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_counted(
    rate: int, pair: Pair, watch_events: Callable[..., Watched], until: Callable[..., None]
) -> None:
    watched = watch_events("tcpretrans", events_per_second=rate)
    drop(pair.right)
    begun = [start_connecting(pair.left, pair.right4, 80) for _ in range(101)]
    until(lambda: sent_again(pair.left) >= 101)
    abandon(*begun)
    here = watched.of(pair.left)
    everywhere = watched.occurred()
    told_or_not = sum(int(event.values[1]) for event in watched.told) + watched.counted("events_suppressed_total")

    counted = sent_again(pair.left)
    assert counted >= 101
    assert (len(here) == counted) == (rate > 1)
    assert watched.counted("events_lost_total") == 0
    assert counted <= told_or_not <= everywhere <= told_or_not + OTHERS
