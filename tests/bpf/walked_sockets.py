"""A namespace's sockets as the walk finds them and as NETLINK_SOCK_DIAG lists them, so that the two compare."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from exporter.bpf.socket_walk import CAPACITY, SocketWalk
from exporter.errors import UnsupportedError
from exporter.sources import netlink, sock_diag, socket_scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.sources.sock_diag import Connections, Listener, Sockets
    from tests.netns.namespaces import Namespace, Pair


class Found(NamedTuple):
    """A namespace's sockets, so that two ways to them compare."""

    listeners: list[Listener]
    states: tuple[int, ...]
    rxqueue: int
    txqueue: int
    used: int | None
    busiest: int


def open_walk(*, capacity: int = 3 * CAPACITY, **sizes: int) -> SocketWalk[Sockets]:
    """With room for the namespaces of other tests, too."""
    try:
        return SocketWalk(socket_scan.make, capacity=capacity, **sizes)
    except UnsupportedError as error:
        pytest.skip(f"no walk over sockets here: {error}")


@pytest.fixture
def walk() -> Iterator[SocketWalk[Sockets]]:
    with closing(open_walk()) as made:
        yield made


def port_range(namespace: Namespace) -> range:
    low, high = namespace.run("sysctl", "-n", "net.ipv4.ip_local_port_range").split()
    return range(int(low), int(high) + 1)


def found(listeners: Sequence[Listener], connections: Connections, ports: range) -> Found:
    used = connections.used_ports(ports)
    states, rxqueue, txqueue, _, busiest = connections
    return Found(sorted(listeners), states, rxqueue, txqueue, used, busiest)


def listed(namespace: Namespace, ports: range) -> Found:
    """What NETLINK_SOCK_DIAG lists."""
    with namespace.entered(), closing(netlink.open_socket(netlink.SOCK_DIAG)) as asked:
        answer = netlink.exchange(asked, sock_diag.ALL)
    return found(*sock_diag.parse(answer), ports)


def walked(walk: SocketWalk[Sockets], namespace: Namespace, ports: range) -> Found | None:
    row = walk.row(namespace.pod.netns)
    return None if row is None else found(row.listeners, row.connections, ports)


def assert_equal(walk: SocketWalk[Sockets], namespaces: Sequence[Namespace]) -> list[Found]:
    """The walk finds in each namespace what is listed there, seen while nothing changes in any of them."""
    ranges = [port_range(namespace) for namespace in namespaces]
    for _ in range(50):
        before = [listed(*each) for each in zip(namespaces, ranges, strict=True)]
        walk.scan()
        after = [listed(*each) for each in zip(namespaces, ranges, strict=True)]
        if before == after:
            break
    assert before == after, "sockets did not hold still"
    assert [walked(walk, *each) for each in zip(namespaces, ranges, strict=True)] == before
    assert walk.outcome.unsettled == 0
    return before


class Ends(NamedTuple):
    """Both ends of a connection."""

    client: socket.socket
    server: socket.socket


def connect(pair: Pair, port: int, family: int) -> Ends:
    """A connection from left to right."""
    listener = pair.right.listen(port, 100, family)
    client = pair.left.connect(pair.right4 if family == socket.AF_INET else pair.right6, port)
    with listener:
        return Ends(client, pair.right.sockets.enter_context(closing(listener.accept()[0])))
