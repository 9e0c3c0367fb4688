"""Connection tracking: how full the node's table is, what was lost at it, and, as events, each change of it.

Events are of the host's namespace, where the node's traffic is tracked. The kernel makes a message of each change as
long as somebody listens, which costs it some microseconds: nobody does unless events of this probe are wanted.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan, net_events
from exporter.errors import CollectError, SourceError
from exporter.identity import standalone
from exporter.model.event import Connection, Event, EventType, Field
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table
from exporter.sources import conntrack, conntrack_message
from exporter.sources.conntrack_changes import Changes
from exporter.sources.netns import Visitor

if TYPE_CHECKING:
    from exporter.model.probe import Cycle, Env
    from exporter.sources.conntrack_message import Change, Ends

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
CHANGE: Final = Label(
    name="change",
    help="What happened to an entry; expected and unexpected are about connections that another one announces.",
    values=("new", "update", "destroy", "expected", "unexpected", "unknown"),
)
CHANGES = _counter(
    name="changes_total",
    labels=(CHANGE,),
    unit=Unit.ENTRIES,
    source="ctnetlink",
    help="Changes of the host's entries since the exporter began to listen; absent without events.",
)
LOSSES = event_plan.loss_metrics("conntrack", "ctnetlink")
_TABLE: Final = (
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
METRICS = (*_TABLE, CHANGES, *LOSSES)

_event = partial(
    EventType,
    probe="conntrack",
    fields=(
        Field(name="state", help="Of TCP, as connection tracking names it, for example SYN_SENT."),
        Field(name="replied", help="Whether an answer was seen.", values=("true", "false")),
        Field(name="snat", help="Address and port that the source is translated to."),
        Field(name="dnat", help="Address and port that the destination is translated to."),
    ),
)
EVENTS: Final = {
    "new": _event(name="ConntrackNew", help="A connection was entered; source is who began it."),
    "update": _event(name="ConntrackUpdate", help="An entry has changed, for example its state."),
    "destroy": _event(
        name="ConntrackDestroy",
        help="An entry was removed: it timed out, ended, or was deleted.",
        advice="Without an answer, the other side is not there, or what it sends goes another way.",
    ),
    "expected": _event(name="ConntrackExpNew", help="A connection is expected that another one has announced."),
    "unexpected": _event(name="ConntrackExpDestroy", help="A connection is expected no longer."),
    "unknown": _event(name="ConntrackUnknow", help="A change of a kind that this version does not know."),
}
_KINDS: Final = {
    (conntrack_message.CONNTRACK, conntrack_message.NEW): "update",
    (conntrack_message.CONNTRACK, conntrack_message.DELETE): "destroy",
    (conntrack_message.EXPECTATION, conntrack_message.NEW): "expected",
    (conntrack_message.EXPECTATION, conntrack_message.DELETE): "unexpected",
}
_AT_ONCE: Final = 1024


class ConntrackEvents:
    """Changes as events. Used by one thread.

    Args:
        changes: where they come from.
        netns: inode of the namespace that they are of.
    """

    def __init__(self, changes: Changes, netns: int) -> None:
        self._changes = changes
        self._netns = netns

    def fileno(self) -> int:
        """A descriptor that is readable when there are some."""
        return self._changes.fileno()

    def take(self) -> list[Event]:
        """Those that are there, at most 1024. Raises SourceError."""
        now = time.time_ns()
        return [self._event(each, now) for each in self._changes.take(_AT_ONCE)]

    def _event(self, change: Change, now: int) -> Event:
        kind = _KINDS.get((change.kind >> 8, change.kind & 0xFF), "unknown")
        entered = kind == "update" and change.created
        ends = change.original
        name = net_events.protocol_name(ends.protocol)
        return Event(EVENTS["new" if entered else kind], now, self._netns, Connection(name, *ends[1:]), _facts(change))


def _facts(change: Change) -> tuple[str, ...]:
    reply = change.reply
    if reply is None:
        return change.state, "", "", ""
    source = _place(reply, source=False) if change.source_translated else ""
    destination = _place(reply, source=True) if change.destination_translated else ""
    return change.state, str(change.replied).lower(), source, destination


def _place(ends: Ends, *, source: bool) -> str:
    address, port = (ends.source, ends.source_port) if source else (ends.destination, ends.destination_port)
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


class Conntrack:
    """The table, and its changes where they are wanted.

    Args:
        changes: of it, or why there are none; None where nobody wants them.
        netns: inode of the namespace that they are of.
    """

    def __init__(self, changes: Changes | CollectError | None, netns: int = 0) -> None:
        self._changes = changes
        self._netns = netns

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row: the counters of the host's namespace, where the node's traffic is tracked; one per change."""
        table = Table(_TABLE)
        table.pick(cycle.host, cycle.on_host(conntrack.read))
        if not isinstance(self._changes, Changes):
            return [table]
        counted, changes = self._changes.counted(), Table((CHANGES,))
        for name in CHANGE.values:
            changes.add(cycle.host, (counted.changes[f"change_{name}"],), name)
        return [table, changes, LOSSES.table(cycle.host, counted.suppressed, counted.lost)]

    def event_source(self) -> ConntrackEvents:
        """One event for each change. Raises what kept it from being opened."""
        if isinstance(self._changes, CollectError):
            raise self._changes
        if self._changes is None:
            raise SourceError("ctnetlink", "events to be wanted when the probe is opened")
        return ConntrackEvents(self._changes, self._netns)

    def close(self) -> None:
        """Listen no longer; safe to repeat."""
        if isinstance(self._changes, Changes):
            self._changes.close()


def open_probe(env: Env) -> Conntrack:
    """Listen where events are wanted; where that fails, the table is still read."""
    plan = event_plan.planned(env, "conntrack")
    if plan is None:
        return Conntrack(None)
    host = next(ref for ref in standalone.discover(env) if ref.pod.is_host)
    visitor = Visitor(env.proc)
    try:
        with visitor.visit(host):
            return Conntrack(Changes(plan.rate), host.pod.netns)
    except CollectError as error:
        return Conntrack(error)
    finally:
        visitor.close()


PROBE = ProbeSpec(
    name="conntrack",
    summary="Size, lookups, refusals and drops of the connection tracking table, and its changes as events.",
    metrics=METRICS,
    events=tuple(EVENTS.values()),
    open=open_probe,
    host_readers=(conntrack.read,),
    requires=(
        Requirement(RequirementKind.MODULE, "nf_conntrack", "no connection would be tracked"),
        Requirement(RequirementKind.CAPABILITY, "CAP_NET_ADMIN", "counters would come from /proc alone"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "events are counted and limited by a program"),
    ),
    event_options=(event_plan.RATE,),
)
