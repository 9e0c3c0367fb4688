from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import ports
from exporter.sources import port_range, sock_diag
from exporter.sources.port_range import PortRange
from exporter.sources.sock_diag import Connections, Sockets, UsedPorts
from exporter.sources.tcp_activity import Activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod

QUIET = Activity(0, 0, (0, 0))
SOCKETS = Sockets((), Connections((0,) * 16, 0, 0, frozenset({80, 32767, 32768, 40000, 60999, 61000}), 41), QUIET)


def test_only_ports_of_the_range_count_as_used(
    web: Pod, dns: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    ranges = [(web, PortRange(range(32768, 61000), 0)), (dns, PortRange(range(80, 81), 3))]
    cycle = fake_cycle({sock_diag.read: [(web, SOCKETS), (dns, SOCKETS)], port_range.read: ranges})

    assert values_of(ports.collect(cycle)) == {
        (web,): {"range": 28232, "used": 3, "busiest_destination": 41},
        (dns,): {"range": 1, "used": 1, "busiest_destination": 41},
    }


def test_without_a_range_there_is_a_gap(
    web: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    cycle = fake_cycle({sock_diag.read: [(web, SOCKETS)], port_range.read: []})

    assert values_of(ports.collect(cycle)) == {(web,): {"range": None, "used": None, "busiest_destination": 41}}


def test_ports_that_were_counted_in_another_range_are_a_gap(
    web: Pod, dns: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    counted = SOCKETS._replace(connections=SOCKETS.connections._replace(ports=UsedPorts(range(80, 91), 7)))
    ranges = [(web, PortRange(range(80, 91), 0)), (dns, PortRange(range(80, 92), 0))]
    cycle = fake_cycle({sock_diag.read: [(web, counted), (dns, counted)], port_range.read: ranges})

    assert values_of(ports.collect(cycle)) == {
        (web,): {"range": 11, "used": 7, "busiest_destination": 41},
        (dns,): {"range": 12, "used": None, "busiest_destination": 41},
    }
