"""NGINX, or another proxy, answers 499, 502, 503 or 504."""

from __future__ import annotations

from dashboards.boards import tcp
from dashboards.scenario import Group, Scenario
from dashboards.suspects import connections, node, queues

SCENARIO = Scenario(
    slug="nginx-errors",
    title="When NGINX answers 499, 502, 503 or 504",
    description="A proxy reports errors: whether connections fail or answers are slow, and where.",
    text="""\
Choose above the pods of the proxy, then those behind it. What the proxy logs tells which half to look at:

* **Connections fail**: **502** with *connect() failed* or *reset by peer*; **503** with *no live upstreams*;
  **504** with *upstream_connect_time* at the limit.
* **Answers are slow**: **499**, the client gave up first; **504** with a short connect time and a long
  *upstream_response_time*.

A **503** without either is a rate limit, or a Service without endpoints: no packet is sent at all.""",
    symptoms=tuple(
        topic
        for topic in tcp.SUBJECT.topics
        if topic.title in {"Connections failed or reset", "Connections opened", "Connections by state"}
    ),
    groups=(
        Group(
            "Connections fail (502, 503, 504): orange or red is where to look first",
            (
                connections.ACCEPT_QUEUE_OVERFLOWS,
                connections.LISTENER_DROPS,
                connections.ATTEMPTS_FAIL,
                connections.HANDSHAKES_REPEATED,
                connections.CONNECTIONS_CUT,
                connections.RESETS_SENT,
                connections.PORTS_USED_UP,
                connections.OUT_OF_MEMORY,
                node.TRACKING_DROPS,
                node.FIT_NO_CONNECTION,
                node.DEVICE_DROPS,
                node.NEIGHBOURS_FULL,
            ),
        ),
        Group(
            "Answers are slow (499, 504): orange or red is where to look first",
            (
                queues.ACCEPT_QUEUE_STANDS,
                queues.DATA_UNREAD,
                queues.DATA_UNACKNOWLEDGED,
                queues.SENT_AGAIN,
                queues.CANNOT_SEND_AGAIN,
                queues.NOT_CLOSED,
                queues.READ_LATE,
                connections.TIME_TO_CONNECT,
            ),
        ),
    ),
)
