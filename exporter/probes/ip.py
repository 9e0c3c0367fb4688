"""IPv4 counters of each network namespace: delivery, forwarding, routes, fragments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec
from exporter.model.snapshot import Table
from exporter.sources import snmp

if TYPE_CHECKING:
    from exporter.model.probe import Cycle, Env

_metric = partial(Metric, probe="ip", scope=Scope.NETNS, source="/proc/<pid>/net/snmp, Ip line")
_packets = partial(_metric, kind=Kind.COUNTER, unit=Unit.PACKETS)
_fragments = partial(_metric, kind=Kind.COUNTER, unit=Unit.FRAGMENTS)
_extended = partial(
    Metric, probe="ip", kind=Kind.COUNTER, scope=Scope.NETNS, source="/proc/<pid>/net/netstat, IpExt line"
)

FORWARDING = _metric(
    name="forwarding",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    column="Forwarding",
    help="Whether the namespace forwards packets, 1 for yes and 2 for no.",
)
DEFAULT_TTL = _metric(
    name="defaultttl",
    kind=Kind.GAUGE,
    unit=Unit.HOPS,
    column="DefaultTTL",
    help="Time to live that packets sent from here start with.",
)
IN_RECEIVES = _packets(name="inreceives", column="InReceives", help="Packets received, bad ones included.")
IN_HDR_ERRORS = _packets(
    name="inhdrerrors",
    column="InHdrErrors",
    help="Packets dropped for a bad header, a bad checksum or an expired time to live.",
    advice="Look for a routing loop (time exceeded in icmp) or for a device that mangles headers.",
)
IN_ADDR_ERRORS = _packets(
    name="inaddrerrors",
    column="InAddrErrors",
    help="Packets dropped because their address is not valid here, or because forwarding is off.",
    advice="Check net.ipv4.ip_forward and whether a stale route or neighbour still sends a pod's packets here.",
)
FORW_DATAGRAMS = _packets(name="forwdatagrams", column="ForwDatagrams", help="Packets forwarded.")
IN_UNKNOWN_PROTOS = _packets(
    name="inunknownprotos",
    column="InUnknownProtos",
    help="Packets dropped because nothing here handles their upper protocol.",
)
IN_DISCARDS = _packets(
    name="indiscards",
    column="InDiscards",
    help="Good packets dropped on receive, for example for lack of memory.",
    advice="See free memory of the node and the drop reasons of the packetloss probe.",
)
IN_DELIVERS = _packets(name="indelivers", column="InDelivers", help="Packets handed to TCP, UDP or another protocol.")
OUT_REQUESTS = _packets(name="outrequests", column="OutRequests", help="Packets that local protocols asked to send.")
OUT_DISCARDS = _packets(
    name="outdiscards",
    column="OutDiscards",
    help="Good packets dropped on the way out, for lack of memory or by a filter.",
    advice="See the firewall's output rules, neighbour tables (gc_thresh3) and qdisc drops.",
)
OUT_NO_ROUTES = _packets(
    name="outnoroutes",
    column="OutNoRoutes",
    help="Packets dropped because no route leads to their destination.",
    advice="Print `ip route` in that namespace: the default route or the network plugin's route is missing.",
)
REASM_TIMEOUT = _packets(
    name="reasmtimeout",
    column="ReasmTimeout",
    help="Packets given up because fragments were missing for too long.",
    advice="A firewall or load balancer drops fragments: lower the MTU so that none are needed.",
)
REASM_REQDS = _fragments(name="reasmreqds", column="ReasmReqds", help="Fragments received that needed reassembly.")
REASM_OKS = _packets(name="reasmoks", column="ReasmOKs", help="Packets put together from fragments.")
REASM_FAILS = _packets(
    name="reasmfails",
    column="ReasmFails",
    help="Reassemblies that failed, for lack of fragments or of memory.",
    advice="Compare fragment memory with net.ipv4.ipfrag_high_thresh; look for lost fragments on the path.",
)
FRAG_OKS = _packets(name="fragoks", column="FragOKs", help="Packets split into fragments.")
FRAG_FAILS = _packets(
    name="fragfails",
    column="FragFails",
    help="Packets dropped because they exceed the MTU and may not be split.",
    advice="The path's MTU is smaller than the pod's: compare device MTUs, let ICMP through for its discovery.",
)
FRAG_CREATES = _fragments(name="fragcreates", column="FragCreates", help="Fragments made.")

BASIC = (
    FORWARDING,
    DEFAULT_TTL,
    IN_RECEIVES,
    IN_HDR_ERRORS,
    IN_ADDR_ERRORS,
    FORW_DATAGRAMS,
    IN_UNKNOWN_PROTOS,
    IN_DISCARDS,
    IN_DELIVERS,
    OUT_REQUESTS,
    OUT_DISCARDS,
    OUT_NO_ROUTES,
    REASM_TIMEOUT,
    REASM_REQDS,
    REASM_OKS,
    REASM_FAILS,
    FRAG_OKS,
    FRAG_FAILS,
    FRAG_CREATES,
)

IN_NO_ROUTES = _extended(
    name="innoroutes",
    unit=Unit.PACKETS,
    column="InNoRoutes",
    help="Packets received and dropped because no route leads to their destination.",
    advice="Somebody sends packets of a pod that is not here: look for stale routes on other nodes.",
)
IN_TRUNCATED = _extended(
    name="intruncatedpkts",
    unit=Unit.PACKETS,
    column="InTruncatedPkts",
    help="Packets dropped because they were shorter than their header says.",
)
EXTENDED = (IN_NO_ROUTES, IN_TRUNCATED)

_more = partial(_extended, default=False)
EXTRA = (
    _more(
        name="in_multicast_packets_total",
        unit=Unit.PACKETS,
        column="InMcastPkts",
        help="Multicast packets received.",
    ),
    _more(name="out_multicast_packets_total", unit=Unit.PACKETS, column="OutMcastPkts", help="Multicast packets sent."),
    _more(
        name="in_broadcast_packets_total",
        unit=Unit.PACKETS,
        column="InBcastPkts",
        help="Broadcast packets received.",
    ),
    _more(name="out_broadcast_packets_total", unit=Unit.PACKETS, column="OutBcastPkts", help="Broadcast packets sent."),
    _more(name="in_bytes_total", unit=Unit.BYTES, column="InOctets", help="Bytes received, IP headers included."),
    _more(name="out_bytes_total", unit=Unit.BYTES, column="OutOctets", help="Bytes sent, IP headers included."),
    _more(
        name="in_multicast_bytes_total",
        unit=Unit.BYTES,
        column="InMcastOctets",
        help="Bytes received in multicast packets.",
    ),
    _more(
        name="out_multicast_bytes_total",
        unit=Unit.BYTES,
        column="OutMcastOctets",
        help="Bytes sent in multicast packets.",
    ),
    _more(
        name="in_broadcast_bytes_total",
        unit=Unit.BYTES,
        column="InBcastOctets",
        help="Bytes received in broadcast packets.",
    ),
    _more(
        name="out_broadcast_bytes_total",
        unit=Unit.BYTES,
        column="OutBcastOctets",
        help="Bytes sent in broadcast packets.",
    ),
    _more(
        name="in_checksum_errors_total",
        unit=Unit.PACKETS,
        column="InCsumErrors",
        help="Packets received with a bad header checksum.",
    ),
    _more(
        name="in_not_ect_packets_total",
        unit=Unit.PACKETS,
        column="InNoECTPkts",
        help="Packets received from senders that do not take part in congestion marking.",
    ),
    _more(
        name="in_ect1_packets_total",
        unit=Unit.PACKETS,
        column="InECT1Pkts",
        help="Packets received whose sender reacts to congestion marks in the finer way of L4S.",
    ),
    _more(
        name="in_ect0_packets_total",
        unit=Unit.PACKETS,
        column="InECT0Pkts",
        help="Packets received whose sender reacts to congestion marks in the classic way.",
    ),
    _more(
        name="in_congestion_marked_packets_total",
        unit=Unit.PACKETS,
        column="InCEPkts",
        help="Packets received that a router marked as having met congestion.",
    ),
    _more(
        name="reassembly_overlaps_total",
        unit=Unit.FRAGMENTS,
        column="ReasmOverlaps",
        help="Fragments dropped because they overlap others.",
    ),
)


@dataclass(frozen=True, slots=True)
class Ip:
    """The probe, with the IpExt metrics that were selected."""

    extended: tuple[Metric, ...]

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace and file; what this kernel does not count is a gap."""
        basic, extended = Table(BASIC), Table(self.extended)
        for pod, sections in cycle.over(snmp.read):
            basic.add(pod, sections.pick("Ip", basic.columns))
        for pod, sections in cycle.over(snmp.read_netstat):
            extended.add(pod, sections.pick("IpExt", extended.columns))
        return [basic, extended]

    def close(self) -> None:
        """Nothing was taken."""


def start(env: Env) -> Ip:
    """The probe with the default metrics and those named in its option `extra`."""
    wanted = env.options.get("ip", {}).get("extra", ())
    return Ip((*EXTENDED, *(metric for metric in EXTRA if "all" in wanted or metric.column in wanted)))


PROBE = ProbeSpec(
    name="ip",
    summary="IPv4 packets received, forwarded, sent and dropped, routes missed, fragments made and reassembled.",
    metrics=(*BASIC, *EXTENDED, *EXTRA),
    open=start,
    readers=(snmp.read, snmp.read_netstat),
    options=(
        Option(
            name="extra",
            help="Further counters of the IpExt line of /proc/net/netstat, by their kernel names, or `all`.",
            default=(),
            choices=("all", *(metric.column for metric in EXTRA)),
        ),
    ),
)
