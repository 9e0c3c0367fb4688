"""IPVS: connections and traffic of all virtual services of the node."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import ipvs

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_counter = partial(Metric, probe="ipvs", kind=Kind.COUNTER, scope=Scope.NODE, source="/proc/net/ip_vs_stats")

CONNECTIONS = _counter(
    name="connections",
    column="connections",
    unit=Unit.CONNECTIONS,
    help="Connections that were given to a server behind a virtual service.",
)
INCOMING_PACKETS = _counter(
    name="incomingpackets",
    column="incoming_packets",
    unit=Unit.PACKETS,
    help="Packets from clients to virtual services.",
)
INCOMING_BYTES = _counter(
    name="incomingbytes",
    column="incoming_bytes",
    unit=Unit.BYTES,
    help="Bytes from clients to virtual services.",
)
OUTGOING_PACKETS = _counter(
    name="outgoingpackets",
    column="outgoing_packets",
    unit=Unit.PACKETS,
    help="Packets from servers to clients that passed IPVS, as they do in masquerading mode.",
    advice="Standing still while incoming packets rise: servers do not answer, or answer past this node.",
)
OUTGOING_BYTES = _counter(
    name="outgoingbytes",
    column="outgoing_bytes",
    unit=Unit.BYTES,
    help="Bytes from servers to clients that passed IPVS, as they do in masquerading mode.",
)

METRICS = (CONNECTIONS, INCOMING_PACKETS, INCOMING_BYTES, OUTGOING_PACKETS, OUTGOING_BYTES)


def collect(cycle: Cycle) -> list[Table]:
    """One row: the totals of the host's namespace, where kube-proxy keeps its virtual services."""
    table = Table(METRICS)
    table.pick(cycle.host, cycle.on_host(ipvs.read)._asdict())
    return [table]


PROBE = ProbeSpec(
    name="ipvs",
    summary="Connections, packets and bytes of the node's virtual services, where kube-proxy uses IPVS.",
    metrics=METRICS,
    open=stateless(collect),
    host_readers=(ipvs.read,),
    requires=(Requirement(RequirementKind.MODULE, "ip_vs", "there would be no virtual services to count"),),
)
