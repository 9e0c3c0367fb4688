"""What a cycle produced: tables of numbers and how each probe ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.model.metric import Metric
    from exporter.model.pod import Pod, PodFacts

Number: TypeAlias = int | float


class Histogram(NamedTuple):
    """How many observations fell into each bucket, and their sum.

    Args:
        counts: of each bucket alone, the one without bound last.
        sum: of all observed values, in the metric's unit.
    """

    counts: tuple[int, ...]
    sum: Number


Value: TypeAlias = Number | Histogram


class Row(NamedTuple):
    """The numbers of one owner (and one set of extra label values), in the order of the table's metrics.

    None is a real absence: that one series has a gap.
    """

    pod: Pod
    labels: tuple[str, ...]
    values: Sequence[Value | None]


_row = partial(tuple.__new__, Row)  # as Row(...), in a third of the time; a cycle makes thousands


@dataclass(slots=True)
class Table:
    """Metrics that share labels and scope, with a row per owner. The unit in which probes hand over numbers.

    Columns rather than single samples, because 50,000 sample objects per cycle would cost more than reading
    the kernel does.
    """

    metrics: tuple[Metric, ...]
    rows: list[Row] = field(default_factory=list)
    columns: tuple[str, ...] = field(init=False)

    @property
    def width(self) -> int:
        """Series in each row."""
        return sum(metric.width for metric in self.metrics)

    def __post_init__(self) -> None:
        """Remember by which names the metrics are picked from a row of a source."""
        self.columns = tuple(metric.column for metric in self.metrics)

    def add(self, pod: Pod, values: Sequence[Value | None], *labels: str) -> None:
        """Append a row; `labels` are the values of the metrics' own labels, in their order."""
        self.rows.append(_row((pod, labels, values)))

    def pick(self, pod: Pod, found: Mapping[str, Number], *labels: str) -> None:
        """Append a row of the numbers that `found` has under the metrics' columns; what it lacks is a gap."""
        self.rows.append(_row((pod, labels, tuple(map(found.get, self.columns)))))


class Status(Enum):
    """How a probe ended its cycle."""

    OK = "ok"
    NO_DATA = "no_data"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one probe ended one cycle, and what that cost."""

    probe: str
    status: Status
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one cycle collected; never changed after it is published.

    Args:
        tables: what the probes that ended OK handed over.
        outcomes: one per known probe.
        pods: every owner seen, the host first.
        taken_at: Unix time of the cycle's start, seconds.
        seconds: how long the cycle took.
        readers: seconds spent in each reader, over all namespaces.
        facts: of those owners that have some.
    """

    tables: tuple[Table, ...]
    outcomes: tuple[Outcome, ...]
    pods: tuple[Pod, ...]
    taken_at: float
    seconds: float
    readers: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[Pod, PodFacts] = field(default_factory=dict)
