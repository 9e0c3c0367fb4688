"""ICMPv6 messages of each network namespace, neighbour discovery among them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import snmp6

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_counter = partial(
    Metric,
    probe="icmp6",
    kind=Kind.COUNTER,
    unit=Unit.MESSAGES,
    scope=Scope.NETNS,
    source="/proc/<pid>/net/snmp6, Icmp6 lines",
)

IN_MESSAGES = _counter(
    name="in_messages_total",
    column="Icmp6InMsgs",
    help="ICMPv6 messages received, bad ones included.",
)
IN_ERRORS = _counter(
    name="in_errors_total",
    column="Icmp6InErrors",
    help="ICMPv6 messages received that were malformed or that nothing here had asked for.",
)
IN_CHECKSUM_ERRORS = _counter(
    name="in_checksum_errors_total",
    column="Icmp6InCsumErrors",
    help="ICMPv6 messages received with a bad checksum.",
)
IN_DESTINATION_UNREACHABLE = _counter(
    name="in_destination_unreachable_total",
    column="Icmp6InDestUnreachs",
    help="Destination unreachable messages received: no route, port closed or forbidden.",
    advice="Capture icmp6[0] == 1: its code tells whether a route, a port or a firewall is the cause.",
)
IN_PACKET_TOO_BIG = _counter(
    name="in_packet_too_big_total",
    column="Icmp6InPktTooBigs",
    help="Packet too big messages received, by which the sender learns the path's MTU.",
    advice="A steady rate means that the learnt MTU is not kept: compare the pod's MTU with that of the path.",
)
IN_TIME_EXCEEDED = _counter(
    name="in_time_exceeded_total",
    column="Icmp6InTimeExcds",
    help="Time exceeded messages received: the hop limit ran out, or a reassembly did.",
    advice="A routing loop, or somebody traces a route: look at the quoted destination in a capture.",
)
IN_PARAMETER_PROBLEMS = _counter(
    name="in_parameter_problems_total",
    column="Icmp6InParmProblems",
    help="Parameter problem messages received: a peer could not read a header.",
)
IN_REDIRECTS = _counter(
    name="in_redirects_total",
    column="Icmp6InRedirects",
    help="Redirect messages received.",
    advice="A gateway says that a better one exists: correct the route, or switch off accept_redirects.",
)
IN_ECHO_REQUESTS = _counter(name="in_echo_requests_total", column="Icmp6InEchos", help="Echo requests received.")
IN_ECHO_REPLIES = _counter(name="in_echo_replies_total", column="Icmp6InEchoReplies", help="Echo replies received.")
IN_ROUTER_ADVERTISEMENTS = _counter(
    name="in_router_advertisements_total",
    column="Icmp6InRouterAdvertisements",
    help="Router advertisements received.",
    advice="In a pod these are unexpected: a rogue router can take over its default route.",
)
IN_NEIGHBOUR_SOLICITATIONS = _counter(
    name="in_neighbour_solicitations_total",
    column="Icmp6InNeighborSolicits",
    help="Neighbour solicitations received: somebody looked for a link address.",
)
IN_NEIGHBOUR_ADVERTISEMENTS = _counter(
    name="in_neighbour_advertisements_total",
    column="Icmp6InNeighborAdvertisements",
    help="Neighbour advertisements received: somebody told a link address.",
)
OUT_MESSAGES = _counter(name="out_messages_total", column="Icmp6OutMsgs", help="ICMPv6 messages sent.")
OUT_ERRORS = _counter(
    name="out_errors_total",
    column="Icmp6OutErrors",
    help="ICMPv6 messages that could not be sent for a reason within ICMPv6 itself.",
)
OUT_RATE_LIMITED_PEER = _counter(
    name="out_rate_limited_peer_total",
    column="Icmp6OutRateLimitHost",
    help="ICMPv6 messages withheld by the limit on messages to one peer.",
)
OUT_DESTINATION_UNREACHABLE = _counter(
    name="out_destination_unreachable_total",
    column="Icmp6OutDestUnreachs",
    help="Destination unreachable messages sent.",
    advice="Peers send to a closed UDP port, a missing route or an unanswered neighbour here: capture to see which.",
)
OUT_PACKET_TOO_BIG = _counter(
    name="out_packet_too_big_total",
    column="Icmp6OutPktTooBigs",
    help="Packet too big messages sent.",
    advice="Senders exceed the MTU of the next device: make the MTU equal along the path.",
)
OUT_TIME_EXCEEDED = _counter(
    name="out_time_exceeded_total",
    column="Icmp6OutTimeExcds",
    help="Time exceeded messages sent.",
    advice="Packets loop through here: compare routes of this node and of its neighbours.",
)
OUT_REDIRECTS = _counter(name="out_redirects_total", column="Icmp6OutRedirects", help="Redirect messages sent.")
OUT_ECHO_REQUESTS = _counter(name="out_echo_requests_total", column="Icmp6OutEchos", help="Echo requests sent.")
OUT_ECHO_REPLIES = _counter(name="out_echo_replies_total", column="Icmp6OutEchoReplies", help="Echo replies sent.")
OUT_NEIGHBOUR_SOLICITATIONS = _counter(
    name="out_neighbour_solicitations_total",
    column="Icmp6OutNeighborSolicits",
    help="Neighbour solicitations sent.",
    advice="Many more than advertisements received means that neighbours do not answer.",
)
OUT_NEIGHBOUR_ADVERTISEMENTS = _counter(
    name="out_neighbour_advertisements_total",
    column="Icmp6OutNeighborAdvertisements",
    help="Neighbour advertisements sent.",
)

METRICS = (
    IN_MESSAGES,
    IN_ERRORS,
    IN_CHECKSUM_ERRORS,
    IN_DESTINATION_UNREACHABLE,
    IN_PACKET_TOO_BIG,
    IN_TIME_EXCEEDED,
    IN_PARAMETER_PROBLEMS,
    IN_REDIRECTS,
    IN_ECHO_REQUESTS,
    IN_ECHO_REPLIES,
    IN_ROUTER_ADVERTISEMENTS,
    IN_NEIGHBOUR_SOLICITATIONS,
    IN_NEIGHBOUR_ADVERTISEMENTS,
    OUT_MESSAGES,
    OUT_ERRORS,
    OUT_RATE_LIMITED_PEER,
    OUT_DESTINATION_UNREACHABLE,
    OUT_PACKET_TOO_BIG,
    OUT_TIME_EXCEEDED,
    OUT_REDIRECTS,
    OUT_ECHO_REQUESTS,
    OUT_ECHO_REPLIES,
    OUT_NEIGHBOUR_SOLICITATIONS,
    OUT_NEIGHBOUR_ADVERTISEMENTS,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace with IPv6."""
    table = Table(METRICS)
    for pod, counters in cycle.over(snmp6.read):
        table.add(pod, counters.pick(table.columns))
    return [table]


PROBE = ProbeSpec(
    name="icmp6",
    summary="ICMPv6 messages by type, neighbour discovery and path MTU among them; for dual-stack clusters.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(snmp6.read,),
    default=False,
)
