"""Soft interrupts: how long they wait on a CPU until the kernel runs them, and how long they run.

One run in 16 is measured, by chance, unless the option `sample_one_in` says otherwise: the counters and histograms show
that part and nothing is extrapolated. Off by default: its three programs take 10 to 20 ns each of every soft interrupt,
and 30 to 70 ns where each is measured.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.bpf import event_plan, kernel_btf
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.bpf.sampling import option
from exporter.bpf.softirq_times import SoftirqTimes
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.event_plan import Plan
    from exporter.bpf.net_events import NetEvent, NetEvents, Told
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
BY_TYPE = (SCHED_SLOW, SCHED_VERY_SLOW, EXECUTE_SLOW, EXECUTE_VERY_SLOW, SCHEDULE_SECONDS, EXECUTE_SECONDS)
LOSSES = event_plan.loss_metrics("softirq", "tracepoints irq:softirq_raise, irq:softirq_entry and irq:softirq_exit")
METRICS = (*BY_TYPE, *LOSSES)

_TYPE_FIELD = Field(name="softirq_type", help="Type of soft interrupt, as in /proc/softirqs.", values=TYPE.values)
_LATENCY = Field(name="latency_us", help="How long it took, in microseconds.")
_WAITED_FIELD = Field(name="waited_us", help="How long it had waited before it ran, where that was measured.")
_PLACE_FIELDS = (
    Field(name="cpu", help="On which CPU."),
    Field(name="pid", help="Process that was interrupted, as the node numbers them; 0 where the CPU was idle."),
)
_MEASURED = "only runs that are measured, see `sample_one_in`, can be told"
_waits = partial(EventType, probe="softirq", advice=_WAITS, fields=(_TYPE_FIELD, _LATENCY, *_PLACE_FIELDS))
_ran = partial(EventType, probe="softirq", advice=_RUNS, fields=(_TYPE_FIELD, _LATENCY, _WAITED_FIELD, *_PLACE_FIELDS))
WAIT_SLOW = _waits(
    name="SOFTIRQ_SCHED_SLOW",
    ack="NETSOFTIRQ_SCHED_SLOW",
    help=f"A soft interrupt waited longer than `slow_ms`, but not than `very_slow_ms`, to be run; {_MEASURED}.",
)
WAIT_VERY_SLOW = _waits(
    name="SOFTIRQ_SCHED_100MS",
    ack="NETSOFTIRQ_SCHED_100MS",
    help=f"A soft interrupt waited longer than `very_slow_ms` to be run; {_MEASURED}.",
)
RUN_SLOW = _ran(
    name="SOFTIRQ_EXCUTE_SLOW",
    ack="NETSOFTIRQ_EXCUTE_SLOW",
    help=f"A soft interrupt ran longer than `slow_ms`, but not than `very_slow_ms`; {_MEASURED}.",
)
RUN_VERY_SLOW = _ran(
    name="SOFTIRQ_EXCUTE_100MS",
    ack="NETSOFTIRQ_EXCUTE_100MS",
    help=f"A soft interrupt ran longer than `very_slow_ms`; {_MEASURED}.",
)

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
_US_PER_MS = 1_000


class Softirq:
    """The attached programs.

    Args:
        times: what they measure.
        very_slow_us: above so many microseconds one is very slow.
        plan: how single events are wanted.
    """

    def __init__(self, times: SoftirqTimes, very_slow_us: int = 0, plan: Plan | None = None) -> None:
        self._times = times
        self._very_slow_us = very_slow_us
        self._plan = plan

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per type, of the node."""
        table = Table(BY_TYPE)
        for name, (schedule, execute) in self._times.read().items():
            values = (*schedule.slow, *execute.slow, of_times(schedule.all), of_times(execute.all))
            table.add(cycle.host, values, name)
        if self._plan is None:
            return [table]
        faults = self._times.faults()
        return [table, LOSSES.table(cycle.host, faults["fault_suppressed"], faults["fault_lost"])]

    def event_source(self) -> NetEvents:
        """One event for each time that was slow. Raises SourceError."""
        return self._times.events(self._told)

    def _told(self, name: str, event: NetEvent, executes: bool) -> Told:  # noqa: FBT001 -- as the programs say
        very_slow = event.latency >= self._very_slow_us
        place = (event.cpu, event.pid)
        if executes:
            return RUN_VERY_SLOW if very_slow else RUN_SLOW, (name, event.latency, event.detail or "", *place)
        return WAIT_VERY_SLOW if very_slow else WAIT_SLOW, (name, event.latency, *place)

    def close(self) -> None:
        """Detach the programs."""
        self._times.close()


def open_probe(env: Env) -> Softirq:
    """Load and attach. Raises UnsupportedError, SourceError."""
    kernel_btf.require(env.sys)
    given = env.options.get("softirq", {})
    types, slow, very_slow, one_in = (given.get(option.name, option.default) for option in _OPTIONS)
    plan = event_plan.planned(env, "softirq")
    times = SoftirqTimes(env.sys, types, slow * _NS_PER_MS, very_slow * _NS_PER_MS, one_in=one_in, plan=plan)
    return Softirq(times, very_slow * _US_PER_MS, plan)


PROBE = ProbeSpec(
    name="softirq",
    aliases=("net_softirq",),
    summary="How long soft interrupts wait to be run and how long they run, by type.",
    metrics=METRICS,
    events=(WAIT_SLOW, WAIT_VERY_SLOW, RUN_SLOW, RUN_VERY_SLOW),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older kernels are untried"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=_OPTIONS,
    event_options=(event_plan.RATE, event_plan.STACK),
    default=False,  # three programs for each soft interrupt
)
