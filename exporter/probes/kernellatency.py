"""How long the kernel takes with an IP packet between the device and the protocol above IP, per network namespace.

Received: from when the device's packet enters the stack until the protocol (TCP, UDP, ICMP) gets it. Sent: from when
the protocol hands it to IP until it is queued at the first device. In between are routing, firewall rules, waiting for
a verdict from user space, waiting for a neighbour's address, and whatever takes the CPU away.

A packet that is only forwarded is in neither, until it enters or leaves a pod. On loopback a packet is sent and
received. What comes in fragments is one packet since its last fragment. Left out are what is dropped on the way, and of
what is sent: most fragments, what is cut into segments for a program in user space, and over IPv6 SYN-ACKs and what
TCP answers without a connection.

Where the kernel allows neither fentry nor kprobes, received is what reaches a socket, and sent are TCP segments, but
not those of SYN-ACKs or with a departure that was set in the future (pacing with the fq queue).

One packet in 16 is measured, by chance, unless the option `sample_one_in` says otherwise: the counters and histograms
show that part and nothing is extrapolated. With 1 slow packets are counted one by one.

Off by default: its programs take 10 to 50 ns each of every packet, and 100 to 190 ns where each packet is measured; the
whole way from pod to pod takes about 4 us.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import cgroup, event_plan
from exporter.bpf.attached import attached
from exporter.bpf.histogram import TIME_BUCKETS
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_latency import Given, NetnsLatency, SlowEvents, TimeMetrics, options, uncounted
from exporter.bpf.packets import PACKETS, under_way
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind

if TYPE_CHECKING:
    from exporter.bpf.net_events import NetEvent, Told
    from exporter.model.probe import Env

_NAME: Final = "kernellatency"
_counter = partial(Metric, probe=_NAME, kind=Kind.COUNTER, unit=Unit.PACKETS, scope=Scope.NETNS)
_histogram = partial(
    Metric, probe=_NAME, kind=Kind.HISTOGRAM, unit=Unit.SECONDS, buckets=TIME_BUCKETS, scope=Scope.NETNS
)

_RECEIVED: Final = "tracepoint net:netif_receive_skb and functions ip_protocol_deliver_rcu, ip6_protocol_deliver_rcu"
_SENT: Final = "functions __ip_local_out, __ip6_local_out, inet6_csk_xmit and tracepoint net:net_dev_queue"
_SLOW_IN = (
    "Received packets were held up before their socket: look for many iptables rules, rules that ask a program for a "
    "verdict (NFQUEUE), eBPF programs, or a host that takes the CPU away; compare the softirq probe."
)
_SLOW_OUT = (
    "Packets were held up before their device: look for a neighbour that answers late (compare the neigh probe), many "
    "iptables rules, rules that ask a program for a verdict (NFQUEUE), or a host that takes the CPU away."
)

RX = TimeMetrics(
    slow=_counter(
        name="rxslow",
        help="Received packets that took over 10 ms from the device to the protocol above IP, unless the option "
        "`slow_ms` says otherwise.",
        source=_RECEIVED,
        advice=_SLOW_IN,
        aliases=("inspector_pod_kernellatency_rxslow",),
    ),
    very_slow=_counter(
        name="rxslow100ms",
        help="Received packets that took over 100 ms from the device to the protocol above IP, unless the option "
        "`very_slow_ms` says otherwise.",
        source=_RECEIVED,
        advice=_SLOW_IN,
        aliases=("inspector_pod_kernellatency_rxslow100ms", "kernellatency_rxslow100ms"),
    ),
    seconds=_histogram(
        name="rx_seconds",
        help="Time from when a device handed a packet to the kernel until the protocol above IP received it.",
        source=_RECEIVED,
        advice=_SLOW_IN,
    ),
)
TX = TimeMetrics(
    slow=_counter(
        name="txslow",
        help="Sent packets that took over 10 ms from the protocol above IP to the queue of a device, unless the option "
        "`slow_ms` says otherwise.",
        source=_SENT,
        advice=_SLOW_OUT,
        aliases=("inspector_pod_kernellatency_txslow",),
    ),
    very_slow=_counter(
        name="txslow100ms",
        help="Sent packets that took over 100 ms from the protocol above IP to the queue of a device, unless the "
        "option `very_slow_ms` says otherwise.",
        source=_SENT,
        advice=_SLOW_OUT,
        aliases=("inspector_pod_kernellatency_txslow100ms", "kernellatency_txslow100ms"),
    ),
    seconds=_histogram(
        name="tx_seconds",
        help="Time from when the protocol above IP handed a packet down until it was queued at a device.",
        source=_SENT,
        advice=_SLOW_OUT,
    ),
)
UNCOUNTED = uncounted(_NAME, _RECEIVED)
LOSSES = event_plan.loss_metrics(_NAME, f"{_RECEIVED}; {_SENT}")
METRICS = (*RX, *TX, UNCOUNTED, *LOSSES)

_LATENCY = Field(name="latency_us", help="How long it took altogether, in microseconds.")
_INTERFACE = Field(name="interface", help="Device that it came by or leaves by.")
_event = partial(EventType, probe=_NAME)
RX_SLOW = _event(
    name="RXKERNEL_SLOW",
    help="A received packet took longer than `slow_ms` from its device to the protocol above IP; only packets that "
    "are measured, see `sample_one_in`, can be told.",
    advice=_SLOW_IN,
    fields=(
        _LATENCY,
        Field(
            name="prerouting_us",
            help="Of that, up to the end of routing, firewall rules before it included (fentry or kprobes).",
        ),
        Field(name="local_in_us", help="Of that, the rest: firewall rules for what is received by this namespace."),
        _INTERFACE,
    ),
)
TX_SLOW = _event(
    name="TXKERNEL_SLOW",
    help="A sent packet took longer than `slow_ms` from the protocol above IP to the queue of a device; only packets "
    "that are measured, see `sample_one_in`, can be told.",
    advice=_SLOW_OUT,
    fields=(
        _LATENCY,
        Field(
            name="local_out_us",
            help="Of that, firewall rules for what this namespace sends, and routing after them (fentry or kprobes).",
        ),
        Field(name="postrouting_us", help="Of that, the rest: firewall rules behind routing, and the neighbour."),
        _INTERFACE,
    ),
)
OPTIONS = (*options(slow_ms=10, very_slow_ms=100), *PACKETS)

RECEIVED = Hook(
    "a received packet that reaches its protocol",
    (("deliver4", "deliver6"), ("deliver4_kprobe", "deliver6_kprobe"), ("deliver_to_socket",)),
)
SENT = Hook(
    "a sent packet between its protocol and its device",
    (
        ("queued", "local_out4", "local_out6", "xmit6"),
        ("queued", "local_out4_kprobe", "local_out6_kprobe", "xmit6_kprobe"),
        ("queued_by_tcp",),
    ),
)
ENDED = Hook("a packet that is dropped", (("packet_dropped",),))
ARRIVED = Hook("a packet that enters the stack", (("netif_receive_skb",),))


ROUTED = Hook(  # watched only for events, which do without where it cannot be
    "a packet that was routed",
    (
        ("routed_in4", "routed_in6", "routed_out4", "routed_out6"),
        ("routed_in4_kprobe", "routed_in6_kprobe", "routed_out4_kprobe", "routed_out6_kprobe"),
        (),
    ),
)


def _told(slow: EventType, event: NetEvent) -> Told:
    stages = (event.detail, event.latency - event.detail) if event.detail else ("", "")
    return slow, (event.latency, *stages, event.device_name)


def open_probe(env: Env) -> NetnsLatency:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = under_way(Given.read(env, _NAME, OPTIONS))
    plan = event_plan.planned(env, _NAME)
    slow = SlowEvents({"KIND_RX": partial(_told, RX_SLOW), "KIND_TX": partial(_told, TX_SLOW)}, LOSSES)
    bpf = attached(
        _NAME,
        env.sys,
        (RECEIVED, SENT, ENDED, ARRIVED, *((ROUTED,) if plan else ())),
        variables=given.variables,
        entries=given.entries,
        cgroup=cgroup.root(env.proc),
        prepare=partial(event_plan.prepare, plan=plan),
    )
    return NetnsLatency(bpf, {"KIND_RX": RX, "KIND_TX": TX}, UNCOUNTED, slow if plan else None)


PROBE = ProbeSpec(
    name=_NAME,
    summary="How long the kernel takes with IP packets between the device and the protocol above IP.",
    metrics=METRICS,
    events=(RX_SLOW, TX_SLOW),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(
            RequirementKind.KERNEL,
            "fentry, kprobes or a mounted cgroup2",
            "with cgroup2 alone only TCP is measured when sent, and what reaches a socket when received",
        ),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints and functions"),
        Requirement(RequirementKind.CAPABILITY, "CAP_NET_ADMIN", "attaching to the root cgroup, where that is needed"),
    ),
    options=OPTIONS,
    event_options=(event_plan.RATE, event_plan.STACK),
    default=False,  # up to four programs for each packet
)
