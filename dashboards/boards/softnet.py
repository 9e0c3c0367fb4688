"""The receive path: soft interrupts and the per-CPU backlog. Node-wide: no pod has numbers of its own."""

from __future__ import annotations

from alerts.rules import node as rules
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_nodes
from dashboards.views import label_of, share, spread, topic
from exporter.probes import softirq, softnet

_WAITS = (Step(0.01, Colour.WATCH), Step(0.1, Colour.BAD))
_TYPE = (label_of(softirq.SCHED_SLOW, "softirq_type"),)

SUBJECT = Subject(
    slug="softnet",
    title="Receive path",
    description="How the node's processors take packets from the devices, and where they fall behind.",
    probes=("softnet", "softirq"),
    tables=(
        worst_nodes(
            softnet.DROPPED,
            "Nodes that dropped in the backlog",
            "Packets dropped because a processor's backlog was full, over the time shown. Any pod of the node may "
            "have lost them.",
            Step(1, Colour.BAD),
        ),
        worst_nodes(
            softnet.TIME_SQUEEZE,
            "Nodes that ran out of budget",
            "Receive loops that stopped with packets left, over the time shown. They come before drops and are felt "
            "as jitter.",
            Step(1000, Colour.WATCH),
        ),
    ),
    topics=(
        topic(
            "Packets taken by soft interrupts",
            "Packets taken from the per-CPU backlog. The base against which the other panels are read.",
            (softnet.PROCESSED, "processed"),
        ),
        topic(
            "Packets dropped in the backlog",
            "Packets dropped because a processor's backlog was full. Raise net.core.netdev_max_backlog or spread the "
            "load with RPS or more device queues.",
            (softnet.DROPPED, "dropped"),
            steps=limits(rules.SOFTNET_DROPS, window=300),
        ),
        topic(
            "Receive loops cut short",
            "Receive loops that ran out of budget or time with packets left. A rise with flat traffic means that the "
            "processors are busy elsewhere.",
            (softnet.TIME_SQUEEZE, "cut short"),
            steps=(Step(50, Colour.WATCH),),
        ),
        share(
            "Share of packets dropped in the backlog",
            "Backlog drops for each packet processed. Anything above zero is lost for good.",
            softnet.DROPPED,
            softnet.PROCESSED,
            (Step(0.0001, Colour.WATCH), Step(0.001, Colour.BAD)),
        ),
        *spread(
            softirq.SCHEDULE_SECONDS,
            "Waits of soft interrupts",
            "Time from the raise of a network's soft interrupt until it runs.",
            *_WAITS,
        ),
        topic(
            "Time soft interrupts wait and run",
            "What 99% of the network's soft interrupts stay below, between raise and start and between start and end. "
            "A rise is jitter for every pod of the node.",
            (softirq.SCHEDULE_SECONDS, "waiting"),
            (softirq.EXECUTE_SECONDS, "running"),
            keep=_TYPE,
            steps=_WAITS,
        ),
        topic(
            "Slow soft interrupts",
            "Soft interrupts that waited or ran longer than 10 ms and than 100 ms. Each delays all packets of its "
            "processor by that time.",
            (softirq.SCHED_SLOW, "waited over 10 ms"),
            (softirq.SCHED_VERY_SLOW, "waited over 100 ms"),
            (softirq.EXECUTE_SLOW, "ran over 10 ms"),
            (softirq.EXECUTE_VERY_SLOW, "ran over 100 ms"),
            keep=_TYPE,
            steps=(Step(0.1, Colour.WATCH),),
        ),
    ),
)
