"""Where time goes: from the program that writes, through the kernel and the device, to the program that reads."""

from __future__ import annotations

from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_nodes, worst_pods
from dashboards.views import label_of, spread, topic
from exporter.probes import biolatency, kernellatency, netiftxlat, socketlatency, tcpconnect, tcprtt, virtcmdlatency

_DISK = (label_of(biolatency.SLOW, "device"), label_of(biolatency.SLOW, "operation"))
_MILLISECONDS = (Step(0.01, Colour.WATCH), Step(0.1, Colour.BAD))
_ANY = (Step(0.1, Colour.WATCH),)

SUBJECT = Subject(
    slug="latency",
    title="Latency",
    description="Where time goes on the way of data: programs that read late, the kernel's IP layer, queues of "
    "devices, the network itself, and slow disks or hosts behind it all. Most of it is measured on request.",
    probes=("socketlatency", "kernellatency", "netiftxlat", "tcprtt", "tcpconnect", "biolatency", "virtcmdlatency"),
    tables=(
        worst_pods(
            socketlatency.READ.very_slow,
            "Pods that read late",
            "Times that data lay readable over 100 ms before the program read of it, over the time shown. The network "
            "had done its part by then.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
        worst_pods(
            tcpconnect.FAILURES,
            "Pods that connect in vain",
            "Connections that could not be opened, over the time shown. See the reasons below.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
        worst_nodes(
            biolatency.VERY_SLOW,
            "Nodes with slow disks",
            "Requests to block devices that took over 100 ms, over the time shown. What logs or writes then waits "
            "looks like network latency from outside.",
            Step(1, Colour.WATCH),
            keep=(_DISK[0],),
        ),
    ),
    topics=(
        *spread(tcprtt.SECONDS, "Round trips", "Sampled round trip times, smoothed as TCP does.", *_MILLISECONDS),
        *spread(
            socketlatency.READ.seconds,
            "Time until programs read",
            "Time that data lies readable until the program reads of it.",
            *_MILLISECONDS,
        ),
        *spread(
            tcpconnect.SECONDS, "Time until connected", "Time from the first SYN until a connection is established."
        ),
        topic(
            "Round trips of connections",
            "What 99% of the sampled round trip times stay below, smoothed as TCP does, and the lowest of the last "
            "minutes. Where only the first rises queues have built up; where both do the way has become longer.",
            (tcprtt.SECONDS, "smoothed"),
            (tcprtt.LOWEST, "lowest"),
            steps=_MILLISECONDS,
        ),
        topic(
            "Time to connect",
            "What 99% of connections take from the first SYN until they are established. Steps at 1 and 3 seconds are "
            "lost SYNs.",
            (tcpconnect.SECONDS, ""),
            steps=(Step(0.1, Colour.WATCH), Step(1, Colour.BAD)),
        ),
        topic(
            "Connections that failed",
            "refused: nobody listens; timed_out: no answer to any SYN; no_port: too many connections to one place.",
            (tcpconnect.FAILURES, ""),
            keep=(label_of(tcpconnect.FAILURES, "reason"),),
            steps=_ANY,
        ),
        topic(
            "Time until programs read and TCP sends",
            "What 99% stay below: readable data until the program reads of it, written data until TCP sends of it. "
            "Late reads are a busy or stuck program, late sends a full window.",
            (socketlatency.READ.seconds, "read"),
            (socketlatency.WRITE.seconds, "write"),
            steps=_MILLISECONDS,
        ),
        topic(
            "Late reads and sends",
            "Times that data lay over 1 ms and over 100 ms before it was read or sent.",
            (socketlatency.READ.slow, "read over 1 ms"),
            (socketlatency.READ.very_slow, "read over 100 ms"),
            (socketlatency.WRITE.slow, "sent over 1 ms"),
            (socketlatency.WRITE.very_slow, "sent over 100 ms"),
            steps=_ANY,
        ),
        topic(
            "Time in the kernel's IP layer",
            "What 99% of packets stay below: received ones from the device to their protocol, sent ones from their "
            "protocol to the queue of a device. A rise points at firewall rules, or at a CPU that is taken away.",
            (kernellatency.RX.seconds, "received"),
            (kernellatency.TX.seconds, "sent"),
            steps=_MILLISECONDS,
        ),
        topic(
            "Packets held up in the IP layer",
            "Packets that took over 10 ms and over 100 ms on their way through the IP layer.",
            (kernellatency.RX.slow, "received over 10 ms"),
            (kernellatency.RX.very_slow, "received over 100 ms"),
            (kernellatency.TX.slow, "sent over 10 ms"),
            (kernellatency.TX.very_slow, "sent over 100 ms"),
            steps=_ANY,
        ),
        topic(
            "Time in queues and drivers of devices",
            "What 99% of packets stay below: in the queue of a device, and in its driver. A long queue is a slow or "
            "limited device; a slow driver a virtual device or a host that takes the CPU away.",
            (netiftxlat.QDISC.seconds, "queue"),
            (netiftxlat.NETDEV.seconds, "driver"),
            steps=_MILLISECONDS,
        ),
        topic(
            "Packets held up at devices",
            "Packets that waited over 10 ms and over 100 ms in the queue of a device, or that long in its driver.",
            (netiftxlat.QDISC.slow, "queue over 10 ms"),
            (netiftxlat.QDISC.very_slow, "queue over 100 ms"),
            (netiftxlat.NETDEV.slow, "driver over 10 ms"),
            (netiftxlat.NETDEV.very_slow, "driver over 100 ms"),
            steps=_ANY,
        ),
        topic(
            "Time that disks take",
            "What 99% of requests stay below, by device and operation: waiting for the device, and in it. A long wait "
            "is more I/O than the disk takes, a long device time a throttled or failing one.",
            (biolatency.QUEUE_SECONDS, "waiting"),
            (biolatency.DEVICE_SECONDS, "in the device"),
            keep=_DISK,
            steps=_MILLISECONDS,
        ),
        topic(
            "Slow requests to disks",
            "Requests that took over 10 ms and over 100 ms, their wait included.",
            (biolatency.SLOW, "over 10 ms"),
            (biolatency.VERY_SLOW, "over 100 ms"),
            keep=_DISK,
            steps=_ANY,
        ),
        topic(
            "Commands to the host's network devices",
            "What 99% of the control commands of virtio network devices stay below. The host answers them, and whoever "
            "sets up a network waits meanwhile.",
            (virtcmdlatency.SECONDS, ""),
            steps=_MILLISECONDS,
        ),
        topic(
            "Slow commands to the host's network devices",
            "Control commands that took over 10 ms and over 100 ms.",
            (virtcmdlatency.SLOW, "over 10 ms"),
            (virtcmdlatency.VERY_SLOW, "over 100 ms"),
            steps=_ANY,
        ),
    ),
)
