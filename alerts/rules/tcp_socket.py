"""TCP at its ends: listeners, queues and memory, mostly a program that does not keep up."""

from __future__ import annotations

from functools import reduce

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_pod
from exporter.model.promql import Expr, deriv, gauge, increase, over_time, rate
from exporter.probes import listen, tcpext, tcpsummary

LISTEN_OVERFLOW = AlertRule(
    name="NetTcpListenOverflow",
    expr=per_pod(increase(tcpext.LISTEN_OVERFLOWS)) > 0,
    hold=2,
    severity=Severity.WARNING,
    summary="Connections are lost at a full accept queue.",
    description="{owner} lost {value} connections in 5 minutes because an accept queue was full.",
    show=Show.COUNT,
    dashboard="tcp",
    runbook=Runbook(
        meaning="The handshake was complete, but the program had not accepted earlier connections and the queue "
        "of its listener was full.",
        impact="Clients wait for a second or more and connect again, or see a reset; health checks fail.",
        diagnosis=(
            "`ss -ltn` inside the pod: the listener whose Recv-Q reaches its Send-Q is the one.",
            "What did the program do at that time? Garbage collection, a lock, processor throttling.",
            "The limit is the smaller of what the program asked for in listen() and net.core.somaxconn.",
        ),
        mitigation=(
            "Raise the backlog of the program (Tomcat acceptCount, NGINX backlog=) and net.core.somaxconn.",
            "Shorten the pauses, give more processor time, or add replicas.",
        ),
    ),
    cases=(
        Fires(
            name="a pause fills the queue for seconds (case 2 of the troubleshooting guide)",
            series=(Series(tcpext.LISTEN_OVERFLOWS, "0x5 400x20"), Series(tcpext.LISTEN_DROPS, "0x5 400x20")),
            since=6,
            value="400",
        ),
        Silent(name="an old overflow", series=(Series(tcpext.LISTEN_OVERFLOWS, "7x20"),), at=4),
        Silent(name="the pod is new", series=(Series(tcpext.LISTEN_OVERFLOWS, "_x5 7x20"),), at=9),
        Silent(name="the counter starts anew", series=(Series(tcpext.LISTEN_OVERFLOWS, "9x5 0x20"),), at=9),
    ),
)

LISTEN_DROPS = AlertRule(
    name="NetTcpListenDrops",
    # The kernel counts an overflow in both; what remains has another cause.
    expr=per_pod(increase(tcpext.LISTEN_DROPS)) - per_pod(increase(tcpext.LISTEN_OVERFLOWS)) > 0,
    hold=5,
    severity=Severity.WARNING,
    summary="Listeners lose connections although their accept queue has room.",
    description="{owner} lost {value} connection requests in 5 minutes for another reason than a full accept queue.",
    show=Show.COUNT,
    dashboard="tcp",
    runbook=Runbook(
        meaning="A listener dropped a request for want of memory or of a route back, or its queue of half-open "
        "connections was full with SYN cookies off.",
        impact="Clients repeat the handshake after a second, or time out.",
        diagnosis=(
            "`nstat -az TcpExtListenDrops TcpExtListenOverflows TcpExtTCPReqQFullDrop` inside the pod.",
            "`dmesg` for possible SYN flooding; connections in SYN_RECV.",
            "Memory: aborts on memory and memory pressure of TCP at the same time.",
        ),
        mitigation=(
            "Keep net.ipv4.tcp_syncookies on, raise net.ipv4.tcp_max_syn_backlog.",
            "Block the source of a SYN flood before it reaches the node.",
        ),
    ),
    cases=(
        Fires(
            name="drops beyond overflows",
            series=(Series(tcpext.LISTEN_DROPS, "0+2x20"), Series(tcpext.LISTEN_OVERFLOWS, "0+1x20")),
            since=1,
            value="5",
        ),
        Silent(
            name="every drop is an overflow",
            series=(Series(tcpext.LISTEN_DROPS, "0+3x20"), Series(tcpext.LISTEN_OVERFLOWS, "0+3x20")),
        ),
    ),
)

