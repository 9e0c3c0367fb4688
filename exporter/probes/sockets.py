"""Sockets that exist in each network namespace, and the memory that half-received packets hold there.

Only what the kernel keeps per namespace is told here; node-wide numbers are in the probe `sock`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import NoDataError, UnsupportedError
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import sockstat

if TYPE_CHECKING:
    from exporter.model.pod import Pod
    from exporter.model.probe import Cycle

_gauge = partial(
    Metric,
    probe="sockets",
    kind=Kind.GAUGE,
    unit=Unit.SOCKETS,
    scope=Scope.NETNS,
    source="/proc/<pid>/net/sockstat and sockstat6",
)

USED = _gauge(
    name="used",
    column="sockets used",
    help="Sockets of all families, local ones (AF_UNIX) included.",
    advice="A program leaks sockets: compare with its open descriptors in the probe `fd`.",
)
TCP = _gauge(name="tcp", column="TCP inuse", help="TCP sockets in use, IPv4 and IPv6.")
TIME_WAIT = _gauge(
    name="tcp_time_wait",
    column="TCP tw",
    help="TCP connections in TIME_WAIT, IPv4 and IPv6.",
    advice="The program opens a connection per request: reuse them; near ip_local_port_range connects begin to fail.",
)
UDP = _gauge(name="udp", column="UDP inuse", help="UDP sockets in use, IPv4 and IPv6.")
RAW = _gauge(name="raw", column="RAW inuse", help="Raw IP sockets in use, IPv4 and IPv6.")
FRAGMENT_QUEUES = _gauge(
    name="fragment_queues",
    unit=Unit.ENTRIES,
    column="FRAG inuse",
    help="Packets of which only some fragments have arrived, IPv4 and IPv6.",
)
FRAGMENT_MEMORY = _gauge(
    name="fragment_memory_bytes",
    unit=Unit.BYTES,
    column="FRAG memory",
    help="Memory that fragments waiting for the rest of their packet hold, IPv4 and IPv6.",
    advice="Above ipfrag_high_thresh further fragments are dropped: find out who sends fragments and loses some.",
)

METRICS = (USED, TCP, TIME_WAIT, UDP, RAW, FRAGMENT_QUEUES, FRAGMENT_MEMORY)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace."""
    table = Table(METRICS)
    sixes = _sixes(cycle)
    for pod, four in cycle.over(sockstat.read):
        six = sixes.get(pod)
        table.pick(pod, {name: value + six.get(name, 0) for name, value in four.items()} if six else four)
    return [table]


def _sixes(cycle: Cycle) -> dict[Pod, sockstat.Sockets]:
    """IPv6 sockets; without IPv6 there are none, which is no reason to lose the others."""
    try:
        return dict(cycle.over(sockstat.read6))
    except (UnsupportedError, NoDataError):
        return {}


PROBE = ProbeSpec(
    name="sockets",
    summary="Sockets in use, TIME_WAIT entries and fragment memory of each network namespace.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(sockstat.read, sockstat.read6),
)
