"""Ephemeral TCP ports: how many there are, how many are used, and how many towards the busiest destination."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import port_range, sock_diag

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_gauge = partial(Metric, probe="ports", kind=Kind.GAUGE, unit=Unit.PORTS, scope=Scope.NETNS)

RANGE = _gauge(
    name="range",
    help="Local ports that connections may get by themselves.",
    source="net.ipv4.ip_local_port_range",
)
USED = _gauge(
    name="used",
    help="Ports of that range that at least one TCP connection uses, TIME_WAIT included.",
    source="NETLINK_SOCK_DIAG, IPv4 and IPv6",
)
BUSIEST = _gauge(
    name="busiest_destination",
    help="Most TCP connections from one local address to one remote address and port, TIME_WAIT included.",
    source="NETLINK_SOCK_DIAG, IPv4 and IPv6",
    advice=(
        "At the size of the range, connecting there fails with EADDRNOTAVAIL: pool or keep connections alive, spread "
        "over more destinations, or widen net.ipv4.ip_local_port_range."
    ),
)

METRICS = (RANGE, USED, BUSIEST)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace; the range is a gap where it cannot be read, and so is what depends on it."""
    ranges = {pod: found.ports for pod, found in cycle.over(port_range.read)}
    table = Table(METRICS)
    for pod, found in cycle.over(sock_diag.read):
        connections = found.connections
        ports = ranges.get(pod)
        if ports is None:
            table.add(pod, (None, None, connections.busiest))
        else:
            table.add(pod, (len(ports), connections.used_ports(ports), connections.busiest))
    return [table]


PROBE = ProbeSpec(
    name="ports",
    summary="Ephemeral TCP port use, in total and towards the busiest destination, per network namespace.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(port_range.read, sock_diag.read),
    requires=(
        Requirement(
            kind=RequirementKind.CAPABILITY,
            what="CAP_SYS_ADMIN",
            why="sockets and port ranges are read from inside each pod's network namespace",
        ),
    ),
)