ACCEPT_QUEUE = AlertRule(
    name="NetTcpAcceptQueueSaturated",
    expr=per_pod(gauge(listen.FULLEST_RATIO)) > thresholds.ACCEPT_QUEUE_SHARE,
    hold=5,
    severity=Severity.WARNING,
    summary="An accept queue is almost full.",
    description="The fullest accept queue of {owner} is filled to {value}.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.ACCEPT_QUEUE_SHARE,),
    runbook=Runbook(
        meaning="Connections are established faster than the program accepts them, for minutes.",
        impact="New connections wait in the queue; when it is full they are lost.",
        diagnosis=(
            "`ss -ltn` inside the pod shows the listener.",
            "Is the program running at all? Processor throttling, a dead worker, a lock.",
        ),
        mitigation=(
            "Restart the program if it hangs; else more workers or replicas.",
            "A larger backlog only helps against bursts.",
        ),
    ),
    cases=(
        Fires(name="filled to 90 %", series=(Series(listen.FULLEST_RATIO, "0.9x20"),), since=0, value="90%"),
        Silent(name="filled to 70 %", series=(Series(listen.FULLEST_RATIO, "0.7x30"),)),
        Silent(name="full for a moment", series=(Series(listen.FULLEST_RATIO, "0.1x8 1 0.1x20"),), at=9),
    ),
)

ABORT_ON_MEMORY = AlertRule(
    name="NetTcpAbortOnMemory",
    expr=per_pod(increase(tcpext.TCP_ABORT_ON_MEMORY, window="10m")) > 0,
    hold=1,
    severity=Severity.CRITICAL,
    summary="TCP connections are reset for want of memory.",
    description="{owner} reset {value} connections in 10 minutes at a limit of memory or of orphans.",
    show=Show.COUNT,
    dashboard="tcp",
    runbook=Runbook(
        meaning="TCP reached the last value of net.ipv4.tcp_mem or net.ipv4.tcp_max_orphans and gave connections up.",
        impact="Connections break at random in all pods of the node, since the memory is shared.",
        diagnosis=(
            "`cat /proc/net/sockstat` on the node: mem (in pages) against `sysctl net.ipv4.tcp_mem`, and orphan.",
            "Which pods hold the most bytes in send and receive queues?",
            "`dmesg` for: too many orphaned sockets, or: out of memory, consider tuning tcp_mem.",
        ),
        mitigation=(
            "Restart the program whose queues hold the memory.",
            "Raise net.ipv4.tcp_mem or net.ipv4.tcp_max_orphans on the node.",
        ),
    ),
    cases=(
        Fires(name="three connections", series=(Series(tcpext.TCP_ABORT_ON_MEMORY, "0x4 3x20"),), since=5, value="3"),
        Silent(name="long ago", series=(Series(tcpext.TCP_ABORT_ON_MEMORY, "5x30"),)),
    ),
)

MEMORY_PRESSURE = AlertRule(
    name="NetTcpMemoryPressure",
    expr=per_pod(increase(tcpext.TCP_MEMORY_PRESSURES, window="10m")) > 0,
    hold=5,
    severity=Severity.WARNING,
    summary="TCP came under memory pressure.",
    description="{owner} saw TCP come under memory pressure {value} times in 10 minutes.",
    show=Show.COUNT,
    dashboard="tcp",
    runbook=Runbook(
        meaning="TCP passed the middle value of net.ipv4.tcp_mem and shrinks its buffers.",
        impact="Throughput falls; the next step is connections reset for want of memory.",
        diagnosis=(
            "`cat /proc/net/sockstat` on the node: mem (in pages) against `sysctl net.ipv4.tcp_mem`.",
            "Which pods hold the most bytes in send and receive queues?",
        ),
        mitigation=(
            "Relieve or restart the program whose queues grow.",
            "Raise net.ipv4.tcp_mem on nodes with much memory.",
        ),
    ),
    cases=(
        Fires(name="twice", series=(Series(tcpext.TCP_MEMORY_PRESSURES, "0x4 2x20"),), since=5, value="2"),
        Silent(name="long ago", series=(Series(tcpext.TCP_MEMORY_PRESSURES, "5x30"),)),
    ),
)

