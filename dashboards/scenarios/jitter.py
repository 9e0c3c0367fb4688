"""Answers are slow, or slow now and then."""

from __future__ import annotations

from dashboards.boards import tcp
from dashboards.scenario import Group, Scenario
from dashboards.suspects import connections, node, queues

SCENARIO = Scenario(
    slug="jitter",
    title="When answers are slow or jitter",
    description="Latency and jitter: whether the path, the node or the program takes the time.",
    text="""\
Delays have sizes. **200 ms**, doubling: a segment was lost and sent again. **1, 3, 7 s**: a handshake was.
**5 s**: a DNS question. **10 to 100 ms** now and then: a processor, a queue or a program that was away.

* **The path**: segments sent again and time-outs, on pods of several nodes.
* **The node**: all of its pods are slow, and a tile of the second line is not green.
* **The program**: data unread, or an accept queue that stands, on one pod alone.

Rows at the end measure time itself; their probes are off by default.""",
    symptoms=tuple(
        topic
        for topic in tcp.SUBJECT.topics
        if topic.title in {"Retransmission time-outs", "Bytes in socket queues", "Share of segments sent again"}
    ),
    groups=(
        Group(
            "The path and the program: orange or red is where to look first",
            (
                queues.SENT_AGAIN,
                connections.HANDSHAKES_REPEATED,
                queues.DATA_UNACKNOWLEDGED,
                queues.DATA_UNREAD,
                queues.ACCEPT_QUEUE_STANDS,
                queues.TIME_OUTS,
                queues.ROUND_TRIPS,
                queues.READ_LATE,
                connections.TIME_TO_CONNECT,
            ),
        ),
        Group(
            "The node: orange or red is where to look first",
            (
                node.CUT_SHORT,
                node.BACKLOG_DROPS,
                node.QUEUE_DROPS,
                node.DEVICE_DROPS,
                queues.MEMORY_PRESSURE,
                node.TABLE_FULL,
                node.SOFT_INTERRUPTS_WAIT,
                node.IP_LAYER,
                node.DEVICE_QUEUES_WAIT,
                node.SLOW_DISKS,
                node.SLOW_HOST,
            ),
        ),
    ),
)
