"""Connections are reset."""

from __future__ import annotations

from dashboards.boards import tcp
from dashboards.scenario import Group, Scenario
from dashboards.suspects import connections, node

SCENARIO = Scenario(
    slug="tcp-resets",
    title="When connections are reset",
    description="Connection reset by peer, broken pipe: who sends the resets and why.",
    text="""\
A program that reads sees *connection reset by peer*, one that writes *broken pipe*.

First find out **who sends** them: choose one side above, then the other.

* **Resets sent, by kind** rises here: this side sends them. *no_socket*: nobody listens, or the connection is
  forgotten; *answer*: a segment that does not fit; *active*: the program or the kernel gave up, see the aborts.
* Only **Resets received** rises: the peer sends them, or a load balancer or firewall between the two.
* **Packets of no connection** rises with them: address translation has forgotten the connection.""",
    symptoms=tuple(
        topic
        for topic in tcp.SUBJECT.topics
        if topic.title in {"Connections failed or reset", "Connections aborted", "Resets and faulty segments"}
    ),
    groups=(
        Group(
            "Suspects: orange or red is where to look first; blue has no limit, compare its rise with the symptom",
            (
                connections.CONNECTIONS_CUT,
                connections.RESETS_SENT,
                connections.OUT_OF_MEMORY,
                connections.ACCEPT_QUEUE_OVERFLOWS,
                node.TRACKING_DROPS,
                connections.CLOSED_WITH_DATA_UNREAD,
                connections.DATA_AFTER_CLOSE,
                connections.PEER_SILENT,
                connections.OLD_TIMESTAMPS,
                node.FIT_NO_CONNECTION,
                connections.RESETS_SENT_BY_KIND,
                connections.RESETS_RECEIVED,
            ),
        ),
    ),
)
