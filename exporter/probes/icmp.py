"""ICMP messages of each network namespace: what the network and the peers complain about."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import snmp

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_counter = partial(
    Metric,
    probe="icmp",
    kind=Kind.COUNTER,
    unit=Unit.MESSAGES,
    scope=Scope.NETNS,
    source="/proc/<pid>/net/snmp, Icmp line",
)

IN_MESSAGES = _counter(name="in_messages_total", column="InMsgs", help="ICMP messages received, bad ones included.")
IN_ERRORS = _counter(
    name="in_errors_total",
    column="InErrors",
    help="ICMP messages received that were malformed or that nothing here had asked for.",
)
IN_CHECKSUM_ERRORS = _counter(
    name="in_checksum_errors_total",
    column="InCsumErrors",
    help="ICMP messages received with a bad checksum.",
)
IN_DESTINATION_UNREACHABLE = _counter(
    name="in_destination_unreachable_total",
    column="InDestUnreachs",
    help="Destination unreachable messages received: host, port, fragmentation needed or forbidden.",
    advice="Capture icmp[0] == 3: its code tells whether a route, a port, the MTU or a firewall is the cause.",
)
IN_TIME_EXCEEDED = _counter(
    name="in_time_exceeded_total",
    column="InTimeExcds",
    help="Time exceeded messages received: the time to live ran out, or a reassembly did.",
    advice="A routing loop, or somebody traces a route: look at the quoted destination in a capture.",
)
IN_REDIRECTS = _counter(
    name="in_redirects_total",
    column="InRedirects",
    help="Redirect messages received.",
    advice="A gateway says that a better one exists: correct the route, or switch off accept_redirects.",
)
IN_ECHO_REQUESTS = _counter(name="in_echo_requests_total", column="InEchos", help="Echo requests received.")
IN_ECHO_REPLIES = _counter(name="in_echo_replies_total", column="InEchoReps", help="Echo replies received.")
OUT_MESSAGES = _counter(name="out_messages_total", column="OutMsgs", help="ICMP messages sent.")
OUT_ERRORS = _counter(
    name="out_errors_total",
    column="OutErrors",
    help="ICMP messages that could not be sent for a reason within ICMP itself.",
)
OUT_RATE_LIMITED_NODE = _counter(
    name="out_rate_limited_global_total",
    column="OutRateLimitGlobal",
    help="ICMP messages withheld by the limit on all messages together.",
    advice="A scan or a loop makes this machine answer very often: see which message type is sent most.",
)
OUT_RATE_LIMITED_PEER = _counter(
    name="out_rate_limited_peer_total",
    column="OutRateLimitHost",
    help="ICMP messages withheld by the limit on messages to one peer.",
)
OUT_DESTINATION_UNREACHABLE = _counter(
    name="out_destination_unreachable_total",
    column="OutDestUnreachs",
    help="Destination unreachable messages sent.",
    advice="Peers send to a closed UDP port, a missing route or a rejected address here: capture to see which.",
)
OUT_TIME_EXCEEDED = _counter(
    name="out_time_exceeded_total",
    column="OutTimeExcds",
    help="Time exceeded messages sent.",
    advice="Packets loop through here: compare routes of this node and of its neighbours.",
)
OUT_REDIRECTS = _counter(name="out_redirects_total", column="OutRedirects", help="Redirect messages sent.")
OUT_ECHO_REQUESTS = _counter(name="out_echo_requests_total", column="OutEchos", help="Echo requests sent.")
OUT_ECHO_REPLIES = _counter(name="out_echo_replies_total", column="OutEchoReps", help="Echo replies sent.")

METRICS = (
    IN_MESSAGES,
    IN_ERRORS,
    IN_CHECKSUM_ERRORS,
    IN_DESTINATION_UNREACHABLE,
    IN_TIME_EXCEEDED,
    IN_REDIRECTS,
    IN_ECHO_REQUESTS,
    IN_ECHO_REPLIES,
    OUT_MESSAGES,
    OUT_ERRORS,
    OUT_RATE_LIMITED_NODE,
    OUT_RATE_LIMITED_PEER,
    OUT_DESTINATION_UNREACHABLE,
    OUT_TIME_EXCEEDED,
    OUT_REDIRECTS,
    OUT_ECHO_REQUESTS,
    OUT_ECHO_REPLIES,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace."""
    table = Table(METRICS)
    for pod, sections in cycle.over(snmp.read):
        table.add(pod, sections.pick("Icmp", table.columns))
    return [table]


PROBE = ProbeSpec(
    name="icmp",
    summary="ICMP messages received and sent by the types that tell of trouble, and those withheld by rate limits.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(snmp.read,),
)
