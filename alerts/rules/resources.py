"""What a single pod can run out of."""

from __future__ import annotations

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_pod
from alerts.recording import HOST_LABELS
from exporter.model.promql import PODS, clamp_min, gauge
from exporter.probes import fd, ports


def _ports(used: int) -> tuple[Series, ...]:
    return Series(ports.BUSIEST, f"{used}x30"), Series(ports.RANGE, "28232x30")


PORTS = AlertRule(
    name="NetEphemeralPortsNearlyExhausted",
    # A port can be shared by connections to different destinations: the busiest one runs out first.
    expr=per_pod(gauge(ports.BUSIEST)) / clamp_min(per_pod(gauge(ports.RANGE)), 1) > thresholds.PORTS_SHARE,
    hold=5,
    severity=Severity.WARNING,
    summary="Local ports towards one destination are nearly used up.",
    description="{owner} uses {value} of its local ports for connections to a single destination.",
    show=Show.PERCENT,
    dashboard="tcp",
    thresholds=(thresholds.PORTS_SHARE,),
    runbook=Runbook(
        meaning="Every connection to one address and port needs a local port of its own, also for a minute after "
        "it was closed (TIME_WAIT).",
        impact="Connecting fails with: cannot assign requested address.",
        diagnosis=(
            "`ss -tan | awk '{print $1, $5}' | sort | uniq -c | sort -n | tail` inside the pod.",
            "Mostly TIME_WAIT: the program opens a connection per request. Mostly ESTABLISHED: it leaks them.",
        ),
        mitigation=(
            "Reuse connections: keep-alive, a pool, HTTP/2.",
            "Widen net.ipv4.ip_local_port_range, set net.ipv4.tcp_tw_reuse to 1.",
        ),
    ),
    cases=(
        Fires(name="25,000 of 28,232", series=_ports(25000), since=0, value="88.55%"),
        Silent(name="20,000 of 28,232", series=_ports(20000)),
    ),
)
DESCRIPTORS = AlertRule(
    name="NetFileDescriptorsMany",
    # The host's own row adds up all its processes, so it has no such limit.
    expr=per_pod(gauge(fd.OPEN_FD, PODS)) > thresholds.DESCRIPTORS,
    hold=10,
    severity=Severity.WARNING,
    summary="A pod holds very many open descriptors.",
    description="{owner} holds {value} open descriptors.",
    show=Show.COUNT,
    dashboard="processes",
    thresholds=(thresholds.DESCRIPTORS,),
    runbook=Runbook(
        meaning="The processes of the pod hold many files and sockets open, usually a leak.",
        impact="At its limit the program can neither accept nor open connections: too many open files.",
        diagnosis=(
            "`ls /proc/<pid>/fd | wc -l` for each process of the pod, against `/proc/<pid>/limits`.",
            "Are most of them sockets? Then look at CLOSE_WAIT and at connection pools without a limit.",
        ),
        mitigation=(
            "Restart the program to gain time, then mend the leak.",
            "Raise the limit where the program truly needs that many.",
        ),
    ),
    cases=(
        Fires(name="60,000", series=(Series(fd.OPEN_FD, "60000x30"),), since=0, value="60000"),
        Silent(name="40,000", series=(Series(fd.OPEN_FD, "40000x30"),)),
        Silent(name="the host's processes together", series=(Series(fd.OPEN_FD, "60000x30", HOST_LABELS),)),
    ),
)

GROUP = Group("net-exporter.resources", (PORTS, DESCRIPTORS))
