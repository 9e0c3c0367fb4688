"""Connections are reset."""

from __future__ import annotations

from dashboards.scenarios.resets import SCENARIO
from docs.guides.model import Guide

GUIDE = Guide(
    scenario=SCENARIO,
    seen=(
        "*connection reset by peer* while reading, *broken pipe* while writing",
        "*connection refused* while connecting, which is a reset, too",
    ),
    commands=(
        (
            "Who resets whom, with both ends, as it happens (`tcpreset` under `event.probes`):",
            "inspector watch -s NODE --type TCPRESET_NOSOCK --type TCPRESET_PROCESS --pod 'PATTERN'",
        ),
        (
            "Why this side reset, since the start; run it twice and compare with the explanation of each:",
            (
                "nsenter -t PID -n nstat -az 'TcpExtTCPAbort*' TcpOutRsts TcpEstabResets\n"
                "net-exporter explain kubeskoop_tcpext_tcpabortonclose"
            ),
        ),
        (
            "Whether somebody listens at that address and port:",
            "nsenter -t PID -n ss -ltnp 'sport = :PORT'",
        ),
        (
            "Whether address translation still knows the connection:",
            "conntrack -L -d ADDRESS -p tcp --dport PORT\nipvsadm -Lnc | grep ADDRESS",
        ),
        (
            "How much memory TCP has, in pages: what it uses (`mem`) and where pressure begins (second number):",
            "cat /proc/net/sockstat /proc/sys/net/ipv4/tcp_mem",
        ),
    ),
    changes=(
        (
            "Idle connections: send keep-alive probes more often than the shortest idle limit on the way, of load "
            "balancer, "
            "IPVS (`ipvsadm --set`) and connection tracking (net.netfilter.nf_conntrack_tcp_timeout_established)."
        ),
        "Closed with data unread: read the request to its end before closing; limit its size in the proxy instead.",
        "Memory: raise net.ipv4.tcp_mem, and find the connections that hold it.",
        "Old timestamps behind address translation: leave net.ipv4.tcp_tw_reuse off on machines that share an address.",
        (
            "Packets of no connection: set net.netfilter.nf_conntrack_tcp_be_liberal to 1, so that a late "
            "segment does not "
            "reach a pod untranslated."
        ),
    ),
    example="""\
A pool of database connections finds some of them reset each morning. The pods of the client show *Resets received, by
state* as established, and the database shows none sent. So neither end did it. On the client's node *Packets of no
connection* rises at the same time: tracking forgot connections that were idle through the night. Keep-alive
probes every
ten minutes end it.""",
)
