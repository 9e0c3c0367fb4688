"""How long packets wait in the queue of a device and its driver takes to accept them, per network namespace.

A packet is counted at each device it is handed to, so one that leaves a pod through veth, bridge and uplink is counted
three times: in the pod's namespace once, in the host's twice. Large packets that the device cuts itself are one packet;
those that the kernel cuts in front of the driver are left out.

One packet in 16 is measured, by chance, unless the option `sample_one_in` says otherwise: the counters and histograms
show that part and nothing is extrapolated. With 1 slow packets are counted one by one.

Off by default: its three programs take 10 to 40 ns each of every packet and device, and 60 to 110 ns where each packet
is measured; the whole way from pod to pod takes about 4 us.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan
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

_NAME: Final = "netiftxlat"
_counter = partial(Metric, probe=_NAME, kind=Kind.COUNTER, unit=Unit.PACKETS, scope=Scope.NETNS)
_histogram = partial(
    Metric, probe=_NAME, kind=Kind.HISTOGRAM, unit=Unit.SECONDS, buckets=TIME_BUCKETS, scope=Scope.NETNS
)

_QUEUE: Final = "tracepoints net:net_dev_queue and net:net_dev_start_xmit"
_DRIVER: Final = "tracepoints net:net_dev_start_xmit and net:net_dev_xmit"
_QUEUES = (
    "Packets wait for their device: it is slower than what is sent, a traffic shaper (tbf, htb, fq with pacing) holds "
    "them back, or a bandwidth limit of the pod does; compare the backlog and overlimits of the qdisc probe."
)
_DRIVES = (
    "The driver held the CPU: look at a virtual device that hands on to others, at eBPF programs in that path, or at a "
    "host that takes the CPU away."
)

QDISC = TimeMetrics(
    slow=_counter(
        name="qdiscslow_total",
        help="Packets that waited over 10 ms in the queue of a device, unless the option `slow_ms` says otherwise.",
        source=_QUEUE,
        advice=_QUEUES,
    ),
    very_slow=_counter(
        name="qdiscslow100ms",
        help="Packets that waited over 100 ms in the queue of a device, unless the option `very_slow_ms` says "
        "otherwise.",
        source=_QUEUE,
        advice=_QUEUES,
        aliases=("inspector_pod_netiftxlat_qdiscslow100ms",),
    ),
    seconds=_histogram(
        name="qdisc_seconds",
        help="Time that packets waited in the queue of a device until its driver got them.",
        source=_QUEUE,
        advice=_QUEUES,
    ),
)
NETDEV = TimeMetrics(
    slow=_counter(
        name="netdevslow_total",
        help="Packets for which the driver took over 10 ms, unless the option `slow_ms` says otherwise.",
        source=_DRIVER,
        advice=_DRIVES,
    ),
    very_slow=_counter(
        name="netdevslow100ms",
        help="Packets for which the driver took over 100 ms, unless the option `very_slow_ms` says otherwise.",
        source=_DRIVER,
        advice=_DRIVES,
        aliases=("inspector_pod_netiftxlat_netdevslow100ms",),
    ),
    seconds=_histogram(
        name="netdev_seconds",
        help="Time that drivers took to accept a packet, what a virtual device handed on to included.",
        source=_DRIVER,
        advice=_DRIVES,
    ),
)
UNCOUNTED = uncounted(_NAME, _QUEUE)
LOSSES = event_plan.loss_metrics(_NAME, f"{_QUEUE}; {_DRIVER}")
METRICS = (*QDISC, *NETDEV, UNCOUNTED, *LOSSES)

_LATENCY = Field(name="latency_us", help="How long it took, in microseconds.")
_INTERFACE = Field(name="interface", help="The device.")
_event = partial(EventType, probe=_NAME)
QDISC_SLOW = _event(
    name="NETIFTXLAT_QDISC",
    aliases=("TXLAT_QDISC_100MS",),
    help="A packet waited longer than `slow_ms` in the queue of a device; only packets that are measured, see "
    "`sample_one_in`, can be told.",
    advice=_QUEUES,
    fields=(_LATENCY, _INTERFACE),
)
NETDEV_SLOW = _event(
    name="NETIFTXLAT_XMIT",
    aliases=("TXLAT_NETDEV_100MS",),
    help="A driver took longer than `slow_ms` to accept a packet; only packets that are measured, see `sample_one_in`, "
    "can be told.",
    advice=_DRIVES,
    fields=(
        _LATENCY,
        Field(name="queue_us", help="How long the packet had waited in the queue of the device before."),
        _INTERFACE,
    ),
)
OPTIONS = (*options(slow_ms=10, very_slow_ms=100), *PACKETS)

HOOKS = (
    Hook(
        "packets on their way through queues and drivers",
        (("net_dev_xmit", "net_dev_start_xmit", "packet_dropped", "net_dev_queue"),),
    ),
)


def _waited(event: NetEvent) -> Told:
    return QDISC_SLOW, (event.latency, event.device_name)


def _drove(event: NetEvent) -> Told:
    return NETDEV_SLOW, (event.latency, event.detail if event.ends else "", event.device_name)


def open_probe(env: Env) -> NetnsLatency:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = under_way(Given.read(env, _NAME, OPTIONS))
    plan = event_plan.planned(env, _NAME)
    prepare = partial(event_plan.prepare, plan=plan)
    slow = SlowEvents({"KIND_QDISC": _waited, "KIND_NETDEV": _drove}, LOSSES) if plan else None
    bpf = attached(_NAME, env.sys, HOOKS, variables=given.variables, entries=given.entries, prepare=prepare)
    return NetnsLatency(bpf, {"KIND_QDISC": QDISC, "KIND_NETDEV": NETDEV}, UNCOUNTED, slow)


PROBE = ProbeSpec(
    name=_NAME,
    aliases=("netiftxlatency",),
    summary="How long packets wait in the queues of devices, and how long drivers take to accept them.",
    metrics=METRICS,
    events=(QDISC_SLOW, NETDEV_SLOW),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=OPTIONS,
    event_options=(event_plan.RATE, event_plan.STACK),
    default=False,  # three programs for each packet
)
