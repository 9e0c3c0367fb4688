"""Recording rules: totals of nodes and namespaces, cheap enough for wide dashboards and long ranges.

Totals are over pods only. A packet that crosses a pod's interface is counted again by the host's, so a sum
over both would count it twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerts.model import Series
from exporter.model.metric import Identity
from exporter.model.promql import PODS, rate, total

if TYPE_CHECKING:
    from exporter.model.metric import Metric
    from exporter.model.promql import Expr, LabelKey, Rendering

GROUP = "net-exporter.recording"
WINDOW = "5m"
HOST_LABELS: dict[LabelKey, str] = {Identity.NAMESPACE: "", Identity.POD: ""}

# Two pods and the host, as increments per minute; what must come out is the pods' sum per second.
FIRST, SECOND, HOST = 60, 120, 6000
BOTH = (FIRST + SECOND) / 60


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule, named level:metric:operation.

    Args:
        level: what one series is about, for example node.
        by: labels kept.
        metric: the metric whose name it carries.
        operation: what was done to it.
        expr: the expression.
        example: input of its test.
        expected: what must come out for the default labels.
    """

    level: str
    by: tuple[LabelKey, ...]
    metric: Metric
    operation: str
    expr: Expr
    example: tuple[Series, ...] = field(repr=False)
    expected: float

    def name_in(self, rendering: Rendering) -> str:
        """Name of the recorded series in one dialect."""
        return f"{self.level}:{rendering.name(self.metric)}:{self.operation}"


LEVELS: tuple[tuple[str, tuple[LabelKey, ...]], ...] = (
    ("node", (Identity.NODE,)),
    ("namespace", (Identity.NAMESPACE,)),
)


def totals(metric: Metric) -> tuple[Recording, ...]:
    """Rate summed over the pods of each node and of each namespace."""
    return tuple(
        Recording(
            level,
            by,
            metric,
            f"sum_rate{WINDOW}",
            total(rate(metric, PODS, window=WINDOW), *by),
            _example(metric, FIRST, SECOND, HOST),
            BOTH,
        )
        for level, by in LEVELS
    )


def shares(part: Metric, whole: Metric) -> tuple[Recording, ...]:
    """One counter's rate divided by another's, over the pods of each node and of each namespace."""
    return tuple(
        Recording(
            level,
            by,
            part,
            f"ratio_rate{WINDOW}",
            total(rate(part, PODS, window=WINDOW), *by) / total(rate(whole, PODS, window=WINDOW), *by),
            (*_example(part, FIRST, SECOND, HOST), *_example(whole, FIRST * 4, SECOND * 4, HOST)),
            1 / 4,
        )
        for level, by in LEVELS
    )


def _example(metric: Metric, first: int, second: int, host: int) -> tuple[Series, ...]:
    return (
        Series(metric, f"0+{first}x15"),
        Series(metric, f"0+{second}x15", {Identity.POD: "web-1"}),
        Series(metric, f"0+{host}x15", HOST_LABELS),
    )
