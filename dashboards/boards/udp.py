"""UDP: datagrams, and the ways to lose them."""

from __future__ import annotations

from alerts.rules import udp as rules
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.views import share, topic
from exporter.probes import udp, udp6

SUBJECT = Subject(
    slug="udp",
    title="UDP",
    description="Datagrams received, sent and lost. DNS time-outs show here first.",
    probes=("udp", "udp6"),
    tables=(
        worst_pods(
            udp.RCVBUF_ERRORS,
            "Pods that read too slowly",
            "Datagrams lost because the pod's socket was full, over the time shown. Every one is an answer or a "
            "question that the program never sees.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
        worst_pods(
            udp.NO_PORTS,
            "Pods hit on closed ports",
            "Datagrams for a port without socket, over the time shown. Typical for DNS answers that came after "
            "the asker gave up.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
    ),
    topics=(
        topic(
            "UDP datagrams",
            "Datagrams delivered to and sent by sockets. A rise of sent without received is a server that does not "
            "answer.",
            (udp.IN_DATAGRAMS, "received"),
            (udp.OUT_DATAGRAMS, "sent"),
        ),
        topic(
            "UDP buffers overflowing",
            "Datagrams lost because a socket's queue was full. Receive: the program reads too slowly or the buffer is "
            "too small. Send: the device or its queue cannot keep up.",
            (udp.RCVBUF_ERRORS, "receive buffer full"),
            (udp.SNDBUF_ERRORS, "send buffer full"),
            steps=limits(rules.SEND_BUFFER),
        ),
        topic(
            "UDP datagrams to closed ports",
            "Datagrams for a port that nobody listens on. A rise means late DNS answers, a service that stopped, or a "
            "scan.",
            (udp.NO_PORTS, "no port"),
            steps=limits(rules.NO_PORTS, window=900),
        ),
        topic(
            "UDP datagrams refused",
            "Datagrams lost on receive, of them those with a bad checksum, and multicasts that nobody listened to. A "
            "rise of checksum errors points at a device or an offload on the path.",
            (udp.IN_ERRORS, "all receive errors"),
            (udp.IN_CSUM_ERRORS, "bad checksum"),
            (udp.IGNORED_MULTI, "multicast ignored"),
            steps=(Step(10, Colour.WATCH),),
        ),
        share(
            "Share of UDP datagrams lost on receive",
            "Receive errors for each datagram delivered. A lasting share above one in a thousand is felt by users.",
            udp.IN_ERRORS,
            udp.IN_DATAGRAMS,
            limits(rules.RECEIVE_BUFFER),
        ),
        topic(
            "UDP datagrams over IPv6",
            "Datagrams delivered to and sent by sockets over IPv6.",
            (udp6.IN_DATAGRAMS, "received"),
            (udp6.OUT_DATAGRAMS, "sent"),
        ),
        topic(
            "UDP datagrams over IPv6 lost",
            "Datagrams over IPv6 lost, by reason. Read as the panels for IPv4 above.",
            (udp6.RCVBUF_ERRORS, "receive buffer full"),
            (udp6.SNDBUF_ERRORS, "send buffer full"),
            (udp6.NO_PORTS, "no port"),
            (udp6.IN_ERRORS, "all receive errors"),
            (udp6.IN_CHECKSUM_ERRORS, "bad checksum"),
            steps=(Step(1, Colour.WATCH),),
        ),
    ),
)
