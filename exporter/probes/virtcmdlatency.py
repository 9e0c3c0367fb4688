"""Control commands of virtio network devices: how long the host takes for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.bpf.command_times import CommandTimes
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
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
METRICS = (SLOW, VERY_SLOW, SECONDS, UNCOUNTED)

_OPTIONS = (
    Option(name="slow_ms", help="Above so many milliseconds a command counts as slow.", default=10),
    Option(
        name="very_slow_ms",
        help="Above so many milliseconds a command counts in the metric that ends in 100ms.",
        default=100,
    ),
)
_NS_PER_MS = 1_000_000


class VirtCmdLatency:
    """The attached programs.

    Args:
        commands: what they measure.
    """

    def __init__(self, commands: CommandTimes) -> None:
        self._commands = commands

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row, of the node."""
        (times, unfinished), table = self._commands.read(), Table(METRICS)
        table.add(cycle.host, (*times.slow, of_times(times.all), unfinished))
        return [table]

    def close(self) -> None:
        """Detach the programs."""
        self._commands.close()


def open_probe(env: Env) -> VirtCmdLatency:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = env.options.get("virtcmdlatency", {})
    slow, very_slow = (given.get(option.name, option.default) for option in _OPTIONS)
    return VirtCmdLatency(CommandTimes(env.sys, slow * _NS_PER_MS, very_slow * _NS_PER_MS))


PROBE = ProbeSpec(
    name="virtcmdlatency",
    aliases=("virtcmdlat",),
    summary="How long the host takes for control commands of virtio network devices.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "fentry programs or kprobes, with BTF", "no tracepoint tells of commands"),
        Requirement(RequirementKind.MODULE, "virtio_net", "other network devices have no such commands"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to functions of the kernel"),
    ),
    options=_OPTIONS,
    default=False,  # for virtual machines whose network is suspected
)
