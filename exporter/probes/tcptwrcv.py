"""Segments that come for TCP connections in TIME_WAIT, per network namespace and kind."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_counts import NetnsCounts, Newer
from exporter.errors import UnsupportedError
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.event_plan import Plan
    from exporter.bpf.net_events import NetEvent, NetEvents
    from exporter.model.probe import Cycle, Env

KIND = Label(
    name="kind",
    help="syn_accepted: a new connection took the place of the old one (counted only where fentry programs work); "
    "syn_refused: it was not let to; rst: a reset; fin: the peer's end of the connection, or that again; data: late "
    "data; ack: anything else.",
    values=("syn_accepted", "syn_refused", "rst", "fin", "data", "ack"),
)

_counter = partial(
    Metric,
    probe="tcptwrcv",
    kind=Kind.COUNTER,
    scope=Scope.NETNS,
    unit=Unit.SEGMENTS,
    source="function tcp_timewait_state_process, or tracepoint skb:kfree_skb",
)

TOTAL = _counter(
    name="total",
    help="Segments received for connections in TIME_WAIT, or closed by the program and waiting for the peer's end.",
    advice="Look at the kinds: a fin for each connection that the program closed first is as it should be.",
)
SEGMENTS = _counter(
    name="segments_total",
    labels=(KIND,),
    help="The same segments, by what they were and whether a new connection came of them.",
    advice="syn_refused: clients behind address translation use a port again before its time, and wait a second or "
    "more; data: the program closed while the peer still sent; rst: the peer ended it hard.",
)
UNCOUNTED = _counter(
    name="uncounted_total",
    scope=Scope.NODE,
    help="Segments missing in the other counters because the map in the kernel was full.",
    advice="Raise the probe's option `entries`.",
)
LOSSES = event_plan.loss_metrics("tcptwrcv", "function tcp_timewait_state_process, or tracepoint skb:kfree_skb")
METRICS = (TOTAL, SEGMENTS, UNCOUNTED, *LOSSES)

RECEIVED = EventType(
    probe="tcptwrcv",
    name="TCPTWRCV",
    help="A segment was received for a connection that is over; source is the peer.",
    advice="A fin for each connection that the program closed first is as it should be; see the kinds of the counters.",
    fields=(
        Field(name="kind", help="What the segment was, as in the counters.", values=KIND.values),
        Field(name="state", help="What the connection waited in.", values=("TCP_FIN_WAIT2", "TCP_TIME_WAIT")),
        Field(name="interface", help="Device that it came by."),
    ),
)

_ENTRIES = Option(name="entries", help="Room for how many pairs of namespace and kind.", default=8192)
_PLACE: Final = "a segment for a connection in TIME_WAIT"
_JUDGED: Final = ("judged",)
_DROPPED: Final = ("drop",)
PLACES: Final = (Hook(_PLACE, (_JUDGED, _DROPPED)),)
NEWER: Final = Newer("drop", "tells_socket")


class TcpTwRcv:
    """The attached program.

    Args:
        counts: what it counts.
        plan: how single events are wanted.
    """

    def __init__(self, counts: NetnsCounts, plan: Plan | None = None) -> None:
        self._counts = counts
        self._plan = plan
        self._kinds = counts.kinds()

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace, and one per kind that occurred there."""
        counts = self._counts.read()
        total, kinds, uncounted = Table((TOTAL,)), Table((SEGMENTS,)), Table((UNCOUNTED,))
        for pod, found in counts.over(cycle.pids):
            total.add(pod, (sum([each.events for each in found]),))
            for kind, _, events in found:
                kinds.add(pod, (events,), self._kinds[kind])
        uncounted.add(cycle.host, (counts.uncounted,))
        losses = [LOSSES.table(cycle.host, counts.suppressed, counts.lost)] if self._plan else []
        return [total, kinds, uncounted, *losses]

    def event_source(self) -> NetEvents:
        """One event per segment. Raises SourceError."""
        return self._counts.events(self._told)

    def _told(self, event: NetEvent) -> tuple[EventType, tuple[str, str, str]]:
        return RECEIVED, (self._kinds[event.kind], event.state_name, event.device_name)

    def close(self) -> None:
        """Detach the program."""
        self._counts.close()


def open_probe(env: Env) -> TcpTwRcv:
    """Load and attach. Raises UnsupportedError, SourceError."""
    entries = env.options.get("tcptwrcv", {}).get("entries", _ENTRIES.default)
    plan = event_plan.planned(env, "tcptwrcv")
    prepare = partial(event_plan.prepare, plan=plan)
    counts = NetnsCounts("tcptwrcv", env.sys, PLACES, entries, NEWER, prepare=prepare)
    if counts.chosen[_PLACE] == _DROPPED and not counts.newer:
        counts.close()
        raise UnsupportedError(
            f"{_PLACE} cannot be watched on this kernel: it takes no fentry programs, and tracepoint kfree_skb tells "
            "the socket only since Linux 6.11"
        )
    return TcpTwRcv(counts, plan)


PROBE = ProbeSpec(
    name="tcptwrcv",
    summary="Segments that come for TCP connections in TIME_WAIT, by what they are.",
    metrics=METRICS,
    events=(RECEIVED,),
    open=open_probe,
    requires=(
        Requirement(
            RequirementKind.KERNEL,
            "Linux 5.17 that takes fentry programs, or 6.11, with BTF",
            "before the tracepoint of drops told the socket",
        ),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to functions and tracepoints"),
    ),
    options=(_ENTRIES,),
    event_options=(event_plan.RATE, event_plan.STACK),
)
