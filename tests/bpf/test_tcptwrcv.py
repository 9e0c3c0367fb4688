"""Connections that a server closed first, and what comes for them afterwards."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import fentry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
SEES_ACCEPTED = not fentry.refusal()


def kinds(found: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, int]:
    """Segments by kind, of one pod; their sum must be its total."""
    by_kind = {labels[0]: values["segments_total"] for labels, values in found.items() if labels}
    assert found[()]["total"] == sum(by_kind.values())
    return by_kind


def address_of_right(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


def resets(namespace: Namespace) -> int:
    """Sent since the namespace was made, as the kernel counts them."""
    return int(namespace.run("nstat", "-asz", "TcpOutRsts").split()[-2])


@pytest.fixture
def half_closed(pair: Pair, until: Callable[..., None]) -> Callable[[int, int], list[socket.socket]]:
    """Open connections from left to right that right closes: what is open of them at left."""

    def make(family: int, count: int) -> list[socket.socket]:
        listener = pair.right.listen(80, 100, family)
        clients = [pair.left.connect(address_of_right(pair, family), 80) for _ in range(count)]
        for _ in clients:
            listener.accept()[0].close()
        until(lambda: pair.right.ss()["FIN-WAIT-2"] == count)
        return clients

    return make


@FAMILIES
def test_the_peers_end_and_its_resets_count_one_by_one(
    family: int, pair: Pair, half_closed: Callable[..., Any], collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcptwrcv")
    clients = half_closed(family, 18)

    for client in clients[:11]:
        client.close()
    for client in clients[11:]:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        client.close()
    snapshot = collector.cycle()

    assert kinds(rows(snapshot, pair.right.pod)) == {"fin": 11, "rst": 7}
    assert rows(snapshot, pair.left.pod) == {(): {"total": 0}}
    assert pair.right.ss()["TIME-WAIT"] == 11


@FAMILIES
def test_late_data_is_told_from_segments_without(
    family: int,
    pair: Pair,
    half_closed: Callable[..., Any],
    collector_of: Callable[..., Any],
    rows: Callable[..., Any],
) -> None:
    collector = collector_of("tcptwrcv")

    for client in half_closed(family, 13):
        client.sendall(b"x")

    assert kinds(rows(collector.cycle(), pair.right.pod)) == {"data": 13}
    assert resets(pair.right) == 13


def test_keep_alive_probes_are_segments_without_data(
    pair: Pair,
    half_closed: Callable[..., Any],
    collector_of: Callable[..., Any],
    rows: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    collector = collector_of("tcptwrcv")

    for client in half_closed(socket.AF_INET, 5):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 100)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    until(lambda: rows(collector.cycle(), pair.right.pod)[()]["total"] >= 5)

    assert kinds(rows(collector.cycle(), pair.right.pod)) == {"ack": 5}


def connect_from(namespace: Namespace, port: int, address: str) -> socket.socket:
    made = namespace.open(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", port))
    made.settimeout(10)
    made.connect((address, 80))
    return made


@FAMILIES
def test_a_port_used_again_opens_a_new_connection(
    family: int, pair: Pair, half_closed: Callable[..., Any], collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcptwrcv")
    clients = half_closed(family, 7)
    ports = [client.getsockname()[1] for client in clients]
    for client in clients:
        client.close()

    for port in ports:
        connect_from(pair.left, port, address_of_right(pair, family))
    found = kinds(rows(collector.cycle(), pair.right.pod))

    assert found == ({"fin": 7, "syn_accepted": 7} if SEES_ACCEPTED else {"fin": 7})


def drain(listener: socket.socket, amount: int) -> None:
    """Accept, read so many bytes, and close first."""
    with listener.accept()[0] as server:
        while amount:
            amount -= len(server.recv(1 << 20))


@FAMILIES
def test_a_syn_with_a_number_from_before_is_refused_and_its_sender_resets(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    """Numbers grow by 15.6 million each second: after more bytes than that, the next SYN's is in the past."""
    amount = 60_000_000
    for side in (pair.left, pair.right):
        side.run("sysctl", "-qw", "net.ipv4.tcp_timestamps=0")
    collector = collector_of("tcptwrcv")
    listener = pair.right.listen(80, 10, family)
    client = pair.left.connect(address_of_right(pair, family), 80)
    reader = threading.Thread(target=drain, args=(listener, amount))
    reader.start()
    client.sendall(bytes(amount))
    reader.join()
    port = client.getsockname()[1]
    until(lambda: pair.right.ss()["FIN-WAIT-2"] == 1)
    client.close()

    with closing(connect_from(pair.left, port, address_of_right(pair, family))):
        found = kinds(rows(collector.cycle(), pair.right.pod))

    assert found == {"fin": 1, "syn_refused": 1, "rst": 1}
    assert resets(pair.left) == 1
