"""Sockets and ports: how many there are, what memory they take, and when ports run out."""

from __future__ import annotations

from alerts.rules import resources
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.units import Show
from dashboards.views import Line, Topic, topic
from exporter.probes import ports, sock, sockets

SUBJECT = Subject(
    slug="sockets",
    title="Sockets and ports",
    description="Sockets by protocol, their memory, and how near outgoing connections are to running out of ports.",
    probes=("sock", "sockets", "ports"),
    tables=(
        worst_pods(
            ports.BUSIEST,
            "Pods nearest to running out of ports",
            "Ports taken towards the busiest destination now. When all are taken, new connections to it fail at once.",
            Step(20000, Colour.WATCH),
            Step(26000, Colour.BAD),
        ),
        worst_pods(
            ports.USED,
            "Pods with most ports taken",
            "Ephemeral ports taken now. Reuse connections, or spread them over more addresses.",
            Step(20000, Colour.WATCH),
        ),
    ),
    topics=(
        Topic(
            "Ports taken towards the busiest destination",
            "Ephemeral ports taken towards one destination for each that there is. At 1 connections to it fail with "
            "EADDRNOTAVAIL.",
            Show.SHARE,
            (Line("", lambda view: view.share(view.now(ports.BUSIEST), view.now(ports.RANGE))),),
            limits(resources.PORTS),
            1.0,
        ),
        topic(
            "Ephemeral ports",
            "Ports taken, and of them those towards the busiest destination. A rise is a program that does not reuse "
            "connections.",
            (ports.USED, "taken"),
            (ports.BUSIEST, "towards the busiest"),
        ),
        topic(
            "Sockets of the namespace",
            "Sockets in use by protocol, and connections in time-wait. Steady growth is a leak of connections; "
            "time-wait that grows means that they are too short.",
            (sockets.USED, "all"),
            (sockets.TCP, "TCP"),
            (sockets.TIME_WAIT, "TCP time-wait"),
            (sockets.UDP, "UDP"),
            (sockets.RAW, "raw"),
        ),
        topic(
            "Memory of fragments",
            "Memory of packets that wait for their fragments. At net.ipv4.ipfrag_high_thresh fragments are thrown "
            "away.",
            (sockets.FRAGMENT_MEMORY, ""),
            steps=(Step(3_000_000, Colour.WATCH),),
        ),
        topic(
            "TCP sockets of the node",
            "Sockets of the host's namespace in use, allocated, orphaned and in time-wait. Orphans that grow are "
            "connections that programs closed and peers did not.",
            (sock.IN_USE, "in use"),
            (sock.ALLOC, "allocated"),
            (sock.ORPHAN, "orphaned"),
            (sock.TIME_WAIT, "time-wait"),
        ),
        topic(
            "Pages of TCP memory",
            "Pages of memory that all TCP sockets of the node take. At the second value of net.ipv4.tcp_mem TCP comes "
            "under pressure.",
            (sock.MEMORY, "pages"),
        ),
        topic(
            "UDP memory",
            "Memory that all UDP sockets of the node take. A rise is a program that does not read.",
            (sock.UDP_MEMORY, ""),
        ),
    ),
)
