"""IPv6 counters of each network namespace: delivery, forwarding, routes, fragments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import snmp6

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_packets = partial(
    Metric,
    probe="ip6",
    kind=Kind.COUNTER,
    unit=Unit.PACKETS,
    scope=Scope.NETNS,
    source="/proc/<pid>/net/snmp6, Ip6 lines",
)
_bytes = partial(_packets, unit=Unit.BYTES)
_fragments = partial(_packets, unit=Unit.FRAGMENTS)

IN_PACKETS = _packets(
    name="in_packets_total",
    column="Ip6InReceives",
    help="IPv6 packets received, bad ones included.",
)
IN_BYTES = _bytes(name="in_bytes_total", column="Ip6InOctets", help="Bytes received, IPv6 headers included.")
IN_DELIVERED = _packets(
    name="in_delivered_packets_total",
    column="Ip6InDelivers",
    help="IPv6 packets handed to TCP, UDP or another protocol.",
)
IN_HEADER_ERRORS = _packets(
    name="in_header_errors_total",
    column="Ip6InHdrErrors",
    help="IPv6 packets dropped for a bad header or an expired hop limit.",
    advice="Look for a routing loop (time exceeded in icmp6) or for a device that mangles headers.",
)
IN_TOO_BIG_ERRORS = _packets(
    name="in_too_big_errors_total",
    column="Ip6InTooBigErrors",
    help="IPv6 packets dropped because they exceed the MTU of the device they should leave by.",
    advice="Let ICMPv6 packet too big through to the sender, and make the MTU equal along the path.",
)
IN_NO_ROUTES = _packets(
    name="in_no_routes_total",
    column="Ip6InNoRoutes",
    help="IPv6 packets received and dropped because no route leads to their destination.",
    advice="Print `ip -6 route` in that namespace: a route of the network plugin is missing, or a peer's is stale.",
)
IN_ADDRESS_ERRORS = _packets(
    name="in_address_errors_total",
    column="Ip6InAddrErrors",
    help="IPv6 packets dropped because their address is not valid here, or because forwarding is off.",
)
IN_UNKNOWN_PROTOCOLS = _packets(
    name="in_unknown_protocols_total",
    column="Ip6InUnknownProtos",
    help="IPv6 packets dropped because nothing here handles their upper protocol.",
)
IN_TRUNCATED = _packets(
    name="in_truncated_packets_total",
    column="Ip6InTruncatedPkts",
    help="IPv6 packets dropped because they were shorter than their header says.",
)
IN_DISCARDS = _packets(
    name="in_discarded_packets_total",
    column="Ip6InDiscards",
    help="Good IPv6 packets dropped on receive, for example for lack of memory or by a filter.",
)
FORWARDED = _packets(name="forwarded_packets_total", column="Ip6OutForwDatagrams", help="IPv6 packets forwarded.")
OUT_PACKETS = _packets(
    name="out_packets_total",
    column="Ip6OutRequests",
    help="IPv6 packets that local protocols asked to send.",
)
OUT_BYTES = _bytes(name="out_bytes_total", column="Ip6OutOctets", help="Bytes sent, IPv6 headers included.")
OUT_DISCARDS = _packets(
    name="out_discarded_packets_total",
    column="Ip6OutDiscards",
    help="Good IPv6 packets dropped on the way out, for lack of memory or of a neighbour's answer.",
)
OUT_NO_ROUTES = _packets(
    name="out_no_routes_total",
    column="Ip6OutNoRoutes",
    help="IPv6 packets dropped because no route leads to their destination.",
    advice="A program tries IPv6 without a default route: add the route, or prefer IPv4 in its resolver.",
)
REASSEMBLY_TIMEOUTS = _packets(
    name="reassembly_timeouts_total",
    column="Ip6ReasmTimeout",
    help="IPv6 packets given up because fragments were missing for too long.",
    advice="A firewall or load balancer drops fragments: lower the MTU so that none are needed.",
)
REASSEMBLY_FRAGMENTS = _fragments(
    name="reassembly_fragments_total",
    column="Ip6ReasmReqds",
    help="IPv6 fragments received that needed reassembly.",
)
REASSEMBLED = _packets(
    name="reassembled_packets_total",
    column="Ip6ReasmOKs",
    help="IPv6 packets put together from fragments.",
)
REASSEMBLY_FAILURES = _packets(
    name="reassembly_failures_total",
    column="Ip6ReasmFails",
    help="IPv6 reassemblies that failed, for lack of fragments or of memory.",
)
FRAGMENTED = _packets(
    name="fragmented_packets_total",
    column="Ip6FragOKs",
    help="IPv6 packets split into fragments before they were sent.",
)
FRAGMENTATION_FAILURES = _packets(
    name="fragmentation_failures_total",
    column="Ip6FragFails",
    help="IPv6 packets dropped because they exceed the MTU and could not be split.",
)

METRICS = (
    IN_PACKETS,
    IN_BYTES,
    IN_DELIVERED,
    IN_HEADER_ERRORS,
    IN_TOO_BIG_ERRORS,
    IN_NO_ROUTES,
    IN_ADDRESS_ERRORS,
    IN_UNKNOWN_PROTOCOLS,
    IN_TRUNCATED,
    IN_DISCARDS,
    FORWARDED,
    OUT_PACKETS,
    OUT_BYTES,
    OUT_DISCARDS,
    OUT_NO_ROUTES,
    REASSEMBLY_TIMEOUTS,
    REASSEMBLY_FRAGMENTS,
    REASSEMBLED,
    REASSEMBLY_FAILURES,
    FRAGMENTED,
    FRAGMENTATION_FAILURES,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace with IPv6."""
    table = Table(METRICS)
    for pod, counters in cycle.over(snmp6.read):
        table.add(pod, counters.pick(table.columns))
    return [table]


PROBE = ProbeSpec(
    name="ip6",
    summary="IPv6 packets received, forwarded, sent and dropped, routes missed, fragments; for dual-stack clusters.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(snmp6.read,),
    default=False,
)
