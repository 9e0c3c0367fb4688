"""A probe of times per network namespace: from attached programs to tables.

RX = TimeMetrics(slow=..., very_slow=..., seconds=...)       # of Scope.NETNS
UNCOUNTED = uncounted("kernellatency", source="...")
OPTIONS = options(slow_ms=10, very_slow_ms=100)

def open_probe(env):
    given = Given.read(env, "kernellatency", OPTIONS)
    bpf = attached("kernellatency", env.sys, HOOKS, variables=given.variables, entries=given.entries)
    return NetnsLatency(bpf, {"KIND_RX": RX}, UNCOUNTED)     # closes the object, also when it fails

Of objects that also tell what was slow, with net_events.h, `SlowEvents` is the last argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from exporter.bpf.histogram import of_times
from exporter.bpf.net_events import NetEvents
from exporter.bpf.netns_times import NetnsTimes
from exporter.errors import SourceError
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.bpf.event_plan import LossMetrics
    from exporter.bpf.loader import BpfObject
    from exporter.bpf.net_events import NetEvent, Tell, Told
    from exporter.bpf.times import Times
    from exporter.model.probe import Cycle, Env
    from exporter.model.snapshot import Value

WHY: Final = Label(
    name="reason",
    help="map_full: no room for another namespace; unfinished: forgotten before its end, for lack of room; "
    "unattributed: measured, but the namespace could not be told.",
    values=("map_full", "unfinished", "unattributed"),
)

T = TypeVar("T")

_NS_PER_MS: Final = 1_000_000
_ENTRIES: Final = 4096


class TimeMetrics(NamedTuple):
    """What one kind of time is shown as.

    Args:
        slow: counter of those above the lower threshold.
        very_slow: counter of those above the higher one.
        seconds: histogram of all, over `TIME_BUCKETS`.
    """

    slow: Metric
    very_slow: Metric
    seconds: Metric


def uncounted(probe: str, source: str) -> Metric:
    """The metric of what a probe could not measure, by reason."""
    return Metric(
        probe=probe,
        name="uncounted_total",
        kind=Kind.COUNTER,
        unit=Unit.EVENTS,
        scope=Scope.NODE,
        labels=(WHY,),
        help="Times that are missing in the other metrics, by what kept them from being counted.",
        source=source,
        advice="map_full: raise the probe's option `entries`; unfinished: raise the one that gives room to what is "
        "under way.",
    )


def options(*, slow_ms: int, very_slow_ms: int) -> tuple[Option, ...]:
    """The options that `Given` understands, with these defaults."""
    return (
        Option(name="slow_ms", help="Above so many milliseconds a time counts as slow.", default=slow_ms),
        Option(
            name="very_slow_ms",
            help="Above so many milliseconds a time counts in the metrics whose names end in 100ms.",
            default=very_slow_ms,
        ),
        Option(name="entries", help="Room for how many pairs of namespace and kind of time.", default=_ENTRIES),
    )


class Given(NamedTuple):
    """Options as an object takes them.

    Args:
        values: of all options of the probe, by name.
        variables: the thresholds.
        entries: sizes of maps.
    """

    values: Mapping[str, Any]
    variables: Mapping[str, int]
    entries: Mapping[str, int]

    @classmethod
    def read(cls, env: Env, probe: str, declared: Sequence[Option]) -> Given:
        """From the configuration; `declared` has those of `options`, and any others of the probe."""
        given = env.options.get(probe, {})
        values = {option.name: given.get(option.name, option.default) for option in declared}
        thresholds = {name: values[f"{name}_ms"] * _NS_PER_MS for name in ("slow", "very_slow")}
        return cls(
            values,
            {f"{name}_ns": nanoseconds for name, nanoseconds in thresholds.items()},
            {"netns_times": values["entries"]},
        )


class SlowEvents(NamedTuple):
    """How what was slow is told one by one.

    Args:
        tell: what an event of each kind is, by its name in the object's `enum kind`.
        losses: counters of what was not told.
    """

    tell: Mapping[str, Tell]
    losses: LossMetrics


class NetnsLatency:
    """The attached programs of an object that includes netns_times.h.

    Args:
        bpf: the object; closed with the probe, and when it has another layout.
        metrics: what each kind is shown as, by its name in the object's `enum kind`.
        lost: made by `uncounted`.
        slow: single events, where they are wanted.

    Raises:
        SourceError: the object has no such kind or map.
    """

    def __init__(
        self, bpf: BpfObject, metrics: Mapping[str, TimeMetrics], lost: Metric, slow: SlowEvents | None = None
    ) -> None:
        self._bpf = bpf
        self._slow = slow
        self._lost = lost
        try:
            self._metrics = _by_number(bpf, metrics)
            self._tell = _by_number(bpf, slow.tell) if slow else {}
            self._times = NetnsTimes(bpf)
        except BaseException:
            bpf.close()
            raise

    def collect(self, cycle: Cycle) -> list[Table]:
        """A row per namespace and kind; what never happened there has counters of 0 and no histogram."""
        measured = self._times.read()
        tables = {kind: Table(tuple(metrics)) for kind, metrics in self._metrics.items()}
        for pod in cycle.pids:
            found = measured.of(pod.netns)
            if found is not None:
                for kind, table in tables.items():
                    table.add(pod, _row(found.get(kind)))
        missing = Table((self._lost,))
        unattributed = sum(times.all.count for times in measured.unknown.values())
        for reason in WHY.values[:-1]:
            missing.add(cycle.host, (measured.faults[f"fault_{reason}"],), reason)
        missing.add(cycle.host, (unattributed,), WHY.values[-1])
        faults = measured.faults
        losses = self._slow and self._slow.losses.table(cycle.host, faults["fault_suppressed"], faults["fault_lost"])
        return [*tables.values(), missing, *([losses] if losses else [])]

    def event_source(self) -> NetEvents:
        """One event for each time that was slow. Raises SourceError."""
        return NetEvents(self._bpf, self._told)

    def _told(self, event: NetEvent) -> Told:
        return self._tell[event.kind](event)

    def close(self) -> None:
        """Detach the programs."""
        self._times.close()
        self._bpf.close()


def _by_number(bpf: BpfObject, by_kind: Mapping[str, T]) -> dict[int, T]:
    kinds = bpf.btf.enum("kind")
    if absent := sorted(by_kind.keys() - kinds.keys()):
        raise SourceError(f"{bpf.path} enum kind", ", ".join(absent), ", ".join(kinds))
    return {kinds[name]: each for name, each in by_kind.items()}


def _row(times: Times | None) -> Sequence[Value | None]:
    return (0, 0, None) if times is None else (*times.slow, of_times(times.all))
