"""Soft interrupts: how long they wait on a CPU until the kernel runs them, and how long they run.

One run in 16 is measured, by chance, unless the option `sample_one_in` says otherwise: the counters and histograms show
that part and nothing is extrapolated. Off by default: its three programs take 10 to 20 ns each of every soft interrupt,
and 30 to 70 ns where each is measured.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.bpf import kernel_btf
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.bpf.sampling import option
from exporter.bpf.softirq_times import SoftirqTimes
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.model.probe import Cycle, Env

TYPE = Label(
    name="softirq_type",
    help="Type of soft interrupt, as in /proc/softirqs; net_rx receives packets, net_tx frees and sends them.",
    values=("hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu"),
)

_metric = partial(Metric, probe="softirq", scope=Scope.NODE, labels=(TYPE,))
_schedule = partial(_metric, source="tracepoints irq:softirq_raise and irq:softirq_entry")
_execute = partial(_metric, source="tracepoints irq:softirq_entry and irq:softirq_exit")

_WAITS = (
    "A CPU was kept from its soft interrupts, by interrupts, by code that forbids them, or by ksoftirqd waiting its "
    "turn: look at the load and at stolen time."
)
_RUNS = (
    "One run of the handler took the CPU for itself: look for many iptables rules, slow eBPF or driver code, or a host "
    "that takes the CPU away."
)

SCHED_SLOW = _schedule(
    name="schedslow",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Soft interrupts that waited over 10 ms to be run, unless the option `slow_ms` says otherwise.",
    advice=_WAITS,
    inspector="inspector_pod_net_softirq_schedslow",
)
SCHED_VERY_SLOW = _schedule(
    name="schedslow100ms",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Soft interrupts that waited over 100 ms to be run, unless the option `very_slow_ms` says otherwise.",
    advice=_WAITS,
    inspector="inspector_pod_net_softirq_schedslow100ms",
)
EXECUTE_SLOW = _execute(
    name="excuteslow",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Soft interrupts that ran over 10 ms at a time, unless the option `slow_ms` says otherwise.",
    advice=_RUNS,
    inspector="inspector_pod_net_softirq_excuteslow",
)
EXECUTE_VERY_SLOW = _execute(
    name="excuteslow100ms",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Soft interrupts that ran over 100 ms at a time, unless the option `very_slow_ms` says otherwise.",
    advice=_RUNS,
    inspector="inspector_pod_net_softirq_excuteslow100ms",
)
SCHEDULE_SECONDS = _schedule(
    name="schedule_seconds",
    kind=Kind.HISTOGRAM,
    unit=Unit.SECONDS,
    buckets=TIME_BUCKETS,
    level_labels=True,
    help="Time from when a soft interrupt was first raised until the kernel began to run it.",
    advice=_WAITS,
    inspector="inspector_node_netsoftirqshed",
    aliases=("inspector_pod_netsoftirqshed",),
)
EXECUTE_SECONDS = _execute(
    name="execute_seconds",
    kind=Kind.HISTOGRAM,
    unit=Unit.SECONDS,
    buckets=TIME_BUCKETS,
    level_labels=True,
    help="Time that one run of a soft interrupt took, with the interrupts that came between.",
    advice=_RUNS,
    inspector="inspector_node_netsoftirq",
    aliases=("inspector_pod_netsoftirq",),
)
METRICS = (SCHED_SLOW, SCHED_VERY_SLOW, EXECUTE_SLOW, EXECUTE_VERY_SLOW, SCHEDULE_SECONDS, EXECUTE_SECONDS)

_TYPES = Option(
    name="types",
    help="Types of soft interrupts to measure.",
    default=("net_rx", "net_tx"),
    choices=TYPE.values,
    aliases=("softirq_types",),
)
_SLOW = Option(name="slow_ms", help="Above so many milliseconds one counts as slow.", default=10)
_VERY_SLOW = Option(
    name="very_slow_ms",
    help="Above so many milliseconds one counts in the metrics that end in 100ms.",
    default=100,
)
_OPTIONS = (_TYPES, _SLOW, _VERY_SLOW, option("runs"))

_NS_PER_MS = 1_000_000


class Softirq:
    """The attached programs.

    Args:
        times: what they measure.
    """

    def __init__(self, times: SoftirqTimes) -> None:
        self._times = times

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per type, of the node."""
        table = Table(METRICS)
        for name, (schedule, execute) in self._times.read().items():
            values = (*schedule.slow, *execute.slow, of_times(schedule.all), of_times(execute.all))
            table.add(cycle.host, values, name)
        return [table]

    def close(self) -> None:
        """Detach the programs."""
        self._times.close()


def open_probe(env: Env) -> Softirq:
    """Load and attach. Raises UnsupportedError, SourceError."""
    kernel_btf.require(env.sys)
    given = env.options.get("softirq", {})
    types, slow, very_slow, one_in = (given.get(option.name, option.default) for option in _OPTIONS)
    return Softirq(SoftirqTimes(env.sys, types, slow * _NS_PER_MS, very_slow * _NS_PER_MS, one_in))


PROBE = ProbeSpec(
    name="softirq",
    aliases=("net_softirq",),
    summary="How long soft interrupts wait to be run and how long they run, by type.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older kernels are untried"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=_OPTIONS,
    default=False,  # three programs for each soft interrupt
)
