"""Block I/O: how long requests wait for the device and how long it takes for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.bpf import event_plan
from exporter.bpf.block_times import BlockRequests
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.event_plan import Plan
    from exporter.bpf.task_events import TaskEvent, TaskEvents
    from exporter.model.probe import Cycle, Env

DEVICE = Label(name="device", help="Block device as in /sys/block, whole disks only.", budget=256)
OPERATION = Label(
    name="operation",
    help="What was asked of the device; other has for example writing zeroes and commands of the driver.",
    values=("read", "write", "flush", "discard", "other"),
)
WHY = Label(
    name="reason",
    help="map_full: no room for another device; unfinished: the request began before the exporter watched, or was "
    "forgotten for lack of room.",
    values=("map_full", "unfinished"),
)

_metric = partial(Metric, probe="biolatency", scope=Scope.NODE, labels=(DEVICE, OPERATION))
_counter = partial(
    _metric,
    kind=Kind.COUNTER,
    unit=Unit.REQUESTS,
    source="tracepoints block:block_rq_insert, block:block_rq_issue and block:block_rq_complete",
)
_seconds = partial(_metric, kind=Kind.HISTOGRAM, unit=Unit.SECONDS, buckets=TIME_BUCKETS)

_SLOW_DISK = (
    "Compare queue and device time: a long queue means more I/O than the disk takes, a long device time a throttled or "
    "failing disk; the probe io tells which pods read and write."
)

SLOW = _counter(
    name="slow_total",
    help="Requests that took over 10 ms, waiting for the device included, unless the option `slow_ms` says otherwise.",
    advice=_SLOW_DISK,
)
VERY_SLOW = _counter(
    name="very_slow_total",
    help="Requests that took over 100 ms, waiting for the device included, unless the option `very_slow_ms` says "
    "otherwise.",
    advice=_SLOW_DISK,
)
QUEUE_SECONDS = _seconds(
    name="queue_seconds",
    source="tracepoints block:block_rq_insert and block:block_rq_issue",
    help="Time that requests waited, as a rule in the I/O scheduler, until the device got them.",
    advice="The device is given more than it takes: look at which pods read and write, and at their limits.",
)
DEVICE_SECONDS = _seconds(
    name="device_seconds",
    source="tracepoints block:block_rq_issue and block:block_rq_complete",
    help="Time from when the device got a request until it was done.",
    advice="The disk is throttled by its provider, worn or failing: compare with its rated latency.",
)
UNCOUNTED = _counter(
    name="uncounted_total",
    labels=(WHY,),
    help="Requests missing in the other metrics, by what kept them from being measured.",
    advice="map_full: raise the probe's option `entries`; unfinished, when it keeps growing: raise `under_way`.",
)
LOSSES = event_plan.loss_metrics("biolatency", "tracepoint block:block_rq_complete")
METRICS = (SLOW, VERY_SLOW, QUEUE_SECONDS, DEVICE_SECONDS, UNCOUNTED, *LOSSES)

_event = partial(
    EventType,
    probe="biolatency",
    advice=_SLOW_DISK,
    fields=(
        Field(name="latency_us", help="How long the request took, waiting included, in microseconds."),
        Field(name="queue_us", help="How long of it until the device got it."),
        Field(name="device_us", help="How long of it the device took."),
        Field(name="device", help="Block device as in /sys/block, whole disks only."),
        Field(name="operation", help="What was asked of the device, as in the counters.", values=OPERATION.values),
        Field(name="bytes", help="How much."),
        Field(name="sector", help="Where on the device, in units of 512 bytes."),
        Field(name="process", help="Thread that made the request; one of the kernel's where pages were written back."),
        Field(name="pid", help="Its process."),
    ),
)
REQUEST = _event(
    name="BIOLAT_10MS",
    help="A request to a block device took over 10 ms, unless the option `slow_ms` says otherwise.",
)
VERY_SLOW_REQUEST = _event(
    name="BIOLAT_100MS",
    help="A request to a block device took over 100 ms, unless the option `very_slow_ms` says otherwise.",
)

_OPTIONS = (
    Option(name="slow_ms", help="Above so many milliseconds a request counts as slow.", default=10),
    Option(name="very_slow_ms", help="Above so many milliseconds a request counts as very slow.", default=100),
    Option(name="under_way", help="Room for how many requests that are not done.", default=16384),
    Option(name="entries", help="Room for how many pairs of device and operation.", default=1024),
)
_NS_PER_MS = 1_000_000
_NS_PER_US = 1_000


class BioLatency:
    """The attached programs.

    Args:
        requests: what they measure.
        very_slow_ns: above so many nanoseconds one is very slow.
        plan: how single events are wanted.
    """

    def __init__(self, requests: BlockRequests, very_slow_ns: int = 0, plan: Plan | None = None) -> None:
        self._requests = requests
        self._very_slow_ns = very_slow_ns
        self._plan = plan

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per device and operation that occurred; where none had to wait, there is no time of waiting."""
        measured = self._requests.read()
        table, uncounted = Table((SLOW, VERY_SLOW, QUEUE_SECONDS, DEVICE_SECONDS)), Table((UNCOUNTED,))
        for (device, operation), times in measured.times.items():
            queue = of_times(times.queue) if times.queue.count else None
            table.add(cycle.host, (*times.both, queue, of_times(times.device)), device, operation)
        for reason in WHY.values:
            uncounted.add(cycle.host, (measured.faults[f"fault_{reason}"],), reason)
        faults = measured.faults
        losses = [LOSSES.table(cycle.host, faults["fault_suppressed"], faults["fault_lost"])] if self._plan else []
        return [table, uncounted, *losses]

    def event_source(self) -> TaskEvents:
        """One event for each slow request. Raises SourceError."""
        return self._requests.events(self._told)

    def _told(self, event: TaskEvent) -> tuple[EventType, tuple[str | int, ...]]:
        values = (
            event.took // _NS_PER_US,
            event.waited // _NS_PER_US,
            (event.took - event.waited) // _NS_PER_US,
            event.device_name,
            self._requests.operations[event.kind],
            event.amount,
            event.place,
            event.process_name,
            event.pid,
        )
        return VERY_SLOW_REQUEST if event.took > self._very_slow_ns else REQUEST, values

    def close(self) -> None:
        """Detach the programs."""
        self._requests.close()


def open_probe(env: Env) -> BioLatency:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = env.options.get("biolatency", {})
    slow, very_slow, under_way, entries = (given.get(option.name, option.default) for option in _OPTIONS)
    plan = event_plan.planned(env, "biolatency")
    requests = BlockRequests(
        env.sys,
        slow_ns=slow * _NS_PER_MS,
        very_slow_ns=very_slow * _NS_PER_MS,
        under_way=under_way,
        entries=entries,
        plan=plan,
    )
    return BioLatency(requests, very_slow * _NS_PER_MS, plan)


PROBE = ProbeSpec(
    name="biolatency",
    summary="How long requests to block devices wait until the device gets them, and how long it takes.",
    metrics=METRICS,
    events=(REQUEST, VERY_SLOW_REQUEST),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.9 with BTF", "the programs need tracepoints of its block layer"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=_OPTIONS,
    event_options=(event_plan.RATE,),
    default=False,  # two or three programs for each request
)
