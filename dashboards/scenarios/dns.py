"""Names resolve late or not at all."""

from __future__ import annotations

from dashboards.boards import udp
from dashboards.scenario import Group, Scenario
from dashboards.suspects import datagrams, node

SCENARIO = Scenario(
    slug="dns-timeouts",
    title="When DNS times out",
    description="Names resolve late or not at all: from the symptom to who loses or delays the datagrams.",
    text="""\
A lookup is one datagram there and one back; when either is lost the resolver waits **5 seconds** and asks again.

Choose above the pods that ask, then those of the DNS server (CoreDNS), and look at the tiles below:

* **Late answers** on those that ask: the server answers, but too slowly. Look at it, and at its own upstream.
* **Receive queue full** on the server: it does not read fast enough.
* **Tracking races**: two questions at once (A and AAAA) from one socket.
* All green: the datagrams are lost between nodes; see the board *When answers are slow or jitter*.""",
    symptoms=tuple(
        topic for topic in udp.SUBJECT.topics if topic.title in {"UDP datagrams", "UDP datagrams to closed ports"}
    ),
    groups=(
        Group(
            "Suspects: orange or red is where to look first",
            (
                datagrams.LATE_ANSWERS,
                datagrams.RECEIVE_QUEUE_FULL,
                datagrams.SEND_BUFFER_FULL,
                node.INSERT_RACES,
                node.TABLE_FULL,
                node.TRACKING_DROPS,
                node.DEVICE_DROPS,
                node.QUEUE_DROPS,
                node.BACKLOG_DROPS,
                node.NEIGHBOURS_FULL,
                node.FIT_NO_CONNECTION,
            ),
        ),
    ),
)
