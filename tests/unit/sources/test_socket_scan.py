from __future__ import annotations

from typing import Any

import pytest

from exporter.bpf.socket_walk import Row
from exporter.sources import socket_scan
from exporter.sources.sock_diag import Connections, Listener, Sockets, State, UsedPorts
from exporter.sources.tcp_activity import Activity

STATES = (0, 4, *(0,) * 14)
QUIET = Activity(6, 0, (17, 19))
LISTENERS = (Listener(8080, 1, 3), Listener(9090, 0, 7))
LISTED = Sockets(LISTENERS, Connections(STATES, 1009, 7, frozenset({80, 40001, 40003}), 2), QUIET)
SCANNED = Sockets(LISTENERS, Connections(STATES, 1009, 7, UsedPorts(range(40000, 50001), 2), 2))


def test_a_row_becomes_what_the_reader_would_return() -> None:
    row = Row(4026531840, 0, 1, 2, 1009, 7, 40000, 50000, 2, 2, STATES)

    assert socket_scan.make(row, ((8080, 1, 3), (9090, 0, 7))) == SCANNED


def test_used_ports_are_only_known_of_the_range_that_was_counted() -> None:
    connections = SCANNED.connections

    assert [connections.used_ports(among) for among in (range(40000, 50001), range(40000, 50000))] == [2, None]


def test_the_order_of_listeners_is_no_difference() -> None:
    found = SCANNED._replace(listeners=LISTENERS[::-1])

    assert socket_scan.difference(LISTED, found, LISTED) == ""


def _states(**counts: int) -> tuple[int, ...]:
    return tuple(counts.get(State(number).name, 0) if 0 < number < 12 else 0 for number in range(16))


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": _states(ESTABLISHED=3, FIN_WAIT2=1)},
        {"rxqueue": 1008},
        {"txqueue": 8},
        {"busiest": 1},
        {"ports": UsedPorts(range(40000, 50001), 3)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_another_number_in_a_namespace_where_nothing_happened_is_a_difference(wrong: dict[str, Any]) -> None:
    found = SCANNED._replace(connections=SCANNED.connections._replace(**wrong))

    assert socket_scan.difference(LISTED, found, LISTED).startswith("sock_diag lists ([Listener(port=8080, ")


@pytest.mark.parametrize(
    "after",
    [
        LISTED._replace(activity=Activity(6, 0, (18, 19))),
        LISTED._replace(connections=LISTED.connections._replace(rxqueue=0)),
    ],
    ids=["a segment came", "a program read"],
)
def test_where_something_happened_another_number_proves_nothing(after: Sockets) -> None:
    found = SCANNED._replace(connections=SCANNED.connections._replace(states=_states(TIME_WAIT=4)))

    assert socket_scan.difference(LISTED, found, after) == ""


def test_other_listeners_are_a_difference_even_where_something_happened() -> None:
    after = LISTED._replace(activity=Activity(6, 0, (18, 19)))
    found = SCANNED._replace(listeners=(Listener(8080, 0, 3),))

    assert socket_scan.difference(LISTED, found, after) == (
        "sock_diag lists listeners (port, limit) [(8080, 3), (9090, 7)], the scan [(8080, 3)]"
    )
