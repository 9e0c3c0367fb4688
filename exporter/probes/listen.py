"""Accept queues of listening TCP sockets: how full they are, per network namespace and for the fullest ports."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import sock_diag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.probe import Cycle
    from exporter.sources.sock_diag import Listener

_gauge = partial(
    Metric,
    probe="listen",
    kind=Kind.GAUGE,
    unit=Unit.CONNECTIONS,
    scope=Scope.NETNS,
    source="NETLINK_SOCK_DIAG, listening TCP sockets",
)

_FULL = (
    "The program accepts too slowly (CPU limit, blocked threads); only if bursts are short raise its backlog and "
    "net.core.somaxconn. Full queues drop connections: see tcpext listenoverflows."
)

PORT = Label(name="port", help="Local port of the listening socket.", budget=16)

SOCKETS = _gauge(name="sockets", unit=Unit.SOCKETS, help="TCP sockets that listen.")
QUEUE = _gauge(name="queue", help="Connections waiting to be accepted, all listeners together.")
FULLEST_QUEUE = _gauge(
    name="fullest_queue",
    help="Connections waiting to be accepted at the listener whose queue is fullest for its limit.",
)
FULLEST_LIMIT = _gauge(name="fullest_limit", help="Queue limit of the listener whose queue is fullest for its limit.")
FULLEST_RATIO = _gauge(
    name="fullest_ratio",
    unit=Unit.RATIO,
    help="How full the fullest accept queue is, where 1 means that it takes no further connection.",
    advice=_FULL,
)
PORT_QUEUE = _gauge(
    name="port_queue",
    help="Connections waiting to be accepted at the fullest listener of the port.",
    labels=(PORT,),
    advice=_FULL,
)
PORT_LIMIT = _gauge(name="port_limit", help="Queue limit of the fullest listener of the port.", labels=(PORT,))

PER_NAMESPACE = (SOCKETS, QUEUE, FULLEST_QUEUE, FULLEST_LIMIT, FULLEST_RATIO)
PER_PORT = (PORT_QUEUE, PORT_LIMIT)


def fullness(listener: Listener) -> float:
    """Share of the accept queue in use; the kernel admits one connection more than the limit says."""
    return listener.depth / (listener.limit + 1)


def fullest_by_port(listeners: Iterable[Listener]) -> list[Listener]:
    """The fullest listener of each port, fullest first, so that a cut hits the emptiest."""
    found: dict[int, Listener] = {}
    for listener in listeners:
        known = found.get(listener.port)
        if known is None or fullness(listener) > fullness(known):
            found[listener.port] = listener
    return sorted(found.values(), key=lambda listener: (-fullness(listener), listener.port))


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace, with gaps for the fullest where nothing listens; one per namespace and port."""
    totals, ports = Table(PER_NAMESPACE), Table(PER_PORT)
    for pod, found in cycle.over(sock_diag.read):
        listeners = found.listeners
        if not listeners:
            totals.add(pod, (0, 0, None, None, None))
            continue
        by_port = fullest_by_port(listeners)
        fullest = by_port[0]
        queue = sum([listener.depth for listener in listeners])
        totals.add(pod, (len(listeners), queue, fullest.depth, fullest.limit, fullness(fullest)))
        for listener in by_port:
            ports.add(pod, (listener.depth, listener.limit), str(listener.port))
    return [totals, ports]


PROBE = ProbeSpec(
    name="listen",
    summary="Depth and limit of the accept queues of listening TCP sockets, per network namespace.",
    metrics=(*PER_NAMESPACE, *PER_PORT),
    open=stateless(collect),
    readers=(sock_diag.read,),
    requires=(
        Requirement(
            kind=RequirementKind.CAPABILITY,
            what="CAP_SYS_ADMIN",
            why="sockets are listed from inside each pod's network namespace",
        ),
    ),
)
