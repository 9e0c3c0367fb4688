"""UDP over IPv6, which the kernel counts apart from UDP over IPv4."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import snmp6

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_counter = partial(
    Metric,
    probe="udp6",
    kind=Kind.COUNTER,
    unit=Unit.DATAGRAMS,
    scope=Scope.NETNS,
    source="/proc/<pid>/net/snmp6, Udp6 lines",
)

IN_DATAGRAMS = _counter(
    name="in_datagrams_total",
    column="Udp6InDatagrams",
    help="Datagrams over IPv6 delivered to sockets.",
)
NO_PORTS = _counter(
    name="no_ports_total",
    column="Udp6NoPorts",
    help="Datagrams over IPv6 for a port without socket.",
    advice="Late answers arrive after the asker gave up (slow DNS), or a peer still sends to a closed port.",
)
IN_ERRORS = _counter(
    name="in_errors_total",
    column="Udp6InErrors",
    help="Datagrams over IPv6 lost on receive for any other reason.",
)
OUT_DATAGRAMS = _counter(name="out_datagrams_total", column="Udp6OutDatagrams", help="Datagrams sent over IPv6.")
RCVBUF_ERRORS = _counter(
    name="receive_buffer_errors_total",
    column="Udp6RcvbufErrors",
    help="Datagrams over IPv6 lost because the receive queue was full.",
    advice="The program reads too slowly or bursts are too large: raise SO_RCVBUF or net.core.rmem_max.",
)
SNDBUF_ERRORS = _counter(
    name="send_buffer_errors_total",
    column="Udp6SndbufErrors",
    help="Datagrams not sent over IPv6 for lack of send buffer.",
    advice="The device cannot keep up or SO_SNDBUF is small: look at qdisc backlog and net.core.wmem_max.",
)
IN_CHECKSUM_ERRORS = _counter(
    name="in_checksum_errors_total",
    column="Udp6InCsumErrors",
    help="Datagrams over IPv6 with a bad checksum.",
)
MEMORY_ERRORS = _counter(
    name="memory_errors_total",
    column="Udp6MemErrors",
    help="Datagrams over IPv6 lost because UDP memory was exhausted.",
    advice="Compare kubeskoop_sock_udp_memory_bytes with net.ipv4.udp_mem: some program does not read its sockets.",
)

METRICS = (
    IN_DATAGRAMS,
    NO_PORTS,
    IN_ERRORS,
    OUT_DATAGRAMS,
    RCVBUF_ERRORS,
    SNDBUF_ERRORS,
    IN_CHECKSUM_ERRORS,
    MEMORY_ERRORS,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace with IPv6."""
    table = Table(METRICS)
    for pod, counters in cycle.over(snmp6.read):
        table.add(pod, counters.pick(table.columns))
    return [table]


PROBE = ProbeSpec(
    name="udp6",
    summary="UDP datagrams over IPv6 received, sent and lost, per network namespace; for dual-stack clusters.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(snmp6.read,),
    default=False,
)
