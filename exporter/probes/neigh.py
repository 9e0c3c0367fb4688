"""Neighbour entries of each namespace, and how full the tables are that all namespaces of the node share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import neigh
from exporter.sources.neigh import State

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

FAMILY = Label(name="family", help="Address family.", values=tuple(neigh.FAMILIES.values()))
STATE = Label(
    name="state",
    help="State of the entry, as `ip neigh` names it.",
    values=tuple(state.name.lower() for state in State),
)

_node = partial(Metric, probe="neigh", scope=Scope.NODE, labels=(FAMILY,))
_gauge = partial(_node, kind=Kind.GAUGE, unit=Unit.ENTRIES)
_counter = partial(_node, kind=Kind.COUNTER, source="/proc/net/stat/arp_cache and ndisc_cache")
_threshold = partial(_gauge, source="net.ipv4.neigh.default and net.ipv6.neigh.default")

ENTRIES = Metric(
    probe="neigh",
    name="entries",
    kind=Kind.GAUGE,
    unit=Unit.ENTRIES,
    scope=Scope.NETNS,
    help="Neighbour entries by state, those that need no resolution excluded.",
    source="rtnetlink RTM_GETNEIGH",
    labels=(FAMILY, STATE),
    advice="Failed and incomplete entries are neighbours that do not answer: a gateway, or a pod that has gone.",
)
TABLE_ENTRIES = _gauge(
    name="table_entries",
    column="entries",
    help="Entries in the table that all namespaces of the node share.",
    source="/proc/net/stat/arp_cache and ndisc_cache",
    advice="Near gc_thresh3 new neighbours cannot be reached: raise net.ipv4.neigh.default.gc_thresh1 to 3.",
)
GC_THRESH1 = _threshold(name="gc_thresh1", column="gc_thresh1", help="Entries below which none are collected.")
GC_THRESH2 = _threshold(name="gc_thresh2", column="gc_thresh2", help="Entries above which old ones go after 5 seconds.")
GC_THRESH3 = _threshold(name="gc_thresh3", column="gc_thresh3", help="Entries the table can hold at most.")
TABLE_FULLS = _counter(
    name="table_fulls_total",
    column="table_fulls",
    unit=Unit.EVENTS,
    help="Times no entry could be made because the table was full.",
    advice="Packets were lost for this: raise net.ipv4.neigh.default.gc_thresh3 (or ipv6) on the node.",
)
FORCED_GC_RUNS = _counter(
    name="forced_gc_runs_total",
    column="forced_gc_runs",
    unit=Unit.EVENTS,
    help="Times entries were collected early because the table passed a threshold.",
    advice="The table is too small for the node's pods: raise gc_thresh2 and gc_thresh3.",
)
RESOLUTION_FAILURES = _counter(
    name="resolution_failures_total",
    column="res_failed",
    unit=Unit.ERRORS,
    help="Neighbours that did not answer any request.",
)
UNRESOLVED_DISCARDS = _counter(
    name="unresolved_discards_total",
    column="unresolved_discards",
    unit=Unit.PACKETS,
    help="Packets dropped from the queue of a neighbour that was not resolved yet.",
)

SHARED = (
    TABLE_ENTRIES,
    GC_THRESH1,
    GC_THRESH2,
    GC_THRESH3,
    TABLE_FULLS,
    FORCED_GC_RUNS,
    RESOLUTION_FAILURES,
    UNRESOLVED_DISCARDS,
)


def collect(cycle: Cycle) -> list[Table]:
    """A row per namespace, family and state where the family has entries; one per family for the node."""
    entries, shared = Table((ENTRIES,)), Table(SHARED)
    for pod, families in cycle.over(neigh.read):
        for family, states in families.items():
            for state, name in zip(State, STATE.values, strict=True):
                entries.add(pod, (states.get(state, 0),), family, name)
    for table in cycle.on_host(neigh.read_tables):
        shared.pick(cycle.host, table.numbers, table.family)
    return [entries, shared]


PROBE = ProbeSpec(
    name="neigh",
    summary="Neighbour entries by state per network namespace, and how full the node's shared tables are.",
    metrics=(ENTRIES, *SHARED),
    open=stateless(collect),
    readers=(neigh.read,),
    host_readers=(neigh.read_tables,),
    requires=(
        Requirement(
            kind=RequirementKind.CAPABILITY,
            what="CAP_SYS_ADMIN",
            why="entries are listed from inside each pod's network namespace",
        ),
    ),
)
