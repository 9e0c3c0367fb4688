"""TCP on its way: segments that are lost, connections that do not come about or are cut."""

from __future__ import annotations

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_pod
from exporter.model.promql import clamp_min, gauge, rate
from exporter.probes import tcp, tcpext

OPENS = per_pod(rate(tcp.ACTIVE_OPENS) + rate(tcp.PASSIVE_OPENS))
RETRANSMITTED = per_pod(rate(tcp.RETRANS_SEGS)) / per_pod(rate(tcp.OUT_SEGS))
BUSY = per_pod(rate(tcp.OUT_SEGS)) > thresholds.SENT_SEGMENTS

RETRANSMIT_RUNBOOK = Runbook(
    meaning="The kernel sent segments again because no acknowledgement came in time. Segments sent again are not "
    "part of the number sent, so the share can exceed 100 %.",
    impact="Requests wait for retransmission timers, 200 ms at least; throughput falls steeply with every per cent.",
    diagnosis=(
        "One pod or all pods of a node? All: look at the node's drops, connection tracking and device first.",
        "`ss -ti` inside the pod: which remote addresses have a growing retrans?",
        "Drops of devices, queueing disciplines and softnet on both nodes at the same time.",
        "Path MTU: large segments get lost and small ones do not? Compare `ping -M do -s 1472` with `-s 1000`.",
        "Bandwidth or packet rate limits of the instance, in the provider's own metrics.",
    ),
    mitigation=(
        "Move the pod to another node; when the share follows, the peer or the path is at fault.",
        "Remove the drop that was found; each kind of drop has an alert and a runbook of its own.",
    ),
)


def _retransmits(sent_again: int, sent: int) -> tuple[Series, ...]:
    return Series(tcp.RETRANS_SEGS, f"0+{sent_again}x40"), Series(tcp.OUT_SEGS, f"0+{sent}x40")


RETRANSMITS = AlertRule(
    name="NetTcpRetransmitRatioHigh",
    expr=RETRANSMITTED > thresholds.RETRANSMIT_SHARE,
    guards=(BUSY,),
    hold=10,
    keep=5,
    severity=Severity.WARNING,
    summary="TCP sends many segments again.",
    description="{owner} sends {value} of its TCP segments again.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.RETRANSMIT_SHARE, thresholds.SENT_SEGMENTS),
    runbook=RETRANSMIT_RUNBOOK,
    cases=(
        Fires(name="one of 15 segments", series=_retransmits(60, 900), since=4, value="6.667%"),
        Silent(name="three of 100 segments", series=_retransmits(27, 900)),
        Silent(name="an idle pod", series=_retransmits(30, 300)),
        Silent(name="nothing is sent", series=_retransmits(0, 0)),
    ),
)
RETRANSMITS_CRITICAL = AlertRule(
    name="NetTcpRetransmitRatioCritical",
    expr=RETRANSMITTED > thresholds.RETRANSMIT_SHARE_CRITICAL,
    guards=(BUSY,),
    hold=10,
    keep=5,
    severity=Severity.CRITICAL,
    summary="TCP sends so many segments again that requests fail.",
    description="{owner} sends {value} of its TCP segments again.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.RETRANSMIT_SHARE_CRITICAL, thresholds.SENT_SEGMENTS),
    runbook=RETRANSMIT_RUNBOOK,
    cases=(
        Fires(name="one of five segments", series=_retransmits(180, 900), since=4, value="20%"),
        Silent(name="one of ten segments", series=_retransmits(90, 900)),
        Silent(name="an idle pod", series=_retransmits(60, 300)),
    ),
)


def _syn(sent_again: int, active: int, passive: int) -> tuple[Series, ...]:
    return (
        Series(tcpext.TCP_SYN_RETRANS, f"0+{sent_again}x40"),
        Series(tcp.ACTIVE_OPENS, f"0+{active}x40"),
        Series(tcp.PASSIVE_OPENS, f"0+{passive}x40"),
    )


