"""A proxy reports errors."""

from __future__ import annotations

from dashboards.scenarios.nginx import SCENARIO
from docs.guides.model import Guide

GUIDE = Guide(
    scenario=SCENARIO,
    seen=(
        "499 in the access log: the client closed before the answer came",
        "502: the connection to the program behind failed or was reset, or its name did not resolve",
        "503: no program behind is taken for alive, or a limit was reached",
        "504: connecting or answering took longer than the proxy waits",
    ),
    commands=(
        (
            (
                "How the time of a request is spent: log `$request_time $upstream_connect_time $upstream_response_time "
                "$upstream_addr`, and see which grows:"
            ),
            "kubectl logs -n NAMESPACE POD | awk '$9 ~ /499|50[234]/' | tail",
        ),
        (
            "Whether the Service has endpoints; without any, no packet is sent:",
            "kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE",
        ),
        (
            "On the node of the program behind: its listening sockets. Recv-Q is the accept queue, Send-Q its limit:",
            "nsenter -t PID -n ss -ltn",
        ),
        (
            "Connections lost at a listening socket since the start; run it twice:",
            "nsenter -t PID -n nstat -az TcpExtListenOverflows TcpExtListenDrops TcpAttemptFails TcpEstabResets",
        ),
        (
            "Connections whose data nobody reads (Recv-Q) or acknowledges (Send-Q), the largest first:",
            "nsenter -t PID -n ss -tn state established | sort -k1,1nr | head",
        ),
        (
            "Whether the program is held up by its CPU limit (`nr_throttled` grows):",
            "kubectl exec -n NAMESPACE POD -- cat /sys/fs/cgroup/cpu.stat",
        ),
    ),
    changes=(
        "Accept queue: let the program accept in a thread of its own; raise its backlog and net.core.somaxconn, both.",
        (
            "Idle connections that one side closes first: the keep-alive time-out of the program behind must be "
            "longer than "
            "that of the proxy."
        ),
        "Throttling or pauses of a garbage collector: raise the CPU limit, or allow bursts; shorten the pauses.",
        "Local ports used up: keep connections to the program behind alive (`keepalive` in `upstream`).",
        "Deployments: a `preStop` pause, so that the proxy forgets an endpoint before it closes.",
    ),
    example="""\
A Java program is unreachable for some seconds, several times a day. *Accept queue overflows* rises on its pods at the
same moments, its log shows a garbage collection: nobody accepts meanwhile, the queue fills, and further connections are
lost. With a larger backlog and a collector with short pauses, it stays up.

A health check of an ingress fails now and then. On its pods *Data unread* and *Data unacknowledged* rise together and
time-outs follow, while connections are made as ever: the kernel does its work and the program does not get to run. The
CPU statistics of its cgroup show throttling; with a higher limit, the checks pass.""",
)
