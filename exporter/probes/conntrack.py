"""Connection tracking: how full the node's table is, and what was lost at it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import conntrack

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_metric = partial(Metric, probe="conntrack", scope=Scope.NODE, source="ctnetlink or /proc/net/stat/nf_conntrack")
_counter = partial(_metric, kind=Kind.COUNTER)
_FULL = "The table is full: raise net.netfilter.nf_conntrack_max, or shorten the timeouts of idle connections."

FOUND = _counter(
    name="found", column="found", unit=Unit.LOOKUPS, help="Lookups that found a tracked connection, all CPUs."
)
INVALID = _counter(
    name="invalid",
    column="invalid",
    unit=Unit.PACKETS,
    help="Packets that fit no tracked connection and could not begin one, all CPUs.",
    advice="Asymmetric routes, late answers or resets; rules with ctstate INVALID drop these packets.",
)
IGNORE = _counter(
    name="ignore",
    column="ignore",
    unit=Unit.PACKETS,
    help="Packets that needed no tracking, all CPUs; counted before Linux 5.10 only.",
)
INSERT = _counter(
    name="insert",
    column="insert",
    unit=Unit.ENTRIES,
    help="Entries put into the table, all CPUs; recent kernels count only those that a program puts there.",
)
INSERT_FAILED = _counter(
    name="insertfailed",
    column="insert_failed",
    unit=Unit.ENTRIES,
    help="Entries refused because an equal one had come first, all CPUs; their packets were dropped.",
    advice="Often two DNS questions sent at once from one port: use a node-local DNS cache or single-request-reopen.",
)
DROP = _counter(
    name="drop",
    column="drop",
    unit=Unit.PACKETS,
    help="Packets dropped because no entry could be made for them, all CPUs.",
    advice=_FULL,
)
EARLY_DROP = _counter(
    name="earlydrop",
    column="early_drop",
    unit=Unit.ENTRIES,
    help="Entries of unanswered connections removed to make room in a full table, all CPUs.",
    advice=_FULL,
)
ERROR = _counter(
    name="error",
    column="error",
    unit=Unit.PACKETS,
    help="Packets that a protocol's tracker found malformed, all CPUs.",
    advice="Capture on the node's uplink: bad checksums or lengths point at an offload or a device on the path.",
)
SEARCH_RESTART = _counter(
    name="searchrestart",
    column="search_restart",
    unit=Unit.LOOKUPS,
    help="Lookups begun anew because the table changed under them, all CPUs.",
    advice="Very many connections come and go: spread them over nodes, or reuse connections.",
)
CLASH_RESOLVE = _counter(
    name="clash_resolve_total",
    column="clash_resolve",
    unit=Unit.ENTRIES,
    help="Entries for which an equal one had come first and no packet was lost, all CPUs.",
)
CHAIN_TOOLONG = _counter(
    name="chain_toolong_total",
    column="chain_toolong",
    unit=Unit.ENTRIES,
    help="Entries refused because their hash chain was too long, all CPUs.",
    advice="Raise net.netfilter.nf_conntrack_buckets to about nf_conntrack_max.",
)
ENTRIES = _metric(
    name="entries",
    kind=Kind.GAUGE,
    column="entries",
    unit=Unit.ENTRIES,
    help="Connections that the host's namespace has in the table.",
    advice="Compare with the maximum; above it new connections are dropped.",
)
MAX_ENTRIES = _metric(
    name="maxentries",
    kind=Kind.GAUGE,
    column="max_entries",
    unit=Unit.ENTRIES,
    help="Connections that one namespace may have in the table.",
)
METRICS = (
    FOUND,
    INVALID,
    IGNORE,
    INSERT,
    INSERT_FAILED,
    DROP,
    EARLY_DROP,
    ERROR,
    SEARCH_RESTART,
    CLASH_RESOLVE,
    CHAIN_TOOLONG,
    ENTRIES,
    MAX_ENTRIES,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row: the counters of the host's namespace, where the node's traffic is tracked."""
    table = Table(METRICS)
    table.pick(cycle.host, cycle.on_host(conntrack.read))
    return [table]


PROBE = ProbeSpec(
    name="conntrack",
    summary="Size, lookups, refusals and drops of the connection tracking table.",
    metrics=METRICS,
    open=stateless(collect),
    host_readers=(conntrack.read,),
    requires=(
        Requirement(RequirementKind.MODULE, "nf_conntrack", "no connection would be tracked"),
        Requirement(RequirementKind.CAPABILITY, "CAP_NET_ADMIN", "counters would come from /proc alone"),
    ),
)
