"""Receive soft interrupts: packets taken from, and dropped at, the per-CPU backlog."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import softnet

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_counter = partial(Metric, probe="softnet", kind=Kind.COUNTER, scope=Scope.NODE, source="/proc/net/softnet_stat")

PROCESSED = _counter(
    name="processed",
    unit=Unit.PACKETS,
    help="Packets taken from the per-CPU backlog, all CPUs.",
    column="processed",
)
DROPPED = _counter(
    name="dropped",
    unit=Unit.PACKETS,
    help="Packets lost because a CPU's backlog was full, all CPUs.",
    column="dropped",
    advice="Raise net.core.netdev_max_backlog, spread the load with RPS or more NIC queues, look for one busy CPU.",
)
TIME_SQUEEZE = _counter(
    name="timesqueeze",
    unit=Unit.EVENTS,
    help="Receive loops that ran out of budget or time with work left, all CPUs.",
    column="time_squeeze",
    advice="Raise net.core.netdev_budget and netdev_budget_usecs, or find what keeps the CPUs in soft interrupts.",
)

METRICS = (PROCESSED, DROPPED, TIME_SQUEEZE)


def collect(cycle: Cycle) -> list[Table]:
    """One row for the node: the file shows the same numbers in every namespace."""
    table = Table(METRICS)
    table.pick(cycle.host, cycle.on_host(softnet.read)._asdict())
    return [table]


PROBE = ProbeSpec(
    name="softnet",
    summary="Packets per receive soft interrupt, backlog drops and exhausted budgets of the node.",
    metrics=METRICS,
    open=stateless(collect),
    host_readers=(softnet.read,),
)