SYN_RETRANSMITS = AlertRule(
    name="NetTcpSynRetransmit",
    expr=per_pod(rate(tcpext.TCP_SYN_RETRANS)) / clamp_min(OPENS, 0.1) > thresholds.FAILED_OPENS_SHARE,
    guards=(per_pod(rate(tcpext.TCP_SYN_RETRANS)) > thresholds.FAILED_OPENS,),
    hold=10,
    severity=Severity.WARNING,
    summary="TCP handshakes get no answer and are repeated.",
    description="{owner} repeats SYN or SYN-ACK segments, {value} of the connections it opens or accepts.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.FAILED_OPENS_SHARE, thresholds.FAILED_OPENS),
    runbook=Runbook(
        meaning="The first or second packet of a handshake stayed unanswered and was sent again after a second.",
        impact="Connecting takes 1, 3, 7 seconds or fails; clients report connect time-outs.",
        diagnosis=(
            "`ss -tn state syn-sent` inside the pod shows which addresses do not answer.",
            "Is that address alive, and does a network policy or security group drop the SYN?",
            "On the listening side: overflows and drops of the listener, and the connection tracking table.",
            "NAT to a Service: do all its endpoints exist and answer?",
        ),
        mitigation=(
            "Remove the dead endpoint, or the rule that drops the handshake.",
            "Relieve the listener, see NetTcpListenOverflow.",
        ),
    ),
    cases=(
        Fires(name="every second SYN is repeated", series=_syn(60, 120, 0), since=3, value="50%"),
        Silent(name="one of ten is repeated", series=_syn(60, 600, 0)),
        Silent(name="a busy server repeats a few SYN-ACK", series=_syn(60, 0, 600)),
        Silent(name="a lone prober", series=_syn(15, 15, 0)),
    ),
)


def _failures(failed: int, active: int, passive: int) -> tuple[Series, ...]:
    return (
        Series(tcp.ATTEMPT_FAILS, f"0+{failed}x40"),
        Series(tcp.ACTIVE_OPENS, f"0+{active}x40"),
        Series(tcp.PASSIVE_OPENS, f"0+{passive}x40"),
    )


CONNECT_FAILURES = AlertRule(
    name="NetTcpConnectFailures",
    expr=per_pod(rate(tcp.ATTEMPT_FAILS)) / clamp_min(OPENS, 0.1) > thresholds.FAILED_OPENS_SHARE,
    guards=(per_pod(rate(tcp.ATTEMPT_FAILS)) > thresholds.FAILED_OPENS,),
    hold=10,
    severity=Severity.WARNING,
    summary="TCP connections do not come about.",
    description="In {owner}, {value} of the connection attempts fail.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.FAILED_OPENS_SHARE, thresholds.FAILED_OPENS),
    runbook=Runbook(
        meaning="Handshakes ended without a connection: refused by a reset, or given up without an answer.",
        impact="Clients in the pod see connection refused or a time-out; an NGINX in front answers 502 or 504.",
        diagnosis=(
            "With resets received: the address is alive, but nothing listens there. Compare Service and targetPort.",
            "With repeated SYN segments: nothing answers. See NetTcpSynRetransmit.",
            "`ss -tn state syn-sent` and the program's own log name the address.",
        ),
        mitigation=(
            "Correct the Service or the readiness probe, so that only pods that listen get traffic.",
            "Scale the backend that refuses.",
        ),
    ),
    cases=(
        Fires(name="every second attempt fails", series=_failures(60, 120, 0), since=3, value="50%"),
        Silent(name="one of ten fails", series=_failures(60, 600, 0)),
        Silent(name="half-open connections of a busy server fail", series=_failures(60, 0, 600)),
        Silent(name="a lone prober meets a closed port", series=_failures(15, 15, 0)),
    ),
)


