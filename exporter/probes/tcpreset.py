"""TCP resets sent and received, per network namespace, by what they answer and by the kernel's own reason.

Before Linux 6.10 the kernel gives no reasons, and its tracepoint tells of resets sent only where there is a whole
socket, neither none nor one in TIME_WAIT. There the functions that send them are watched; where the kernel refuses that
too, the tracepoint remains, and the total is a gap.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan, kernel_btf, reasons
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_counts import NetnsCounts, Newer
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.bpf.event_plan import Plan
    from exporter.bpf.net_events import NetEvent, NetEvents
    from exporter.bpf.netns_counts import Counted
    from exporter.bpf.reasons import Reasons
    from exporter.model.probe import Cycle, Env

SENT_KINDS: Final = ("no_socket", "answer", "active")
RECEIVED_KINDS: Final = ("connecting", "established", "closing")
PREFIXES: Final = ("SK_RST_REASON_",)

SENT_KIND = Label(
    name="kind",
    help="no_socket: a segment that no socket wants; answer: a segment that does not fit its socket; "
    "active: this side ended a connection that was not at its end.",
    values=SENT_KINDS,
)
RECEIVED_KIND = Label(
    name="kind",
    help="State of the connection that was reset: connecting (refused), established, or closing.",
    values=RECEIVED_KINDS,
)
REASON = Label(
    name="reason",
    help="Reason as the running kernel names it, without SK_RST_REASON_; reason_<number> where it has no name.",
    budget=64,
)

_counter = partial(Metric, probe="tcpreset", kind=Kind.COUNTER, scope=Scope.NETNS, unit=Unit.SEGMENTS)
_SENDING: Final = "tracepoint tcp:tcp_send_reset, or tcp_v4_send_reset, tcp_v6_send_reset and tcp_send_active_reset"
_RECEIVING: Final = "tracepoint tcp:tcp_receive_reset, or tcp_reset"
_sent = partial(_counter, source=_SENDING)
_received = partial(_counter, source=_RECEIVING)

SENT = _sent(
    name="sent_total",
    help="Resets sent since the exporter began to watch; before Linux 6.10 only with fentry or kprobes.",
    advice="See the kinds and reasons: a closed port is being asked, or a program gives connections up.",
)
RECEIVED = _received(
    name="received_total",
    help="Resets received for a connection since the exporter began to watch.",
    advice="The peer, or a proxy or firewall on the way, ended connections: see in which state they were.",
)
SENT_BY_KIND = _sent(
    name="sent_by_kind_total",
    labels=(SENT_KIND,),
    help="Resets sent since the exporter began to watch, by what made the kernel send them; before Linux 6.10 "
    "those without a socket only with fentry or kprobes.",
    advice="no_socket: nobody listens on that port, or an answer came after the end; active: a program closes with "
    "data unread or with SO_LINGER.",
)
RECEIVED_BY_KIND = _received(
    name="received_by_kind_total",
    labels=(RECEIVED_KIND,),
    help="Resets received for a connection, by the state of the connection.",
    advice="connecting: the port is closed there; established: idle time-outs of proxies, or a crashed peer.",
)
SENT_BY_REASON = _sent(
    name="sent_by_reason_total",
    labels=(REASON,),
    help="Resets sent since the exporter began to watch, by the kernel's reason (Linux 6.10 and newer).",
)
UNATTRIBUTED = _counter(
    name="unattributed_total",
    scope=Scope.NODE,
    help="Resets sent for packets of which the network namespace is unknown.",
    source=_SENDING,
)
UNCOUNTED = _counter(
    name="uncounted_total",
    scope=Scope.NODE,
    unit=Unit.EVENTS,
    help="Resets missing in the other counters because the map in the kernel was full.",
    source=f"{_SENDING}; {_RECEIVING}",
    advice="Raise the probe's option `entries`.",
)
LOSSES = event_plan.loss_metrics("tcpreset", f"{_SENDING}; {_RECEIVING}")
METRICS = (SENT, RECEIVED, SENT_BY_KIND, RECEIVED_BY_KIND, SENT_BY_REASON, UNATTRIBUTED, UNCOUNTED, *LOSSES)

_event = partial(
    EventType,
    probe="tcpreset",
    fields=(
        Field(name="state", help="State of this node's socket, as the kernel spells it, for example TCP_ESTABLISHED."),
        Field(name="reason", help="Reason of a reset that was sent, without SK_RST_REASON_ (Linux 6.10 and newer)."),
        Field(name="direction", help="Whether this node sent the reset or received it.", values=("sent", "received")),
        Field(name="interface", help="Device by which the segment came or the socket sends."),
    ),
)
_received_event = partial(
    _event,
    name="TCPRESET_RECEIVE",
    advice="The peer, or a proxy or firewall on the way, ended the connection.",
)
EVENTS: Final = {
    "no_socket": _event(
        name="TCPRESET_NOSOCK",
        ack="TCP_SEND_RST_NOSock",
        help="A reset was sent because no socket wants the segment that is shown.",
        advice="Nobody listens on that port, or address translation has forgotten the connection.",
    ),
    "answer": _event(
        name="TCPRESET_PROCESS",
        ack="TCP_SEND_RST",
        help="A reset was sent because the segment that is shown does not fit its socket.",
        advice="See the reason and the state: data after the program has closed, or a segment of an older connection.",
    ),
    "active": _event(
        name="TCPRESET_ACTIVE",
        ack="TCP_SEND_RST_ACTIVE",
        help="A reset was sent because this side ended a connection that was not at its end.",
        advice="A program closes with data unread or with SO_LINGER, or the kernel gave the connection up.",
    ),
    "connecting": _received_event(
        ack="TCP_RCV_RST_SYN", help="A reset was received during the handshake: the connection is refused."
    ),
    "established": _received_event(ack="TCP_RCV_RST_ESTAB", help="A reset was received on an established connection."),
    "closing": _received_event(ack="TCP_RCV_RST_TW", help="A reset was received after one side had closed."),
}

_ENTRIES = 8192
_SENT: Final = "a reset sent"
_RECEIVED: Final = Hook("a reset received", (("receive_reset",), ("receive_fentry",), ("receive_kprobe",)))
_TRACEPOINT: Final = ("send_reset",)
_FUNCTIONS: Final = (
    ("answer4_fentry", "answer6_fentry", "active_fentry"),
    ("answer4_kprobe", "answer6_kprobe", "active_kprobe"),
)
NEWER: Final = Newer("send_reset", "tells_reason")


class TcpReset:
    """The attached programs.

    Args:
        counts: what they count.
        names: of the kernel's reset reasons.
        plan: how single events are wanted.
    """

    def __init__(self, counts: NetnsCounts, names: Reasons, plan: Plan | None = None) -> None:
        self._plan = plan
        self._sees_all = counts.newer or counts.chosen[_SENT] != _TRACEPOINT
        self._counts = counts
        self._kinds = counts.kinds()
        self._names = names

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace, and one per kind and per reason that occurred there."""
        counts = self._counts.read()
        totals = Table((SENT, RECEIVED))
        sent, received, by_reason = Table((SENT_BY_KIND,)), Table((RECEIVED_BY_KIND,)), Table((SENT_BY_REASON,))
        for pod, found in counts.over(cycle.pids):
            all_sent = all_received = 0
            for kind, number in self._by_kind(found).items():
                if kind in SENT_KINDS:
                    sent.add(pod, (number,), kind)
                    all_sent += number
                else:
                    received.add(pod, (number,), kind)
                    all_received += number
            totals.add(pod, (all_sent if self._sees_all else None, all_received))
            for reason, number in self._by_reason(found).items():
                by_reason.add(pod, (number,), reason)
        node = Table((UNATTRIBUTED, UNCOUNTED))
        node.add(cycle.host, (sum(each.events for each in counts.unknown), counts.uncounted))
        tables = [totals, sent, received, by_reason, node]
        if self._plan:
            tables.append(LOSSES.table(cycle.host, counts.suppressed, counts.lost))
        return tables

    def _by_kind(self, found: Sequence[Counted]) -> dict[str, int]:
        kinds: dict[str, int] = {}
        for number, _, events in found:
            kind = self._kinds[number]
            kinds[kind] = kinds.get(kind, 0) + events
        return kinds

    def _by_reason(self, found: Sequence[Counted]) -> dict[str, int]:
        """Resets sent by reason; none where the kernel tells none."""
        reason_counts: dict[str, int] = {}
        for kind, number, events in found if self._counts.newer else ():
            if self._kinds[kind] in SENT_KINDS:
                reason = self._names[number]
                reason_counts[reason] = reason_counts.get(reason, 0) + events
        return reason_counts

    def event_source(self) -> NetEvents:
        """One event per reset. Raises SourceError."""
        return self._counts.events(self._told)

    def _told(self, event: NetEvent) -> tuple[EventType, tuple[str, str, str, str]]:
        kind = self._kinds[event.kind]
        was_sent = kind in SENT_KINDS
        reason = self._names[event.reason] if was_sent and self._counts.newer else ""
        direction = "sent" if was_sent else "received"
        return EVENTS[kind], (event.state_name, reason, direction, event.device_name)

    def close(self) -> None:
        """Detach the programs."""
        self._counts.close()


