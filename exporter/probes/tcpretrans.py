"""TCP segments sent again, per network namespace and by what made the kernel send them again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import drop_reasons, event_plan, kernel_btf
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_counts import NetnsCounts, Newer
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.event_plan import Plan
    from exporter.bpf.net_events import NetEvent, NetEvents
    from exporter.bpf.reasons import Reasons
    from exporter.model.probe import Cycle, Env

KIND = Label(
    name="kind",
    help="syn and synack: during the handshake; fast: acknowledgements showed a loss; rto: the retransmission timer "
    "expired; tlp: a tail loss probe; other: none of these.",
    values=("syn", "synack", "fast", "rto", "tlp", "other"),
)

_counter = partial(
    Metric,
    probe="tcpretrans",
    kind=Kind.COUNTER,
    scope=Scope.NETNS,
    unit=Unit.SEGMENTS,
    source="tracepoints tcp:tcp_retransmit_skb and tcp:tcp_retransmit_synack",
)

TOTAL = _counter(
    name="total",
    help="Segments sent again since the exporter began to watch, SYN and SYN-ACK included; without what this node's "
    "own queues refused, which tcpext_tcpretransfail counts.",
    advice="Look at the kinds: rto costs the most time, syn and synack mean that no connection comes about.",
)
SEGMENTS = _counter(
    name="segments_total",
    labels=(KIND,),
    help="Segments sent again since the exporter began to watch, by what made the kernel do it.",
    advice="syn, synack: a policy or a full queue drops the handshake; rto, tlp: the path or the peer stalls; "
    "fast: single losses on the path.",
)
UNCOUNTED = _counter(
    name="uncounted_total",
    scope=Scope.NODE,
    unit=Unit.EVENTS,
    help="Retransmissions missing in the other counters because the map in the kernel was full.",
    advice="Raise the probe's option `entries`.",
)
LOSSES = event_plan.loss_metrics("tcpretrans", "tracepoints tcp:tcp_retransmit_skb and tcp:tcp_retransmit_synack")
METRICS = (TOTAL, SEGMENTS, UNCOUNTED, *LOSSES)

EVIDENCE: Final = ("none", "connection", "segment")
RETRANSMISSION = EventType(
    probe="tcpretrans",
    name="TCPRetrans",
    help="TCP sent something again, from the local end to the remote one.",
    advice="Where this node has dropped the segment itself, the reason says why; else the path or the peer lost it.",
    fields=(
        Field(name="kind", help="What made the kernel do it, as in the counters.", values=KIND.values),
        Field(name="segments", help="How many segments were sent again at once, all of which the counters count."),
        Field(
            name="evidence",
            help="What this node has dropped before: this segment, another one of the connection within 3 s, or none.",
            values=EVIDENCE,
        ),
        Field(name="drop_reason", help="Why that was dropped, without SKB_DROP_REASON_ (Linux 5.17 and newer)."),
        Field(name="drop_age_ms", help="How long before it had been dropped."),
        Field(name="state", help="State of the socket, as the kernel spells it, for example TCP_ESTABLISHED."),
        Field(name="interface", help="Device by which the socket sends."),
    ),
)

_ENTRIES = 8192
PLACES: Final = (
    Hook("a segment sent again", (("retransmit_skb",),)),
    Hook("a SYN-ACK sent again", (("retransmit_synack",),)),
)
_DROPS: Final = Hook("a dropped packet", (("drop",),))  # watched only for events
NEWER: Final = Newer("retransmit_skb", "reports_errors")


class TcpRetrans:
    """The attached programs.

    Args:
        counts: what they count.
        names: of the kernel's drop reasons.
        plan: how single events are wanted.
    """

    def __init__(self, counts: NetnsCounts, names: Reasons, plan: Plan | None = None) -> None:
        self._counts = counts
        self._names = names
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
        """One event for each time that something is sent again. Raises SourceError."""
        return self._counts.events(self._told)

    def _told(self, event: NetEvent) -> tuple[EventType, tuple[str | int, ...]]:
        evidence = EVIDENCE[event.detail]
        reason = self._names[event.reason] if event.detail and self._names.told else ""
        age = event.span if event.detail else ""
        kind = self._kinds[event.kind]
        return RETRANSMISSION, (kind, event.amount, evidence, reason, age, event.state_name, event.device_name)

    def close(self) -> None:
        """Detach the programs."""
        self._counts.close()


def open_probe(env: Env) -> TcpRetrans:
    """Load and attach. Raises UnsupportedError, SourceError."""
    entries = env.options.get("tcpretrans", {}).get("entries", _ENTRIES)
    plan = event_plan.planned(env, "tcpretrans")
    names = drop_reasons.read(kernel_btf.location(env.sys))
    places = (*PLACES, _DROPS) if plan else PLACES
    prepare = partial(drop_reasons.prepare, plan=plan, names=names)
    return TcpRetrans(NetnsCounts("tcpretrans", env.sys, places, entries, NEWER, prepare=prepare), names, plan)


PROBE = ProbeSpec(
    name="tcpretrans",
    summary="TCP segments sent again, by what made the kernel send them again.",
    metrics=METRICS,
    events=(RETRANSMISSION,),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=(Option(name="entries", help="Room for how many pairs of namespace and kind.", default=_ENTRIES),),
    event_options=(event_plan.RATE, event_plan.STACK),
)
