"""TCP sockets of the host's namespace, and the memory that sockets of all namespaces hold."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import UnsupportedError
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import sockstat

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_gauge = partial(Metric, probe="sock", kind=Kind.GAUGE, scope=Scope.NODE, source="/proc/net/sockstat")

IN_USE = _gauge(
    name="inuse",
    unit=Unit.SOCKETS,
    column="TCP inuse",
    source="/proc/net/sockstat and sockstat6",
    help="TCP sockets in use in the host's own namespace, IPv4 and IPv6.",
)
ORPHAN = _gauge(
    name="orphan",
    unit=Unit.SOCKETS,
    column="TCP orphan",
    help="TCP sockets of all namespaces that no program holds any more.",
    advice="Peers vanish without closing: above net.ipv4.tcp_max_orphans the kernel resets such connections.",
)
TIME_WAIT = _gauge(
    name="tw",
    unit=Unit.SOCKETS,
    column="TCP tw",
    help="TCP connections in TIME_WAIT in the host's own namespace.",
)
ALLOC = _gauge(
    name="alloc",
    unit=Unit.SOCKETS,
    column="TCP alloc",
    help="TCP sockets that exist in all namespaces, in any state.",
)
MEMORY = _gauge(
    name="mem",
    unit=Unit.PAGES,
    column="TCP mem",
    help="Memory pages that TCP sockets of all namespaces hold.",
    advice="Compare with net.ipv4.tcp_mem: near its second value TCP throttles, at the third it drops.",
)
UDP_MEMORY = _gauge(
    name="udp_memory_bytes",
    unit=Unit.BYTES,
    column="UDP mem",
    help="Memory that UDP sockets of all namespaces hold, settled by each processor in steps of up to a mebibyte.",
    advice="Compare with net.ipv4.udp_mem (in pages): a program that does not read its UDP sockets fills it.",
)

METRICS = (IN_USE, ORPHAN, TIME_WAIT, ALLOC, MEMORY, UDP_MEMORY)


def collect(cycle: Cycle) -> list[Table]:
    """One row for the node."""
    found = Counter(cycle.on_host(sockstat.read))
    with suppress(UnsupportedError):  # without IPv6 all sockets are IPv4
        found[IN_USE.column] += cycle.on_host(sockstat.read6).get(IN_USE.column, 0)
    if UDP_MEMORY.column in found:
        found[UDP_MEMORY.column] *= os.sysconf("SC_PAGE_SIZE")
    table = Table(METRICS)
    table.pick(cycle.host, found)
    return [table]


PROBE = ProbeSpec(
    name="sock",
    summary="TCP sockets of the host's namespace, orphans, and node-wide TCP and UDP memory.",
    metrics=METRICS,
    open=stateless(collect),
    host_readers=(sockstat.read, sockstat.read6),
)