def open_probe(env: Env) -> TcpReset:
    """Load and attach. Raises UnsupportedError, SourceError."""
    entries = env.options.get("tcpreset", {}).get("entries", _ENTRIES)
    names = reasons.read("sk_rst_reason", PREFIXES, kernel_btf.location(env.sys))
    plan = event_plan.planned(env, "tcpreset")
    prepare = partial(event_plan.prepare, plan=plan)
    counts = NetnsCounts("tcpreset", env.sys, places(told=names.told), entries, NEWER, prepare=prepare)
    return TcpReset(counts, names, plan)


def places(*, told: bool) -> tuple[Hook, ...]:
    """Where resets are watched, on a kernel that tells of all of them or on an older one."""
    ways = (_TRACEPOINT, *_FUNCTIONS) if told else (*_FUNCTIONS, _TRACEPOINT)
    return (Hook(_SENT, ways), _RECEIVED)


PROBE = ProbeSpec(
    name="tcpreset",
    aliases=("tcp_reset",),
    summary="TCP resets sent and received, by what they answer and by the kernel's reason.",
    metrics=METRICS,
    events=tuple(EVENTS.values()),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.KERNEL, "Linux 6.10", "older ones tell no reason, and need fentry or kprobes"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=(Option(name="entries", help="Room for how many groups of namespace, kind and reason.", default=_ENTRIES),),
    event_options=(event_plan.RATE, event_plan.STACK),
)
