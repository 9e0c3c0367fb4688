"""Queueing disciplines: what each device of a namespace sent, dropped, delayed and holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import NoDataError
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import qdisc

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_BUDGET = 64

DEVICE = Label(name="device", help="Network device.", budget=_BUDGET)
KIND = Label(name="kind", help="Queueing discipline at the root of the device, for example fq_codel.", budget=_BUDGET)

_metric = partial(
    Metric,
    probe="qdisc",
    scope=Scope.NETNS,
    labels=(DEVICE, KIND),
    source="rtnetlink RTM_GETQDISC, root disciplines other than noqueue",
)
_counter = partial(_metric, kind=Kind.COUNTER, unit=Unit.PACKETS)
_gauge = partial(_metric, kind=Kind.GAUGE)

BYTES = _counter(name="bytes", unit=Unit.BYTES, help="Bytes sent through the discipline.")
PACKETS = _counter(name="packets", help="Packets sent through the discipline.")
DROPS = _counter(
    name="drops",
    help="Packets the discipline dropped, a 32-bit count that wraps.",
    advice="More is sent than the device or its rate limit takes: look at backlog and overlimits, and at who sends.",
)
QLEN = _gauge(name="qlen", unit=Unit.PACKETS, help="Packets queued now.")
BACKLOG = _gauge(
    name="backlog",
    unit=Unit.BYTES,
    help="Bytes queued now.",
    advice="A standing backlog is latency for everybody on the device: find the sender, or use fq_codel or fq.",
)
OVERLIMITS = _counter(
    name="overlimits",
    unit=Unit.EVENTS,
    help="Times a packet had to wait because of a rate limit, a 32-bit count that wraps.",
    advice="A bandwidth limit is at work (kubernetes.io/egress-bandwidth, tc): raise it or send less.",
)
REQUEUES = _counter(
    name="requeues_total",
    help="Packets the device did not take and that were queued again, a 32-bit count that wraps.",
    advice="The device's transmit ring is full: raise it with `ethtool -G`, or look at the driver and the host.",
)

METRICS = (BYTES, PACKETS, DROPS, QLEN, BACKLOG, OVERLIMITS, REQUEUES)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace and device that has a queue. Raises NoDataError when no device anywhere has one."""
    table = Table(METRICS)
    for pod, found in cycle.over(qdisc.read):
        for each in found:
            values = (
                each.bytes,
                each.packets,
                each.drops,
                each.qlen,
                each.backlog,
                each.overlimits,
                each.requeues,
            )
            table.add(pod, values, each.device, each.kind)
    if not table.rows:
        raise NoDataError("no device has a queueing discipline other than noqueue")
    return [table]


PROBE = ProbeSpec(
    name="qdisc",
    summary="Packets sent, dropped, delayed and queued by the queueing discipline of each device.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(qdisc.read,),
    requires=(
        Requirement(
            kind=RequirementKind.CAPABILITY,
            what="CAP_SYS_ADMIN",
            why="disciplines are listed from inside each pod's network namespace",
        ),
    ),
)