DROPS = (tcpext.TCP_RCVQ_DROP, tcpext.TCP_BACKLOG_DROP, tcpext.PFMEMALLOC_DROP, tcpext.TCP_ZERO_WINDOW_DROP)

RECEIVE_DROPS = AlertRule(
    name="NetTcpReceiveQueueDrops",
    # Joined by `or`, not added: older kernels lack some of the counters, and a sum with a gap is a gap.
    expr=reduce(Expr.otherwise, (per_pod(rate(metric)) > 0 for metric in DROPS)),
    hold=5,
    severity=Severity.WARNING,
    summary="TCP segments are dropped at the receiving socket.",
    description="{owner} drops {value} TCP segments a second at receiving sockets.",
    show=Show.NUMBER,
    dashboard="tcp",
    runbook=Runbook(
        meaning="Segments reached their socket and were dropped there: no receive memory, a full backlog, or a "
        "window that the program keeps at zero.",
        impact="The sender repeats them after a time-out; the connection crawls.",
        diagnosis=(
            (
                "Which of the four counters rises? Backlog: the program holds the socket busy. Zero window: it does "
                "not read. Receive queue and emergency memory: memory is short."
            ),
            "`ss -tnm` inside the pod: sockets with a large Recv-Q.",
            "Processor throttling of the pod.",
        ),
        mitigation=(
            "Give the program more processor time, or make it read faster.",
            "Raise net.ipv4.tcp_rmem, or net.ipv4.tcp_mem where the node is short of TCP memory.",
        ),
    ),
    cases=(
        *(
            Fires(
                name=f"one a minute, counted as {rising.name}",
                series=tuple(Series(each, "0+1x20" if each is rising else "0x20") for each in DROPS),
                since=1,
                value="0.02",
            )
            for rising in DROPS
        ),
        Fires(
            name="one a minute on a kernel that counts only this",
            series=(Series(tcpext.TCP_BACKLOG_DROP, "0+1x20"),),
            since=1,
            value="0.02",
        ),
        Silent(
            name="a single segment",
            series=tuple(Series(each, "0x5 1x20") for each in DROPS),
            at=11,
        ),
        Silent(name="no drops", series=tuple(Series(each, "3x20") for each in DROPS)),
    ),
)

DRAINED = "2000000x3 0 2000000x5 0 2000000x5 0 2000000x5 0 2000000x9"

RECEIVE_STUCK = AlertRule(
    name="NetTcpRecvQueueStuck",
    expr=per_pod(over_time("min", tcpsummary.RXQUEUE, window="10m")) > thresholds.STUCK_QUEUE,
    hold=5,
    severity=Severity.WARNING,
    summary="Received data is not read by the program.",
    description="At least {value} wait in the receive queues of {owner}, and have for 10 minutes.",
    show=Show.BYTES,
    dashboard="tcp",
    thresholds=(thresholds.STUCK_QUEUE,),
    runbook=Runbook(
        meaning="The kernel has taken and acknowledged the data, but the program does not read it.",
        impact="Requests are not served although the network is well; health checks time out.",
        diagnosis=(
            "`ss -tnp` inside the pod: which process has the large Recv-Q?",
            "Processor throttling: `container_cpu_cfs_throttled_periods_total` of the pod.",
            "A thread dump of the program: deadlock, or all workers waiting for something else?",
        ),
        mitigation=(
            "Raise the processor limit of the pod, or allow it to burst.",
            "Restart the program if it hangs.",
        ),
    ),
    cases=(
        Fires(
            name="the program is throttled (case 4 of the troubleshooting guide)",
            series=(
                Series(tcpsummary.RXQUEUE, "2000000x30"),
                Series(tcpsummary.TXQUEUE, "2000000x30"),
                Series(tcpsummary.ESTABLISHED, "100+10x30"),
                Series(tcpsummary.TIME_WAIT, "400-10x30"),
                Series(tcpext.TCP_TIMEOUTS, "0+30x30"),
            ),
            since=0,
            value="1.907MiB",
        ),
        Silent(name="it empties between", series=(Series(tcpsummary.RXQUEUE, DRAINED),), at=20),
        Silent(name="0.9 MB wait", series=(Series(tcpsummary.RXQUEUE, "900000x30"),)),
    ),
)

