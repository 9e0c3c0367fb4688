"""Every limit that an alert compares with, in one table: its value, and why it is that value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """A named limit.

    Args:
        name: what is limited, for people.
        value: the limit.
        unit: of the value.
        reason: why this value.
    """

    name: str
    value: float
    unit: str
    reason: str


# Exporter
SLOW_CYCLE = Threshold(
    "Collection time",
    1.0,
    "seconds",
    "A cycle costs well below 0.1 s with 250 pods; at 1 s the default interval of 5 s is in danger.",
)

# TCP
RETRANSMIT_SHARE = Threshold(
    "Retransmitted share of segments",
    0.05,
    "ratio",
    "Below 1 % is usual on a wide-area path, within a data centre far less; at 5 % throughput collapses.",
)
RETRANSMIT_SHARE_CRITICAL = Threshold(
    "Retransmitted share of segments, critical",
    0.15,
    "ratio",
    "At 15 % most requests of more than a few segments meet a time-out.",
)
SENT_SEGMENTS = Threshold(
    "Segments sent before a share means anything",
    10,
    "per second",
    "An idle pod that repeats two of four segments has no problem.",
)
FAILED_OPENS_SHARE = Threshold(
    "Failed share of connection attempts",
    0.2,
    "ratio",
    "Clients that retry hide a few failures; one of five is visible to users.",
)
FAILED_OPENS = Threshold(
    "Failed connection attempts before a share means anything",
    0.5,
    "per second",
    "A single prober that meets a closed port stays below.",
)
ACCEPT_QUEUE_SHARE = Threshold(
    "Filled share of the accept queue",
    0.8,
    "ratio",
    "Sampled every few seconds, a queue that is seen at 80 % has been full in between.",
)
RESETS_SENT = Threshold(
    "Resets sent",
    5,
    "per second",
    "Health checks and scanners provoke a reset now and then.",
)
RESETS_SENT_SHARE = Threshold(
    "Resets sent per connection opened",
    0.2,
    "ratio",
    "Programs that close with unread data reset a few of their connections on purpose.",
)
CUT_CONNECTIONS = Threshold(
    "Established connections reset",
    1,
    "per second",
    "Single resets are how many programs end a connection.",
)
CUT_CONNECTIONS_SHARE = Threshold(
    "Share of established connections reset per minute",
    0.1,
    "ratio",
    "At 10 % a minute the pool of connections is replaced every ten minutes.",
)
STUCK_QUEUE = Threshold(
    "Bytes waiting in socket queues for 10 minutes",
    1_000_000,
    "bytes",
    "Healthy queues empty between two collections; a megabyte that never leaves is a hung program or a dead peer.",
)
CLOSE_WAIT = Threshold(
    "Connections in CLOSE_WAIT for 15 minutes",
    500,
    "connections",
    "Half of the usual limit of 1,024 descriptors.",
)

# UDP
RECEIVE_BUFFER_SHARE = Threshold(
    "Datagrams lost at a full receive queue",
    0.01,
    "ratio",
    "One lost DNS answer in a hundred costs one request in a hundred a time-out of seconds.",
)
LOST_DATAGRAMS = Threshold(
    "Datagrams lost before it matters",
    1,
    "per second",
    "Below that, retries by the program hide it.",
)
UNEXPECTED_DATAGRAMS = Threshold(
    "Datagrams for a closed port in 15 minutes",
    3,
    "datagrams",
    "One late answer is chance; several in a quarter of an hour are a slow server.",
)
UNEXPECTED_SHARE = Threshold(
    "Datagrams for a closed port, share of those received",
    0.001,
    "ratio",
    "Keeps multicast chatter towards busy pods out.",
)

# Node
CONNTRACK_SHARE = Threshold(
    "Filled share of the connection tracking table",
    0.8,
    "ratio",
    "Early drop starts when the table is full; at 80 % there is time to raise the limit.",
)
CONNTRACK_SHARE_CRITICAL = Threshold(
    "Filled share of the connection tracking table, critical",
    0.95,
    "ratio",
    "A burst of new connections fills the rest within seconds.",
)
CONNTRACK_TREND_SHARE = Threshold(
    "Filled share from which the trend counts",
    0.6,
    "ratio",
    "A trend from a nearly empty table predicts nothing.",
)
INSERT_FAILED = Threshold(
    "Failed insertions into the connection tracking table",
    1,
    "per second",
    "Two lookups racing from one socket (A and AAAA) lose one insertion now and then.",
)
SQUEEZED_SHARE = Threshold(
    "Receive loops cut short, per packet",
    0.001,
    "ratio",
    "A loop handles up to 300 packets, so 0.1 % means that about every third loop is cut short.",
)
SQUEEZED = Threshold(
    "Receive loops cut short before it matters",
    1,
    "per second",
    "A cut loop goes on a moment later; only many of them add latency.",
)
NEIGHBOUR_SHARE = Threshold(
    "Filled share of the neighbour table",
    0.8,
    "ratio",
    "At gc_thresh3 new neighbours are refused, so all packets to new pods fail at once.",
)
PORTS_SHARE = Threshold(
    "Used share of the ephemeral ports",
    0.8,
    "ratio",
    "The kernel searches longer for a free port from about there, and fails soon after.",
)
DESCRIPTORS = Threshold(
    "Open descriptors of a pod",
    50_000,
    "descriptors",
    "Few programs need them; the usual limit of 65,536 per process is near.",
)

# Devices and routing
DROPPED_SHARE = Threshold(
    "Dropped share of packets",
    0.001,
    "ratio",
    "TCP loses half of its throughput on a 50 ms path at about 0.1 % loss.",
)
DROPPED = Threshold(
    "Packets dropped before it matters",
    1,
    "per second",
    "Packets of unknown protocols count as dropped too; LLDP alone gives one every half minute.",
)
NO_ROUTE = Threshold(
    "Packets without a route",
    1,
    "per second",
    "Programs that try IPv6 first lose one packet per name they look up.",
)


def table() -> tuple[Threshold, ...]:
    """All of them, in the order above."""
    return tuple(value for value in globals().values() if isinstance(value, Threshold))
