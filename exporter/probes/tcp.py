"""TCP counters of each network namespace, IPv4 and IPv6 together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import snmp

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_metric = partial(Metric, probe="tcp", scope=Scope.NETNS, source="/proc/<pid>/net/snmp, Tcp line")
_connections = partial(_metric, kind=Kind.COUNTER, unit=Unit.CONNECTIONS)
_segments = partial(_metric, kind=Kind.COUNTER, unit=Unit.SEGMENTS)

ACTIVE_OPENS = _connections(
    name="activeopens",
    column="ActiveOpens",
    help="Connections begun with an outgoing SYN, those that failed included.",
    aliases=("inspector_pod_tcpactiveopenes",),
)
PASSIVE_OPENS = _connections(
    name="passiveopens",
    column="PassiveOpens",
    help="Connections begun by an incoming SYN.",
    aliases=("inspector_pod_tcppassiveopenes",),
)
ATTEMPT_FAILS = _connections(
    name="attemptfails",
    column="AttemptFails",
    help="Connections that failed during the handshake, in either direction.",
    advice="The other side refuses or does not answer: see whether its port listens and whether a policy drops SYNs.",
)
ESTAB_RESETS = _connections(
    name="estabresets",
    column="EstabResets",
    help="Connections that went from ESTABLISHED or CLOSE_WAIT straight to CLOSED.",
    advice="Find who resets: compare with resets sent here, then look for idle time-outs of proxies and crashed peers.",
)
CURR_ESTAB = _metric(
    name="currestab",
    kind=Kind.GAUGE,
    unit=Unit.CONNECTIONS,
    column="CurrEstab",
    help="Connections that are now in ESTABLISHED or CLOSE_WAIT.",
)
IN_SEGS = _segments(name="insegs", column="InSegs", help="Segments received, bad ones included.")
OUT_SEGS = _segments(name="outsegs", column="OutSegs", help="Segments sent, those sent again excluded.")
RETRANS_SEGS = _segments(
    name="retranssegs",
    column="RetransSegs",
    help="Segments sent again.",
    advice="Compare with segments sent: above one per cent points to loss on the path or to a peer without memory.",
)
IN_ERRS = _segments(
    name="inerrs",
    column="InErrs",
    help="Segments received with a bad header, checksum or length.",
    advice="Capture on the device: wrong checksums come from faulty offloads or tunnels that mangle packets.",
)
OUT_RSTS = _segments(
    name="outrsts",
    column="OutRsts",
    help="Segments with the RST flag sent.",
    advice="A closed port is being asked, or a program closes with data unread: the tcpext abort counters tell which.",
)
IN_CSUM_ERRORS = _segments(
    name="in_checksum_errors_total",
    column="InCsumErrors",
    help="Segments received with a bad checksum.",
)

METRICS = (
    ACTIVE_OPENS,
    PASSIVE_OPENS,
    ATTEMPT_FAILS,
    ESTAB_RESETS,
    CURR_ESTAB,
    IN_SEGS,
    OUT_SEGS,
    RETRANS_SEGS,
    IN_ERRS,
    OUT_RSTS,
    IN_CSUM_ERRORS,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace."""
    table = Table(METRICS)
    for pod, sections in cycle.over(snmp.read):
        table.add(pod, sections.pick("Tcp", table.columns))
    return [table]


PROBE = ProbeSpec(
    name="tcp",
    summary="TCP connections opened, failed and reset, and segments sent, received and sent again.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(snmp.read,),
)
