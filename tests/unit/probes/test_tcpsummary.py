from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import tcpsummary
from exporter.sources import sock_diag
from exporter.sources.sock_diag import Connections, Sockets
from exporter.sources.tcp_activity import Activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod

QUIET = Activity(0, 0, (0, 0))
NONE = Connections((0,) * 16, 0, 0, frozenset(), 0)


def test_each_namespace_has_a_row_with_every_state(
    host: Pod, web: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    states = (0, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 0, 0, 0, 0)
    busy = Connections(states, rxqueue=2**63 + 1, txqueue=37, ports=frozenset(), busiest=1)
    cycle = fake_cycle({sock_diag.read: [(host, Sockets((), NONE, QUIET)), (web, Sockets((), busy, QUIET))]})

    found = values_of(tcpsummary.collect(cycle))

    assert found[web,] == {
        "tcpestablishedconn": 2,
        "tcptimewaitconn": 13,
        "tcpclosewaitconn": 19,
        "tcpsynsentconn": 3,
        "tcpsynrecvconn": 5,
        "tcpfinwait1conn": 7,
        "tcpfinwait2conn": 11,
        "tcplastackconn": 23,
        "tcpclosingconn": 31,
        "tcptxqueue": 37,
        "tcprxqueue": 2**63 + 1,
    }
    assert set(found[host,].values()) == {0}
