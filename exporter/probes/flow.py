"""Bytes and packets between pairs of addresses, with the pods behind them.

A packet is counted once, as on the wire. What enters or leaves the node is counted at its uplinks, with the addresses
that it has there. What one of the node's pods, or the node, sends to an address of this node is counted where it is
sent, or, when it was sent to a Service, once that has been replaced by a pod. Loopback is not counted. The packets
of a tunnel are those of two nodes, unless the tunnel's device is made an uplink.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import kernel_btf
from exporter.bpf.flow_counts import FlowCounts
from exporter.errors import UnsupportedError
from exporter.identity import endpoints
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table
from exporter.sources import addresses, links, uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.bpf.flow_counts import Tuple
    from exporter.identity.endpoints import Endpoint
    from exporter.model.probe import Cycle, Env, Netns
    from exporter.sources.links import Link

_PROTOCOLS: Final = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 51: "AH",
                     58: "ICMPv6", 89: "OSPF", 132: "SCTP"}  # fmt: skip


def _side(side: str, who: str) -> tuple[Label, ...]:
    return (
        Label(name=side, help=f"Address of the {who}."),
        Label(name=f"{side}_type", help=f"What the {who} is.", values=endpoints.KINDS),
        Label(name=f"{side}_node", help=f"Node of the {who}, where it is known."),
        Label(name=f"{side}_namespace", help=f"Namespace of the {who}, of a pod."),
        Label(name=f"{side}_pod", help=f"Name of the {who}, of a pod."),
    )


LABELS = (
    Label(name="protocol", help="Protocol above IP, for example TCP; its number where it has no common name."),
    *_side("src", "sender"),
    *_side("dst", "receiver"),
    Label(name="sport", help="Port of the sender; 0 unless the option `ports` is set."),
    Label(name="dport", help="Port of the receiver; 0 unless the option `ports` is set."),
)
REASON = Label(
    name="reason",
    help="map_full: no room for another flow; unreadable: the headers could not be read.",
    values=("map_full", "unreadable"),
)

_node = partial(Metric, probe="flow", scope=Scope.NODE)
_flow = partial(
    _node,
    kind=Kind.COUNTER,
    labels=LABELS,
    source="tracepoints net:net_dev_start_xmit and net:netif_receive_skb",
)

BYTES = _flow(
    name="bytes",
    unit=Unit.BYTES,
    help="Bytes sent from one address to another, on the wire, link headers included.",
    advice="Its rate by pair says who fills the network; compare with what the device and the pod are allowed.",
)
PACKETS = _flow(
    name="packets",
    unit=Unit.PACKETS,
    help="Packets sent from one address to another, on the wire.",
    advice="Many packets with few bytes cost the node the most: batch them, or move the pods together.",
)
UNCOUNTED = _node(
    name="uncounted_total",
    kind=Kind.COUNTER,
    unit=Unit.PACKETS,
    labels=(REASON,),
    help="Packets that are missing in the flows, a large one that is still to be cut counted once.",
    source=_flow.keywords["source"],
    advice="map_full: raise the probe's option `entries`, or lower `idle_minutes`.",
)
UPLINKS = _node(
    name="uplinks",
    kind=Kind.GAUGE,
    unit=Unit.ENTRIES,
    help="Devices at which packets that enter or leave the node are counted.",
    source="rtnetlink RTM_GETLINK, /proc/net/route and ipv6_route",
    advice="At 0 only what stays on the node is counted: name the devices in the probe's option `interface`.",
)
METRICS = (BYTES, PACKETS, UNCOUNTED, UPLINKS)

_INTERFACE = Option(
    name="interface",
    help="Devices that lead off the node, as a list of names with commas, where `*` ends a prefix; without, those of "
    "the default routes.",
    default="",
    aliases=("interfaceName",),
)
_PORTS = Option(
    name="ports",
    help="Whether ports tell flows apart, which makes many series.",
    default=False,
    aliases=("enablePortInLabel",),
)
_ENTRIES = Option(name="entries", help="Room for how many flows.", default=8192)
_IDLE = Option(name="idle_minutes", help="Forget flows without a packet for so many minutes.", default=10)
_OPTIONS = (_INTERFACE, _PORTS, _ENTRIES, _IDLE)


def read_default_devices(netns: Netns) -> frozenset[str]:
    """Names of the devices that carry a default route of either family."""
    found: set[str] = set()
    for name, parse in (("route", uplink.parse_route), ("ipv6_route", uplink.parse_ipv6_route)):
        try:
            found |= netns.parsed(name, parse)
        except UnsupportedError:
            continue  # the kernel has this family switched off
    return frozenset(found)


@dataclass(slots=True)
class _Flow:
    """What is known of one flow.

    Args:
        ends: who sends and who receives.
        labels: of its series.
        packets: when it was last looked at.
        active: when their number was last seen to grow.
    """

    ends: tuple[Endpoint, Endpoint]
    labels: tuple[str, ...]
    packets: int
    active: float


class Flow:
    """The attached programs.

    Args:
        counts: what they count.
        interface: the option.
        idle_minutes: the option.
        clock: seconds, of any origin.
    """

    def __init__(
        self,
        counts: FlowCounts,
        *,
        interface: str = _INTERFACE.default,
        idle_minutes: int = _IDLE.default,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._patterns = tuple(filter(None, map(str.strip, interface.split(","))))
        self._idle = idle_minutes * 60
        self._clock = clock
        self._flows: dict[bytes, _Flow] = {}
        self._owners: Mapping[bytes, Endpoint] = {}

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per flow, of the node."""
        devices = cycle.on_host(links.read)
        uplinks = self._watch(cycle, devices)
        flows, uncounted, watched = Table((BYTES, PACKETS)), Table((UNCOUNTED,)), Table((UPLINKS,))
        self._fill(flows, cycle)
        for reason, packets in self._counts.uncounted()._asdict().items():
            uncounted.add(cycle.host, (packets,), reason)
        watched.add(cycle.host, (uplinks,))
        return [flows, uncounted, watched]

    def _watch(self, cycle: Cycle, devices: tuple[Link, ...]) -> int:
        """Tell the programs what is where now; the number of uplinks."""
        chosen = links.named(devices, self._patterns or cycle.on_host(read_default_devices))
        lowest = links.lowest(devices, chosen)
        services = {link.ifindex for link in devices if link.name == links.SERVICES}
        found = {
            pod: [each.value for each in values if not (pod.is_host and each.device in services)]
            for pod, values in cycle.over(addresses.read)
        }
        owners = endpoints.of_node(cycle.env.node, found)
        if owners != self._owners:
            self._owners = owners
            self._rename()
        self._counts.watch(
            cycle.host.netns,
            {link.ifindex for link in lowest},
            {link.ifindex for link in chosen - lowest},
            {value for values in found.values() for value in values},
        )
        return len(lowest)

    def _rename(self) -> None:
        """Give flows the names of their ends. What a pod that has gone had counted is not its successor's."""
        for key, flow in list(self._flows.items()):
            named = self._named(key, flow.packets)
            if any(old not in (endpoints.OUTSIDE, new) for old, new in zip(flow.ends, named.ends, strict=True)):
                self._counts.forget(key)
                del self._flows[key]
            elif named.ends != flow.ends:
                named.active = flow.active
                self._flows[key] = named

    def _named(self, key: bytes, packets: int) -> _Flow:
        flow: Tuple = self._counts.tuple_of(key)
        ends = self._owners.get(flow.src, endpoints.OUTSIDE), self._owners.get(flow.dst, endpoints.OUTSIDE)
        labels = (
            _PROTOCOLS.get(flow.protocol, str(flow.protocol)),
            *(addresses.text(flow.src), *ends[0]),
            *(addresses.text(flow.dst), *ends[1]),
            str(flow.sport),
            str(flow.dport),
        )
        return _Flow(ends, labels, packets, self._clock())

    def _fill(self, table: Table, cycle: Cycle) -> None:
        now, before = self._clock(), self._flows
        self._flows = {}
        for key, count in self._counts.read():
            flow = before.get(key) or self._named(key, count.packets)
            if flow.packets != count.packets:
                flow.packets, flow.active = count.packets, now
            elif now - flow.active > self._idle:
                self._counts.forget(key)
                continue
            self._flows[key] = flow
            table.add(cycle.host, count, *flow.labels)

    def close(self) -> None:
        """Detach the programs."""
        self._counts.close()


def open_probe(env: Env) -> Flow:
    """Load and attach. Raises UnsupportedError, SourceError."""
    kernel_btf.require(env.sys)
    given = env.options.get("flow", {})
    interface, ports, entries, idle_minutes = (given.get(option.name, option.default) for option in _OPTIONS)
    return Flow(FlowCounts(entries, ports=ports), interface=interface, idle_minutes=idle_minutes)


PROBE = ProbeSpec(
    name="flow",
    summary="Bytes and packets between pairs of addresses, with the pods behind them, each packet counted once.",
    metrics=METRICS,
    open=open_probe,
    readers=(addresses.read,),
    host_readers=(links.read, read_default_devices),
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.5 with BTF", "the programs use typed tracepoints"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
        Requirement(
            RequirementKind.CAPABILITY, "CAP_SYS_ADMIN", "addresses are listed from inside each pod's network namespace"
        ),
    ),
    options=_OPTIONS,
    default=False,  # two programs for each packet and device, and a series for each pair
)
