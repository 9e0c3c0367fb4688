"""Traffic and devices: what goes in and out, and what the devices and their queues drop."""

from __future__ import annotations

from alerts.rules import device as rules
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.units import Show
from dashboards.views import Line, Topic, label_of, topic
from exporter.probes import netdev, qdisc

_ANY = (Step(1, Colour.WATCH), Step(100, Colour.BAD))
_DEVICE = (label_of(qdisc.DROPS, "device"),)

SUBJECT = Subject(
    slug="traffic",
    title="Traffic and devices",
    description="Bytes and packets of devices and queueing disciplines, and what they drop.",
    probes=("netdev", "qdisc"),
    tables=(
        worst_pods(
            netdev.RX_DROPPED,
            "Pods whose devices drop on receive",
            "Packets dropped by the pod's devices on receive, over the time shown. They never reach the program.",
            *_ANY,
        ),
        worst_pods(
            netdev.TX_BYTES,
            "Pods that send most",
            "Bytes sent by the pod over the time shown. The first to ask when a node's uplink is full.",
        ),
    ),
    topics=(
        topic(
            "Traffic in bytes",
            "Bytes received and sent by the devices. Flat at a round number is a limit: of the link, the instance "
            "type or a queueing discipline.",
            (netdev.RX_BYTES, "received"),
            (netdev.TX_BYTES, "sent"),
        ),
        topic(
            "Traffic in packets",
            "Packets received and sent by the devices. More packets for the same bytes means smaller ones, which cost "
            "more processor time.",
            (netdev.RX_PACKETS, "received"),
            (netdev.TX_PACKETS, "sent"),
        ),
        topic(
            "Packets dropped by devices",
            "Packets that the devices dropped. On receive the ring or the stack was full; on send the link or its "
            "queue was.",
            (netdev.RX_DROPPED, "receive"),
            (netdev.TX_DROPPED, "send"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Packets with device errors",
            "Packets that the devices found faulty. Any lasting rise points at a cable, a port or a driver.",
            (netdev.RX_ERRORS, "receive"),
            (netdev.TX_ERRORS, "send"),
            steps=(Step(1, Colour.BAD),),
        ),
        Topic(
            "Share of packets dropped",
            "Drops for each packet that the devices received or sent. A lasting share above one in a thousand is felt "
            "as retransmission.",
            Show.SHARE,
            (
                Line("receive", lambda view: view.share(view.rate(netdev.RX_DROPPED), view.rate(netdev.RX_PACKETS))),
                Line("send", lambda view: view.share(view.rate(netdev.TX_DROPPED), view.rate(netdev.TX_PACKETS))),
            ),
            limits(rules.DROPS),
        ),
    ),
    rarer_title="Queueing disciplines",
    rarer=(
        topic(
            "Packets dropped by queueing disciplines",
            "Packets that a queueing discipline threw away, and packets put back because the device was busy. Drops "
            "come from a full queue or a bandwidth limit.",
            (qdisc.DROPS, "dropped"),
            (qdisc.REQUEUES, "put back"),
            steps=(Step(1, Colour.WATCH),),
            keep=_DEVICE,
        ),
        topic(
            "Bytes waiting in queueing disciplines",
            "Bytes queued before the devices now. A standing queue is added to every packet's delay.",
            (qdisc.BACKLOG, "waiting"),
            keep=_DEVICE,
        ),
        topic(
            "Packets waiting in queueing disciplines",
            "Packets queued before the devices now. At the discipline's limit further ones are dropped.",
            (qdisc.QLEN, "waiting"),
            steps=(Step(500, Colour.WATCH),),
            keep=_DEVICE,
        ),
        topic(
            "Packets held back by a limit",
            "How often a queueing discipline held packets back to keep a rate. A rise with delay means that the pod's "
            "bandwidth limit is reached.",
            (qdisc.OVERLIMITS, "held back"),
            keep=_DEVICE,
        ),
        topic(
            "Packets through queueing disciplines",
            "Packets that left through queueing disciplines. The base against which drops are read.",
            (qdisc.PACKETS, "sent"),
            keep=_DEVICE,
        ),
        topic(
            "Bytes through queueing disciplines",
            "Bytes that left through queueing disciplines. Less than the devices send means that a device has none.",
            (qdisc.BYTES, "sent"),
            keep=_DEVICE,
        ),
    ),
)
