"""UDP: mostly DNS, which turns every lost datagram into a wait of seconds."""

from __future__ import annotations

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_pod
from exporter.model.promql import clamp_min, increase, rate
from exporter.probes import udp

RECEIVE_BUFFER = AlertRule(
    name="NetUdpReceiveBufferErrors",
    expr=per_pod(rate(udp.RCVBUF_ERRORS)) / clamp_min(per_pod(rate(udp.IN_DATAGRAMS)), 1)
    > thresholds.RECEIVE_BUFFER_SHARE,
    guards=(per_pod(rate(udp.RCVBUF_ERRORS)) > thresholds.LOST_DATAGRAMS,),
    hold=5,
    severity=Severity.WARNING,
    summary="UDP datagrams are lost at a full receive queue.",
    description="{owner} loses {value} of its UDP datagrams because a receive queue is full.",
    show=Show.PERCENT,
    dashboard="udp",
    thresholds=(thresholds.RECEIVE_BUFFER_SHARE, thresholds.LOST_DATAGRAMS),
    runbook=Runbook(
        meaning="Datagrams reached the socket, but its receive queue had no room, so the kernel threw them away.",
        impact="DNS lookups time out and are repeated after seconds; QUIC and media streams stutter.",
        diagnosis=(
            "`ss -uamn` inside the pod: which socket has a Recv-Q near its rb, and a growing d (drops)?",
            "Processor throttling of the pod at the same time: a program that does not run cannot read.",
            "For CoreDNS: requests per second, and whether an upstream server answers slowly.",
        ),
        mitigation=(
            "Give the program more processor time, more workers or more replicas.",
            "Raise SO_RCVBUF in the program, or net.core.rmem_default and net.core.rmem_max on the node.",
        ),
    ),
    cases=(
        Fires(
            name="2 % are lost",
            series=(Series(udp.RCVBUF_ERRORS, "0+120x20"), Series(udp.IN_DATAGRAMS, "0+6000x20")),
            since=3,
            value="2%",
        ),
        Silent(
            name="0.5 % are lost",
            series=(Series(udp.RCVBUF_ERRORS, "0+150x20"), Series(udp.IN_DATAGRAMS, "0+30000x20")),
        ),
        Silent(
            name="an idle pod loses one of ten",
            series=(Series(udp.RCVBUF_ERRORS, "0+30x20"), Series(udp.IN_DATAGRAMS, "0+300x20")),
        ),
        Silent(
            name="the counter starts anew",
            series=(Series(udp.RCVBUF_ERRORS, "90000x8 0x20"), Series(udp.IN_DATAGRAMS, "0+6000x30")),
        ),
    ),
)

SEND_BUFFER = AlertRule(
    name="NetUdpSendBufferErrors",
    expr=per_pod(rate(udp.SNDBUF_ERRORS)) > thresholds.LOST_DATAGRAMS,
    hold=5,
    severity=Severity.WARNING,
    summary="UDP datagrams cannot be sent for lack of buffer.",
    description="{owner} fails to send {value} UDP datagrams a second for lack of send buffer.",
    show=Show.NUMBER,
    dashboard="udp",
    thresholds=(thresholds.LOST_DATAGRAMS,),
    runbook=Runbook(
        meaning="The program sent faster than the device took over, and the send buffer of the socket was full.",
        impact="Datagrams are lost before they leave the pod; the program sees ENOBUFS or nothing at all.",
        diagnosis=(
            "Queue length and drops of the queueing discipline at the same time, in the pod and on the node.",
            "`ss -uamn` inside the pod: Send-Q near tb?",
            "Bandwidth limits on the pod (`kubernetes.io/egress-bandwidth`) or on the instance.",
        ),
        mitigation=(
            "Let the program send more evenly.",
            "Raise SO_SNDBUF or net.core.wmem_max; lift the bandwidth limit.",
        ),
    ),
    cases=(
        Fires(name="two a second", series=(Series(udp.SNDBUF_ERRORS, "0+120x20"),), since=3, value="2.00"),
        Silent(name="one in two seconds", series=(Series(udp.SNDBUF_ERRORS, "0+30x20"),)),
    ),
)

NO_PORTS = AlertRule(
    name="NetUdpUnexpectedDatagrams",
    expr=per_pod(increase(udp.NO_PORTS, window="15m")) > thresholds.UNEXPECTED_DATAGRAMS,
    guards=(
        per_pod(rate(udp.NO_PORTS, window="15m")) / clamp_min(per_pod(rate(udp.IN_DATAGRAMS, window="15m")), 0.001)
        > thresholds.UNEXPECTED_SHARE,
    ),
    hold=5,
    severity=Severity.INFO,
    summary="UDP datagrams arrive for a port that nobody listens on.",
    description="{owner} got {value} UDP datagrams in 15 minutes for ports without a socket.",
    show=Show.COUNT,
    dashboard="udp",
    thresholds=(thresholds.UNEXPECTED_DATAGRAMS, thresholds.UNEXPECTED_SHARE),
    runbook=Runbook(
        meaning="The kernel found no socket for the datagram. For a client that is an answer that came too late.",
        impact="If the datagrams are DNS answers, each stands for one lookup that the program gave up as timed out.",
        diagnosis=(
            "`tcpdump -ni any 'icmp[0]==3 and icmp[1]==3'` inside the pod shows who sent to which port.",
            "From port 53: the DNS server answers, but slower than the resolver waits. Measure with `dig +stats`.",
            "From elsewhere: a peer still sends to a pod that was replaced; look at stale connection tracking.",
        ),
        mitigation=(
            "Use a nearer DNS server, a node-local cache, or a longer `options timeout`.",
            "Remove the stale sender, or its connection tracking entry (`conntrack -D -p udp`).",
        ),
    ),
    cases=(
        Fires(
            name="DNS answers come after the time-out (case 1 of the troubleshooting guide)",
            series=(Series(udp.NO_PORTS, "0x4 0+1x40"), Series(udp.IN_DATAGRAMS, "0+300x45")),
            since=9,
            value="9",
        ),
        Silent(
            name="two late answers",
            series=(Series(udp.NO_PORTS, "0x4 1x3 2x40"), Series(udp.IN_DATAGRAMS, "0+300x45")),
        ),
        Silent(
            name="chatter towards a busy pod",
            series=(Series(udp.NO_PORTS, "0+1x40"), Series(udp.IN_DATAGRAMS, "0+2000x40")),
            at=30,
        ),
    ),
)

GROUP = Group("net-exporter.udp", (RECEIVE_BUFFER, SEND_BUFFER, NO_PORTS))
