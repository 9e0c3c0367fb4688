"""Connection tracking of each network namespace.

A probe of its own, because it opens a socket in every namespace, which costs more than most probes do altogether.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import conntrack

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

ENTRIES = Metric(
    probe="conntrack_netns",
    name="entries",
    kind=Kind.GAUGE,
    unit=Unit.ENTRIES,
    help="Connections that the network namespace has in the connection tracking table.",
    scope=Scope.NETNS,
    source="ctnetlink or sysctl net.netfilter.nf_conntrack_count",
    advice="Rules in the pod, as a service mesh sets them, make it track connections; compare with the node's maximum.",
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace."""
    table = Table((ENTRIES,))
    for pod, entries in cycle.over(conntrack.read_entries):
        table.add(pod, (entries,))
    return [table]


PROBE = ProbeSpec(
    name="conntrack_netns",
    summary="Tracked connections of each namespace; off by default, as it costs a socket per namespace.",
    metrics=(ENTRIES,),
    open=stateless(collect),
    readers=(conntrack.read_entries,),
    requires=(
        Requirement(RequirementKind.MODULE, "nf_conntrack", "no connection would be tracked"),
        Requirement(
            RequirementKind.CAPABILITY, "CAP_SYS_ADMIN", "entries are asked for inside each pod's network namespace"
        ),
    ),
    default=False,
)
