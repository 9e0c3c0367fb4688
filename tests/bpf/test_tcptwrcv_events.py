"""Each segment for a connection that is over is told with its ends, and as often as it is counted."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from exporter.model.event import Connection
from exporter.probes.tcptwrcv import RECEIVED
from tests.bpf.test_tcptwrcv import AT_ONCE, FAMILIES, half_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

__all__ = ["half_closed"]


@FAMILIES
def test_segments_are_told_with_the_ports_of_the_sockets_that_sent_them(
    family: int, pair: Pair, watch_events: Callable[..., Watched], request: pytest.FixtureRequest
) -> None:
    watched = watch_events("tcptwrcv")
    clients = request.getfixturevalue("half_closed")(family, 5)
    names = []
    for client in clients:
        local, remote = client.getsockname(), client.getpeername()
        names.append(Connection("TCP", ip_address(local[0]), local[1], ip_address(remote[0]), remote[1]))

    clients[0].sendall(b"late")
    clients[1].sendall(b"late")
    for client in clients[2:4]:
        client.close()
    clients[4].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    clients[4].close()
    found = watched.of(pair.right)

    assert {event.type for event in found} == {RECEIVED}
    assert [(event.connection, event.values) for event in found] == [
        (names[0], ("data", "TCP_FIN_WAIT2", "eth0")),
        (names[1], ("data", "TCP_FIN_WAIT2", "eth0")),
        (names[2], ("fin", "TCP_TIME_WAIT", "eth0")),
        (names[3], ("fin", "TCP_TIME_WAIT", "eth0")),
        (names[4], ("rst", "TCP_FIN_WAIT2", "eth0")),
    ]
    assert watched.counted("events_suppressed_total", "events_lost_total") == 0
    assert watched.of(pair.left) == []


def test_what_is_told_and_what_is_suppressed_make_up_what_is_counted(
    pair: Pair, watch_events: Callable[..., Watched], request: pytest.FixtureRequest
) -> None:
    watched = watch_events("tcptwrcv", events_per_second=1)
    for client in request.getfixturevalue("half_closed")(socket.AF_INET, 67):
        client.close()
    told_or_not = len(watched.of(pair.right)) + watched.counted("events_suppressed_total")
    everywhere = watched.occurred()

    assert 0 < len(watched.told) < 67 <= told_or_not <= everywhere <= told_or_not + 20  # others may go on
