"""UDP counters of each network namespace."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import snmp

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_counter = partial(
    Metric,
    probe="udp",
    kind=Kind.COUNTER,
    unit=Unit.DATAGRAMS,
    scope=Scope.NETNS,
    source="/proc/<pid>/net/snmp, Udp line",
)

IN_DATAGRAMS = _counter(name="indatagrams", column="InDatagrams", help="Datagrams delivered to sockets.")
NO_PORTS = _counter(
    name="noports",
    column="NoPorts",
    help="Datagrams for a port without socket.",
    advice="Late answers arrive after the asker gave up (slow DNS), or a peer still sends to a closed port.",
)
IN_ERRORS = _counter(name="inerrors", column="InErrors", help="Datagrams lost on receive for any other reason.")
OUT_DATAGRAMS = _counter(name="outdatagrams", column="OutDatagrams", help="Datagrams sent.")
RCVBUF_ERRORS = _counter(
    name="rcvbuferrors",
    column="RcvbufErrors",
    help="Datagrams lost because the receive queue was full.",
    advice="The program reads too slowly or bursts are too large: raise SO_RCVBUF or net.core.rmem_max.",
)
SNDBUF_ERRORS = _counter(
    name="sndbuferrors",
    column="SndbufErrors",
    help="Datagrams not sent for lack of send buffer.",
    advice="The device cannot keep up or SO_SNDBUF is small: look at qdisc backlog and net.core.wmem_max.",
)
IN_CSUM_ERRORS = _counter(name="incsumerrors", column="InCsumErrors", help="Datagrams with a bad checksum.")
IGNORED_MULTI = _counter(name="ignoredmulti", column="IgnoredMulti", help="Multicast datagrams nobody listened to.")

METRICS = (
    IN_DATAGRAMS,
    NO_PORTS,
    IN_ERRORS,
    OUT_DATAGRAMS,
    RCVBUF_ERRORS,
    SNDBUF_ERRORS,
    IN_CSUM_ERRORS,
    IGNORED_MULTI,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace."""
    table = Table(METRICS)
    for pod, sections in cycle.over(snmp.read):
        table.add(pod, sections.pick("Udp", table.columns))
    return [table]


PROBE = ProbeSpec(
    name="udp",
    summary="UDP datagrams received, sent and lost, per network namespace.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(snmp.read,),
)
