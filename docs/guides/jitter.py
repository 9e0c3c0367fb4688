"""Latency and jitter."""

from __future__ import annotations

from dashboards.scenarios.jitter import SCENARIO
from docs.guides.model import Guide

GUIDE = Guide(
    scenario=SCENARIO,
    seen=(
        "the slowest answers take many times as long as most, while the mean hardly changes",
        "time-outs that nobody can reproduce",
    ),
    commands=(
        (
            "Round trip time, repeats and the state of single connections of a pod:",
            "nsenter -t PID -n ss -tin state established",
        ),
        (
            "How often segments were repeated, and what made the kernel do so; run it twice:",
            "nsenter -t PID -n nstat -az TcpRetransSegs TcpExtTCPTimeouts TcpExtTCPFastRetrans TcpExtTCPSynRetrans",
        ),
        (
            "Packets that a processor dropped (second column) or left for later (third), one line for each:",
            "cat /proc/net/softnet_stat",
        ),
        (
            "Whether the processors are busy with interrupts, or waited for by others:",
            "cat /proc/pressure/cpu\nmpstat -P ALL 1 5",
        ),
        (
            "Drops in the queues of devices:",
            "tc -s qdisc show dev DEVICE\nethtool -S DEVICE | grep -i -E 'drop|err|fifo'",
        ),
        (
            "Switch on what measures time itself, until you have found it:",
            (
                "net-exporter run --set 'metrics.probes=[tcp, tcpext, tcprtt, socketlatency, softirq, kernellatency, "
                "netiftxlat, biolatency, virtcmdlatency]'"
            ),
        ),
        (
            "Which program waited, for how long, as it happens (the same probes under `event.probes`):",
            "inspector watch -s NODE --type SOCKETLAT_READSLOW",
        ),
    ),
    changes=(
        "The program does not get to run: raise its CPU limit, allow bursts, or give it processors of its own.",
        (
            "Soft interrupts wait: spread the queues of the device over more processors (`ethtool -L`, RPS), move "
            "real-time "
            "programs away from those."
        ),
        "Receive loops cut short: raise net.core.netdev_budget and net.core.netdev_budget_usecs.",
        "The path loses segments: compare pods of several nodes and zones, and take the pair to whoever runs the path.",
        (
            "Slow commands to the host: bring pods up and down in smaller batches, and take the times to whoever "
            "runs the host."
        ),
        "Slow disks: write logs asynchronously; a program that waits for its disk does not answer.",
    ),
    example="""\
Answers of a Redis take over 300 ms now and then. Round trips and repeats of its pods do not change, but *Slow
commands to
the host* jumps to above 200 ms each time, on the node of the client. Such a command keeps a processor until the
host has
answered it, and there are many when pods are started or removed in batches. In smaller batches the delays are gone.""",
)
