"""Names resolve late or not at all."""

from __future__ import annotations

from dashboards.scenarios.dns import SCENARIO
from docs.guides.model import Guide

GUIDE = Guide(
    scenario=SCENARIO,
    seen=(
        "programs log *Temporary failure in name resolution* or *i/o timeout* on port 53",
        "single requests take 5 seconds longer, or 10, and then work",
    ),
    commands=(
        (
            "Which server a pod asks, and how many names it tries for each lookup (`ndots`, `search`):",
            "kubectl exec -n NAMESPACE POD -- cat /etc/resolv.conf",
        ),
        (
            (
                "On the node: how the pod's datagrams fare. Run it twice; NoPorts grows with late answers, "
                "RcvbufErrors "
                "with a full queue:"
            ),
            "nsenter -t PID -n nstat -az 'Udp*'",
        ),
        (
            "Which queue of a server is full now (third column):",
            "nsenter -t PID -n ss -uanm 'sport = :53'",
        ),
        (
            "Entries lost to races or a full table, by processor, and how full the table is:",
            "conntrack -S\ncat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max",
        ),
        (
            "Where the kernel drops datagrams, as it happens (`packetloss` under `event.probes`):",
            "inspector watch -s NODE --type PacketLoss --pod 'coredns*'",
        ),
        (
            "Whether the server or its upstream is slow: ask both, from the same pod:",
            "dig +tries=1 +time=5 @SERVICE_ADDRESS example.com\ndig +tries=1 +time=5 @UPSTREAM example.com",
        ),
    ),
    changes=(
        (
            "Late answers: more replicas of CoreDNS, a cache in it, a nearer upstream; a public server far away "
            "answers late "
            "now and then."
        ),
        "Fewer questions: end names with a dot, lower `ndots` in `dnsConfig`, or run a cache on each node.",
        "Tracking races: `options single-request-reopen` in `dnsConfig`, or a cache on each node that is asked by TCP.",
        (
            "A full receive queue: raise the CPU limit of the server, then net.core.rmem_max where it asks for "
            "larger buffers."
        ),
        "A full table: raise net.netfilter.nf_conntrack_max, shorten net.netfilter.nf_conntrack_udp_timeout.",
    ),
    example="""\
Lookups of a web application time out a few times a day. On its pods *Late answers* rises by one each time, *Packets
dropped* with it, and nothing else does. So the answers arrive, but after the program has closed its socket: the server
is too slow, not the network. The configured server is a public one; with a cache in the cluster the time-outs end.""",
)
