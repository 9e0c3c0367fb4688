"""IPv4 and IPv6 packets that the kernel dropped, per network namespace and by the kernel's own reason.

Every drop is counted by its reason in DROPS. TOTAL leaves out those of `HARMLESS`, where nothing was lost; what the
kernel does not name (NOT_SPECIFIED) may be a loss and is in it. ABNORMAL are those of `ABNORMAL_REASONS`.

Before Linux 5.17 there are no reasons, and the function that dropped the packet stands for one. It tells a firewall's
drops, but not which losses are abnormal: that is a gap.

Events are of what TOTAL counts. Where functions stand for reasons, the kernel does not know the harmless ones, and they
are told too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import drop_reasons, event_plan, kernel_btf
from exporter.bpf.drop_places import DropPlaces
from exporter.bpf.drop_reasons import HARMLESS
from exporter.bpf.hooks import Hook
from exporter.bpf.net_events import address
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

# The packet was sound and meant for one receiver, and this node had no room, route, neighbour or memory for it. Left
# out is what is wrong with packets (checksums, headers, sequence numbers), what nobody waits for (NO_SOCKET), and what
# was told to be dropped (NETFILTER_DROP, XDP, TC_*, SOCKET_FILTER, BPF_CGROUP_EGRESS, IPV6DISABLED).
ABNORMAL_REASONS: Final = frozenset(
    {
        "SOCKET_RCVBUFF",  # queues of sockets
        "SOCKET_BACKLOG",
        "TCP_LISTEN_OVERFLOW",
        "TCP_ZEROWINDOW",
        "TCP_OFO_QUEUE_PRUNE",
        "TCP_OFO_DROP",
        "PACKET_SOCK_ERROR",
        "CPU_BACKLOG",  # queues of the kernel and of devices
        "FULL_RING",
        "QDISC_DROP",
        "QDISC_OVERLIMIT",
        "QDISC_CONGESTED",
        "CAKE_FLOOD",
        "FQ_BAND_LIMIT",
        "FQ_HORIZON_LIMIT",
        "FQ_FLOW_LIMIT",
        "DUALPI2_STEP_DROP",
        "PROTO_MEM",  # memory
        "NOMEM",
        "PFMEMALLOC",
        "SKB_UCOPY_FAULT",
        "SKB_GSO_SEG",
        "NEIGH_CREATEFAIL",  # neighbours
        "NEIGH_FAILED",
        "NEIGH_QUEUEFULL",
        "NEIGH_DEAD",
        "NEIGH_HH_FILLFAIL",
        "IP_OUTNOROUTES",  # routes and devices
        "IP_INNOROUTES",
        "IP_RPFILTER",
        "DEV_READY",
        "NO_TX_TARGET",
        "RECURSION_LIMIT",
        "FRAG_REASM_TIMEOUT",  # fragments
    }
)
UNICAST: Final = "unicast"
MULTICAST: Final = "multicast"
NETFILTER_REASONS: Final = ("NETFILTER_DROP", "nf_hook_slow")

REASON = Label(
    name="reason",
    help="Reason as the running kernel names it, without SKB_DROP_REASON_; reason_<number> where it has no name. "
    "Before Linux 5.17 the function that dropped the packet.",
    budget=128,
)

_counter = partial(
    Metric,
    probe="packetloss",
    kind=Kind.COUNTER,
    scope=Scope.NETNS,
    unit=Unit.PACKETS,
    source="tracepoint skb:kfree_skb",
)

TOTAL = _counter(
    name="total",
    help="IP packets the kernel dropped since the exporter began to watch, harmless reasons excluded.",
    advice="See which reason grows, with the drops by reason of the same pod.",
    inspector="inspector_pod_packetloss_total",
    aliases=("inspector_pod_totalloss", "inspector_pod_packetloss"),
)
ABNORMAL = _counter(
    name="abnormal",
    help="Sound unicast IP packets that were dropped for lack of room, memory, a route or a neighbour on this node.",
    advice="Each reason names what ran out: receive buffers, accept queues, device queues, neighbours or routes.",
    inspector="inspector_pod_packetloss_abnormal",
    aliases=("inspector_pod_abnormalloss", "inspector_pod_abnormalalloss"),
)
NETFILTER = _counter(
    name="netfilter",
    help="IP packets that a firewall rule dropped.",
    advice="A network policy or an iptables or nftables rule drops them: compare with the rules' own counters.",
    inspector="inspector_pod_packetloss_netfilter",
)
DROPS = _counter(
    name="drops_total",
    labels=(REASON,),
    help="IP packets the kernel dropped since the exporter began to watch, by the kernel's reason.",
    advice="NO_SOCKET: nobody listens on that port; SOCKET_RCVBUFF: the program reads too slowly; "
    "NETFILTER_DROP: a policy; NEIGH_*: the next hop does not answer.",
)
UNATTRIBUTED = _counter(
    name="unattributed_total",
    scope=Scope.NODE,
    labels=(REASON,),
    help="IP packets dropped at a place where the kernel no longer knows their network namespace.",
)
UNCOUNTED = _counter(
    name="uncounted_total",
    scope=Scope.NODE,
    help="Drops missing in the other counters because the map in the kernel was full.",
    advice="Raise the probe's option `entries`.",
)
LOSSES = event_plan.loss_metrics("packetloss", "tracepoint skb:kfree_skb")
METRICS = (TOTAL, ABNORMAL, NETFILTER, DROPS, UNATTRIBUTED, UNCOUNTED, *LOSSES)

LOSS = EventType(
    probe="packetloss",
    name="PacketLoss",
    ack="PACKETLOSS",
    help="The kernel dropped an IP packet, which goes from source to destination.",
    advice="See the reason, and where on the stack it was dropped: nf_hook_slow and nft_do_chain are firewalls.",
    fields=(
        Field(name="reason", help="Reason as the kernel names it, without SKB_DROP_REASON_ (Linux 5.17 and newer)."),
        Field(name="kind", help="For whom it was; multicast includes broadcast.", values=(UNICAST, MULTICAST)),
        Field(name="interface", help="Device that it came by or was to leave by."),
        Field(name="state", help="State of the TCP socket that was to receive it (Linux 6.11 and newer)."),
    ),
)

_ENTRIES = 8192
PLACES: Final = (Hook("a dropped packet", (("drop",),)),)
NEWER: Final = Newer("drop", "tells_socket")


class PacketLoss:
    """The attached program.

    Args:
        counts: what it counts.
        names: of the kernel's drop reasons, or of the functions that stand for them.
        plan: how single events are wanted.
    """

    def __init__(self, counts: NetnsCounts, names: Reasons, plan: Plan | None = None) -> None:
        self._plan = plan
        self._counts = counts
        self._kinds = counts.kinds()
        self._names = names

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace, and one per reason that occurred there."""
        counts = self._counts.read()
        self._names.learn(each.reason for found in (counts.unknown, *counts.by_netns.values()) for each in found)
        sums, drops = Table((TOTAL, ABNORMAL, NETFILTER)), Table((DROPS,))
        unattributed, uncounted = Table((UNATTRIBUTED,)), Table((UNCOUNTED,))
        for pod, found in counts.over(cycle.pids):
            total = abnormal = netfilter = 0
            for name, events in self._by_reason(found).items():
                drops.add(pod, (events,), name)
                if name not in HARMLESS:
                    total += events
                if name in NETFILTER_REASONS:
                    netfilter += events
            for kind, number, events in found:
                if self._kinds[kind] == UNICAST and self._names[number] in ABNORMAL_REASONS:
                    abnormal += events
            sums.add(pod, (total, abnormal if self._names.told else None, netfilter))
        for name, events in self._by_reason(counts.unknown).items():
            unattributed.add(cycle.host, (events,), name)
        uncounted.add(cycle.host, (counts.uncounted,))
        losses = [LOSSES.table(cycle.host, counts.suppressed, counts.lost)] if self._plan else []
        return [sums, drops, unattributed, uncounted, *losses]

    def _by_reason(self, found: Sequence[Counted]) -> dict[str, int]:
        """Unicast, multicast and broadcast together."""
        by_reason: dict[str, int] = {}
        for _, number, events in found:
            name = self._names[number]
            by_reason[name] = by_reason.get(name, 0) + events
        return by_reason

    def event_source(self) -> NetEvents:
        """One event per packet lost. Raises SourceError."""
        return self._counts.events(self._told)

    def _told(self, event: NetEvent) -> tuple[EventType, tuple[str, str, str, str]]:
        reason = self._names[event.reason] if self._names.told else ""
        kind = MULTICAST if address(event.dst).is_multicast else self._kinds[event.kind]  # which is of those received
        return LOSS, (reason, kind, event.device_name, event.state_name)

    def close(self) -> None:
        """Detach the program."""
        self._counts.close()
        self._names.close()


def open_probe(env: Env) -> PacketLoss:
    """Load and attach. Raises UnsupportedError, SourceError."""
    entries = env.options.get("packetloss", {}).get("entries", _ENTRIES)
    plan = event_plan.planned(env, "packetloss")
    names = drop_reasons.read(kernel_btf.location(env.sys))
    if not names.told:
        names = DropPlaces(env.proc / "kallsyms")
    try:
        prepare = partial(drop_reasons.prepare, plan=plan, names=names)
        return PacketLoss(NetnsCounts("packetloss", env.sys, PLACES, entries, NEWER, prepare=prepare), names, plan)
    except BaseException:
        names.close()
        raise


PROBE = ProbeSpec(
    name="packetloss",
    summary="IP packets that the kernel dropped, by its own reason.",
    metrics=METRICS,
    events=(LOSS,),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.KERNEL, "Linux 5.17", "older ones tell no reason, so nothing is known as abnormal"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=(Option(name="entries", help="Room for how many pairs of namespace and reason.", default=_ENTRIES),),
    event_options=(event_plan.RATE, event_plan.STACK),
)
