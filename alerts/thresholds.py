"""Every limit that an alert compares with, in one table: its value, and why it is that value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from exporter.model.promql import Limit


class Source(Enum):
    """What a number is taken from."""

    KERNEL = "limits and defaults of the system"
    EFFECT = "what users notice"
    NOISE = "what healthy systems show"
    MEASURED = "measured with the exporter"


@dataclass(frozen=True, slots=True)
class Threshold(Limit):
    """A limit with what people must know to replace it.

    Args:
        name: what is limited.
        unit: of the value.
        source: what the value is taken from.
        reason: why this value.
    """

    name: str
    unit: str
    source: Source
    reason: str


# Exporter
SLOW_CYCLE = Threshold(
    "slowCycle",
    1.0,
    "Collection time",
    "seconds",
    Source.MEASURED,
    "A cycle costs well below 0.1 s with 250 pods; at 1 s the default interval of 5 s is in danger.",
)

# TCP
RETRANSMIT_SHARE = Threshold(
    "retransmitShare",
    0.05,
    "Retransmitted share of segments",
    "ratio",
    Source.EFFECT,
    "Below 1 % is usual on a wide-area path, within a data centre far less; at 5 % throughput collapses.",
)
RETRANSMIT_SHARE_CRITICAL = Threshold(
    "retransmitShareCritical",
    0.15,
    "Retransmitted share of segments, critical",
    "ratio",
    Source.EFFECT,
    "At 15 % most requests of more than a few segments meet a time-out.",
)
SENT_SEGMENTS = Threshold(
    "sentSegments",
    10,
    "Segments sent before a share means anything",
    "per second",
    Source.NOISE,
    "An idle pod that repeats two of four segments has no problem.",
)
FAILED_OPENS_SHARE = Threshold(
    "failedOpensShare",
    0.2,
    "Failed share of connection attempts",
    "ratio",
    Source.EFFECT,
    "Clients that retry hide a few failures; one of five is visible to users.",
)
FAILED_OPENS = Threshold(
    "failedOpens",
    0.5,
    "Failed connection attempts before a share means anything",
    "per second",
    Source.NOISE,
    "A single prober that meets a closed port stays below.",
)
ACCEPT_QUEUE_SHARE = Threshold(
    "acceptQueueShare",
    0.8,
    "Filled share of the accept queue",
    "ratio",
    Source.KERNEL,
    "Sampled every few seconds, a queue that is seen at 80 % has been full in between.",
)
RESETS_SENT = Threshold(
    "resetsSent",
    5,
    "Resets sent",
    "per second",
    Source.NOISE,
    "Health checks and scanners provoke a reset now and then.",
)
RESETS_SENT_SHARE = Threshold(
    "resetsSentShare",
    0.2,
    "Resets sent per connection opened",
    "ratio",
    Source.NOISE,
    "Programs that close with unread data reset a few of their connections on purpose.",
)
CUT_CONNECTIONS = Threshold(
    "cutConnections",
    1,
    "Established connections reset",
    "per second",
    Source.NOISE,
    "Single resets are how many programs end a connection.",
)
CUT_CONNECTIONS_SHARE = Threshold(
    "cutConnectionsShare",
    0.1,
    "Share of established connections reset per minute",
    "ratio",
    Source.EFFECT,
    "At 10 % a minute the pool of connections is replaced every ten minutes.",
)
STUCK_QUEUE = Threshold(
    "stuckQueue",
    1_000_000,
    "Bytes waiting in socket queues for 10 minutes",
    "bytes",
    Source.NOISE,
    "Healthy queues empty between two collections; a megabyte that never leaves is a hung program or a dead peer.",
)
CLOSE_WAIT = Threshold(
    "closeWait",
    500,
    "Connections in CLOSE_WAIT for 15 minutes",
    "connections",
    Source.KERNEL,
    "Half of the usual limit of 1,024 descriptors.",
)

# UDP
RECEIVE_BUFFER_SHARE = Threshold(
    "receiveBufferShare",
    0.01,
    "Datagrams lost at a full receive queue",
    "ratio",
    Source.EFFECT,
    "One lost DNS answer in a hundred costs one request in a hundred a time-out of seconds.",
)
LOST_DATAGRAMS = Threshold(
    "lostDatagrams",
    1,
    "Datagrams lost before it matters",
    "per second",
    Source.EFFECT,
    "Below that, retries by the program hide it.",
)
UNEXPECTED_DATAGRAMS = Threshold(
    "unexpectedDatagrams",
    3,
    "Datagrams for a closed port in 15 minutes",
    "datagrams",
    Source.NOISE,
    "One late answer is chance; several in a quarter of an hour are a slow server.",
)
UNEXPECTED_SHARE = Threshold(
    "unexpectedShare",
    0.001,
    "Datagrams for a closed port, share of those received",
    "ratio",
    Source.NOISE,
    "Keeps multicast chatter towards busy pods out.",
)

# Node
CONNTRACK_SHARE = Threshold(
    "conntrackShare",
    0.8,
    "Filled share of the connection tracking table",
    "ratio",
    Source.KERNEL,
    "Early drop starts when the table is full; at 80 % there is time to raise the limit.",
)
CONNTRACK_SHARE_CRITICAL = Threshold(
    "conntrackShareCritical",
    0.95,
    "Filled share of the connection tracking table, critical",
    "ratio",
    Source.KERNEL,
    "A burst of new connections fills the rest within seconds.",
)
CONNTRACK_TREND_SHARE = Threshold(
    "conntrackTrendShare",
    0.6,
    "Filled share from which the trend counts",
    "ratio",
    Source.NOISE,
    "A trend from a nearly empty table predicts nothing.",
)
INSERT_FAILED = Threshold(
    "insertFailed",
    1,
    "Failed insertions into the connection tracking table",
    "per second",
    Source.NOISE,
    "Two lookups racing from one socket (A and AAAA) lose one insertion now and then.",
)
SQUEEZED_SHARE = Threshold(
    "squeezedShare",
    0.001,
    "Receive loops cut short, per packet",
    "ratio",
    Source.KERNEL,
    "A loop handles up to 300 packets, so 0.1 % means that about every third loop is cut short.",
)
SQUEEZED = Threshold(
    "squeezed",
    1,
    "Receive loops cut short before it matters",
    "per second",
    Source.EFFECT,
    "A cut loop goes on a moment later; only many of them add latency.",
)
NEIGHBOUR_SHARE = Threshold(
    "neighbourShare",
    0.8,
    "Filled share of the neighbour table",
    "ratio",
    Source.KERNEL,
    "At gc_thresh3 new neighbours are refused, so all packets to new pods fail at once.",
)
PORTS_SHARE = Threshold(
    "portsShare",
    0.8,
    "Used share of the ephemeral ports",
    "ratio",
    Source.KERNEL,
    "The kernel searches longer for a free port from about there, and fails soon after.",
)
DESCRIPTORS = Threshold(
    "descriptors",
    50_000,
    "Open descriptors of a pod",
    "descriptors",
    Source.KERNEL,
    "Few programs need them; the usual limit of 65,536 per process is near.",
)

# Devices and routing
DROPPED_SHARE = Threshold(
    "droppedShare",
    0.001,
    "Dropped share of packets",
    "ratio",
    Source.EFFECT,
    "TCP loses half of its throughput on a 50 ms path at about 0.1 % loss.",
)
DROPPED = Threshold(
    "dropped",
    1,
    "Packets dropped before it matters",
    "per second",
    Source.NOISE,
    "Packets of unknown protocols count as dropped too; LLDP alone gives one every half minute.",
)
NO_ROUTE = Threshold(
    "noRoute",
    1,
    "Packets without a route",
    "per second",
    Source.NOISE,
    "Programs that try IPv6 first lose one packet per name they look up.",
)


def table() -> tuple[Threshold, ...]:
    """All of them, in the order above."""
    return tuple(value for value in globals().values() if isinstance(value, Threshold))
