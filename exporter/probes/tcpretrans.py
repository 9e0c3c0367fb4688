"""TCP segments sent again, per network namespace and by what made the kernel send them again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf.hooks import Hook
from exporter.bpf.netns_counts import NetnsCounts, Newer
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
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
    help="Segments sent again since the exporter began to watch, SYN and SYN-ACK included.",
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
METRICS = (TOTAL, SEGMENTS, UNCOUNTED)

_ENTRIES = 8192
PLACES: Final = (
    Hook("a segment sent again", (("retransmit_skb",),)),
    Hook("a SYN-ACK sent again", (("retransmit_synack",),)),
)
NEWER: Final = Newer("retransmit_skb", "reports_errors")


class TcpRetrans:
    """The attached programs.

    Args:
        counts: what they count.
    """

    def __init__(self, counts: NetnsCounts) -> None:
        self._counts = counts
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
        return [total, kinds, uncounted]

    def close(self) -> None:
        """Detach the programs."""
        self._counts.close()


def open_probe(env: Env) -> TcpRetrans:
    """Load and attach. Raises UnsupportedError, SourceError."""
    entries = env.options.get("tcpretrans", {}).get("entries", _ENTRIES)
    return TcpRetrans(NetnsCounts("tcpretrans", env.sys, PLACES, entries, NEWER))


PROBE = ProbeSpec(
    name="tcpretrans",
    summary="TCP segments sent again, by what made the kernel send them again.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=(Option(name="entries", help="Room for how many pairs of namespace and kind.", default=_ENTRIES),),
)