def _resets(sent: int, active: int, passive: int) -> tuple[Series, ...]:
    return (
        Series(tcp.OUT_RSTS, f"0+{sent}x40"),
        Series(tcp.ACTIVE_OPENS, f"0+{active}x40"),
        Series(tcp.PASSIVE_OPENS, f"0+{passive}x40"),
    )


RESETS_SENT = AlertRule(
    name="NetTcpResetsSentHigh",
    expr=per_pod(rate(tcp.OUT_RSTS)) / clamp_min(OPENS, 0.1) > thresholds.RESETS_SENT_SHARE,
    guards=(per_pod(rate(tcp.OUT_RSTS)) > thresholds.RESETS_SENT,),
    hold=10,
    severity=Severity.INFO,
    summary="Many TCP resets are sent.",
    description="{owner} sends resets, {value} of the number of connections it opens or accepts.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.RESETS_SENT_SHARE, thresholds.RESETS_SENT),
    runbook=Runbook(
        meaning="The kernel answered segments with a reset: nothing listens, the connection is unknown, the program "
        "closed with data unread, or memory ran out.",
        impact="Peers report connection reset by peer or broken pipe.",
        diagnosis=(
            "The reasons are counted apart: aborts on close, on data, on memory, on linger, on time-out.",
            (
                "None of them rises: segments arrive for connections this pod does not know. Look at the endpoints of "
                "the Service, IPVS time-outs and connection tracking."
            ),
            "`tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0'` inside the pod names the peers.",
        ),
        mitigation=(
            "Let the program read to the end before it closes.",
            "Make idle time-outs of load balancers longer than those of the programs behind them.",
        ),
    ),
    cases=(
        Fires(name="one of two connections", series=_resets(600, 600, 600), since=3, value="50%"),
        Silent(name="one of ten connections", series=_resets(600, 3000, 3000)),
        Silent(name="health checks without a listener", series=_resets(120, 0, 60)),
    ),
)


def _cut(resets: int, established: int) -> tuple[Series, ...]:
    return Series(tcp.ESTAB_RESETS, f"0+{resets}x40"), Series(tcp.CURR_ESTAB, f"{established}x40")


ESTABLISHED_RESETS = AlertRule(
    name="NetTcpEstablishedResets",
    expr=per_pod(rate(tcp.ESTAB_RESETS)) * 60 / clamp_min(per_pod(gauge(tcp.CURR_ESTAB)), 1)
    > thresholds.CUT_CONNECTIONS_SHARE,
    guards=(per_pod(rate(tcp.ESTAB_RESETS)) > thresholds.CUT_CONNECTIONS,),
    hold=10,
    severity=Severity.WARNING,
    summary="Established TCP connections are cut.",
    description="In {owner}, {value} of the established connections are reset every minute.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.CUT_CONNECTIONS_SHARE, thresholds.CUT_CONNECTIONS),
    runbook=Runbook(
        meaning="Connections left ESTABLISHED or CLOSE_WAIT at once instead of by an orderly close.",
        impact="Requests in flight are lost; pools reconnect all the time.",
        diagnosis=(
            "Do resets sent rise as well? Then this side cuts; otherwise the peer or something between does.",
            "Idle connections: compare keep-alive intervals with the idle time-outs of NAT and load balancers.",
            "Aborts on time-out: the peer vanished without a word.",
        ),
        mitigation=(
            "Switch TCP keep-alive on, with an interval below the shortest idle time-out on the path.",
            "Drain connections before a backend stops.",
        ),
    ),
    cases=(
        Fires(name="a fifth of the connections per minute", series=_cut(120, 600), since=3, value="20%"),
        Silent(name="few of many connections", series=_cut(120, 2400)),
        Silent(name="few resets among few connections", series=_cut(30, 100)),
    ),
)

GROUP = Group(
    "net-exporter.tcp-path",
    (
        RETRANSMITS,
        RETRANSMITS_CRITICAL,
        SYN_RETRANSMITS,
        CONNECT_FAILURES,
        RESETS_SENT,
        ESTABLISHED_RESETS,
    ),
)