SEND_STUCK = AlertRule(
    name="NetTcpSendQueueStuck",
    expr=per_pod(over_time("min", tcpsummary.TXQUEUE, window="10m")) > thresholds.STUCK_QUEUE,
    hold=5,
    severity=Severity.WARNING,
    summary="Sent data is not acknowledged by the other side.",
    description="At least {value} wait in the send queues of {owner}, and have for 10 minutes.",
    show=Show.BYTES,
    dashboard="tcp",
    thresholds=(thresholds.STUCK_QUEUE,),
    runbook=Runbook(
        meaning="The program has written the data, but the peer does not take or acknowledge it.",
        impact="Answers do not arrive; writers block once the send buffer is full.",
        diagnosis=(
            (
                "`ss -tnio` inside the pod: large Send-Q with a growing retrans is a lossy or dead path, with "
                "persist timers a peer that does not read."
            ),
            "Retransmissions and time-outs of the pod at the same time.",
        ),
        mitigation=(
            "Mend the path or the peer that was found.",
            "Set TCP_USER_TIMEOUT, so that dead peers are given up sooner.",
        ),
    ),
    cases=(
        Fires(name="2 MB never leave", series=(Series(tcpsummary.TXQUEUE, "2000000x30"),), since=0, value="1.907MiB"),
        Silent(name="it empties between", series=(Series(tcpsummary.TXQUEUE, DRAINED),), at=20),
        Silent(name="0.9 MB wait", series=(Series(tcpsummary.TXQUEUE, "900000x30"),)),
    ),
)

CLOSE_WAIT_LEAK = AlertRule(
    name="NetTcpCloseWaitLeak",
    expr=per_pod(over_time("min", tcpsummary.CLOSE_WAIT, window="15m")) > thresholds.CLOSE_WAIT,
    guards=(per_pod(deriv(tcpsummary.CLOSE_WAIT, window="15m")) > 0,),
    hold=10,
    severity=Severity.WARNING,
    summary="Connections that the peer has closed pile up.",
    description="{owner} holds at least {value} connections in CLOSE_WAIT, and the number grows.",
    show=Show.COUNT,
    dashboard="tcp",
    thresholds=(thresholds.CLOSE_WAIT,),
    runbook=Runbook(
        meaning="The peer has closed, the program has not: it leaks connections, one descriptor each.",
        impact="The program runs into its limit of descriptors and can neither accept nor connect.",
        diagnosis=(
            "`ss -tnp state close-wait` inside the pod: which process and which peers?",
            "Does the number of open descriptors grow alike?",
        ),
        mitigation=(
            "Restart the program to gain time.",
            "Close the connection on every path of the program, errors included.",
        ),
    ),
    cases=(
        Fires(name="600 and growing", series=(Series(tcpsummary.CLOSE_WAIT, "600+10x40"),), since=1, value="600"),
        Silent(name="600 and steady", series=(Series(tcpsummary.CLOSE_WAIT, "600x40"),)),
        Silent(name="300 and growing", series=(Series(tcpsummary.CLOSE_WAIT, "300+3x40"),)),
    ),
)

GROUP = Group(
    "net-exporter.tcp-socket",
    (
        LISTEN_OVERFLOW,
        LISTEN_DROPS,
        ACCEPT_QUEUE,
        ABORT_ON_MEMORY,
        MEMORY_PRESSURE,
        RECEIVE_DROPS,
        RECEIVE_STUCK,
        SEND_STUCK,
        CLOSE_WAIT_LEAK,
    ),
)
