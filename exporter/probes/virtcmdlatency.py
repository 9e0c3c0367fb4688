"""Control commands of virtio network devices: how long the host takes for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan
from exporter.bpf.command_times import CommandTimes
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.event_plan import Plan
    from exporter.bpf.task_events import TaskEvent, TaskEvents
    from exporter.model.probe import Cycle, Env

_ADVICE = (
    "The host, not this machine, is slow to answer, and whoever sets up networks waits meanwhile: ask the provider, or "
    "move the load."
)

_metric = partial(
    Metric,
    probe="virtcmdlatency",
    scope=Scope.NODE,
    source="entry and return of the kernel's virtnet_send_command",
)
_counter = partial(_metric, kind=Kind.COUNTER, unit=Unit.CALLS)

SLOW = _counter(
    name="latency",
    help="Control commands of virtio network devices that took over 10 ms, unless the option `slow_ms` says otherwise.",
    advice=_ADVICE,
    inspector="inspector_pod_virtcmdlatency",
)
VERY_SLOW = _counter(
    name="latency100ms",
    help="Control commands of virtio network devices that took over 100 ms, unless the option `very_slow_ms` says "
    "otherwise.",
    advice=_ADVICE,
    inspector="inspector_pod_virtcmdlatency100ms",
)
SECONDS = _metric(
    name="seconds",
    kind=Kind.HISTOGRAM,
    unit=Unit.SECONDS,
    buckets=TIME_BUCKETS,
    level_labels=True,
    help="Time that the host took for a control command of a virtio network device.",
    advice=_ADVICE,
    inspector="inspector_node_virtsendcmdlat",
    aliases=("inspector_pod_virtsendcmdlat",),
)
UNCOUNTED = _counter(
    name="uncounted_total",
    help="Control commands of which only the end was seen, as they began before the exporter watched.",
)
LOSSES = event_plan.loss_metrics("virtcmdlatency", "return of the kernel's virtnet_send_command")
METRICS = (SLOW, VERY_SLOW, SECONDS, UNCOUNTED, *LOSSES)

# Class by number as in linux/virtio_net.h.
_CLASSES: Final = ("rx", "mac", "vlan", "announce", "mq", "guest_offloads", "notf_coal")
_event = partial(
    EventType,
    probe="virtcmdlatency",
    advice=_ADVICE,
    fields=(
        Field(name="latency_us", help="How long the host took, in microseconds."),
        Field(name="class", help="What the command was about, such as rx, mac or vlan; its number where that is new."),
        Field(name="command", help="Number of the command in its class."),
        Field(name="interface", help="The device, where the kernel describes its modules."),
        Field(name="process", help="Thread that waited meanwhile."),
        Field(name="pid", help="Its process."),
        Field(name="cpu", help="Where it waited."),
    ),
)
COMMAND = _event(
    name="VIRTCMDEXCUTE",
    help="The host took over 10 ms, unless `slow_ms` says otherwise, for a control command of a virtio network device.",
)
VERY_SLOW_COMMAND = _event(
    name="VIRTCMDEXCUTE_100MS",
    help="The host took over 100 ms, unless `very_slow_ms` says otherwise, for a control command of a virtio network "
    "device.",
)

_OPTIONS = (
    Option(name="slow_ms", help="Above so many milliseconds a command counts as slow.", default=10),
    Option(
        name="very_slow_ms",
        help="Above so many milliseconds a command counts in the metric that ends in 100ms.",
        default=100,
    ),
)
_NS_PER_MS = 1_000_000
_NS_PER_US = 1_000


class VirtCmdLatency:
    """The attached programs.

    Args:
        commands: what they measure.
        very_slow_ns: above so many nanoseconds one is very slow.
        plan: how single events are wanted.
    """

    def __init__(self, commands: CommandTimes, very_slow_ns: int = 0, plan: Plan | None = None) -> None:
        self._commands = commands
        self._very_slow_ns = very_slow_ns
        self._plan = plan

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row, of the node."""
        measured, table = self._commands.read(), Table((SLOW, VERY_SLOW, SECONDS, UNCOUNTED))
        times, faults = measured
        table.add(cycle.host, (*times.slow, of_times(times.all), measured.unfinished))
        losses = [LOSSES.table(cycle.host, faults["fault_suppressed"], faults["fault_lost"])] if self._plan else []
        return [table, *losses]

    def event_source(self) -> TaskEvents:
        """One event for each slow command. Raises SourceError."""
        return self._commands.events(self._told)

    def _told(self, event: TaskEvent) -> tuple[EventType, tuple[str | int, ...]]:
        known = event.kind < len(_CLASSES)
        values = (
            event.took // _NS_PER_US,
            _CLASSES[event.kind] if known else str(event.kind),
            event.detail,
            event.device_name,
            event.process_name,
            event.pid,
            event.cpu,
        )
        return VERY_SLOW_COMMAND if event.took > self._very_slow_ns else COMMAND, values

    def close(self) -> None:
        """Detach the programs."""
        self._commands.close()


def open_probe(env: Env) -> VirtCmdLatency:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = env.options.get("virtcmdlatency", {})
    slow, very_slow = (given.get(option.name, option.default) for option in _OPTIONS)
    plan = event_plan.planned(env, "virtcmdlatency")
    commands = CommandTimes(env.sys, slow * _NS_PER_MS, very_slow * _NS_PER_MS, plan)
    return VirtCmdLatency(commands, very_slow * _NS_PER_MS, plan)


PROBE = ProbeSpec(
    name="virtcmdlatency",
    aliases=("virtcmdlat",),
    summary="How long the host takes for control commands of virtio network devices.",
    metrics=METRICS,
    events=(COMMAND, VERY_SLOW_COMMAND),
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "fentry programs or kprobes, with BTF", "no tracepoint tells of commands"),
        Requirement(RequirementKind.MODULE, "virtio_net", "other network devices have no such commands"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to functions of the kernel"),
    ),
    options=_OPTIONS,
    event_options=(event_plan.RATE, event_plan.STACK),
    default=False,  # for virtual machines whose network is suspected
)
