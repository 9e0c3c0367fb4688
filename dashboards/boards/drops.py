"""Drops, resets and retransmissions by the kernel's own reasons, counted where they happen."""

from __future__ import annotations

from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.views import label_of, topic
from exporter.probes import packetloss, tcpreset, tcpretrans, tcptwrcv

_DROP_REASON = (label_of(packetloss.DROPS, "reason"),)

SUBJECT = Subject(
    slug="drops",
    title="Drops and resets",
    description="Which packets the kernel dropped, which connections it or a peer reset, what it sent again, and why.",
    probes=("packetloss", "tcpreset", "tcpretrans", "tcptwrcv"),
    tables=(
        worst_pods(
            packetloss.ABNORMAL,
            "Pods that lose sound packets",
            "Sound packets dropped for lack of room, memory, a route or a neighbour, over the time shown.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
        worst_pods(
            tcpreset.RECEIVED,
            "Pods whose connections are reset",
            "Resets received for connections, over the time shown. See below in which state those were.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
    ),
    topics=(
        topic(
            "Packets dropped by reason",
            "The kernel's own reason for each drop. NO_SOCKET: nobody listens; SOCKET_RCVBUFF: the program reads too "
            "slowly; NETFILTER_DROP: a policy; NEIGH_*: the next hop does not answer.",
            (packetloss.DROPS, ""),
            keep=_DROP_REASON,
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Packets dropped",
            "All drops but the harmless ones, of them those of sound packets, and those by firewall rules. A rise of "
            "abnormal drops means that something on the node ran out.",
            (packetloss.TOTAL, "all"),
            (packetloss.ABNORMAL, "abnormal"),
            (packetloss.NETFILTER, "firewall"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Resets sent by kind",
            "no_socket: a segment that no socket wants; answer: one that does not fit its connection; active: this "
            "side gave the connection up.",
            (tcpreset.SENT_BY_KIND, ""),
            keep=(label_of(tcpreset.SENT_BY_KIND, "kind"),),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Resets received by state",
            "State of the connection that the peer, or something on the way, reset. established: idle time-outs of "
            "proxies or crashed peers; connecting: refused.",
            (tcpreset.RECEIVED_BY_KIND, ""),
            keep=(label_of(tcpreset.RECEIVED_BY_KIND, "kind"),),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Segments sent again by kind",
            "What made the kernel send again. rto costs the most time; syn and synack mean that no connection comes "
            "about; fast are single losses.",
            (tcpretrans.SEGMENTS, ""),
            keep=(label_of(tcpretrans.SEGMENTS, "kind"),),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Segments for connections in TIME_WAIT",
            "data: the program closed while the peer still sent; rst: the peer ended it hard; syn_refused: ports are "
            "used again too early, by NAT for example.",
            (tcptwrcv.SEGMENTS, ""),
            keep=(label_of(tcptwrcv.SEGMENTS, "kind"),),
        ),
    ),
    rarer=(
        topic(
            "Resets sent by reason",
            "The kernel's own reason, on Linux 6.10 and newer.",
            (tcpreset.SENT_BY_REASON, ""),
            keep=(label_of(tcpreset.SENT_BY_REASON, "reason"),),
        ),
        topic(
            "Resets and segments sent again in all",
            "Sums of the panels above.",
            (tcpreset.SENT, "resets sent"),
            (tcpreset.RECEIVED, "resets received"),
            (tcpretrans.TOTAL, "segments sent again"),
        ),
        topic(
            "Drops without a network namespace",
            "Packets dropped where the kernel no longer knows whose they were.",
            (packetloss.UNATTRIBUTED, ""),
            keep=(label_of(packetloss.UNATTRIBUTED, "reason"),),
        ),
    ),
    rarer_title="More on drops and resets",
)
