"""Everything that can grow is bounded, and what was cut is counted."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from exporter.errors import CollectError
from exporter.model.snapshot import Histogram, Row, Table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from exporter.model.pod import Pod


_NUMBERS = frozenset({int, float, bool, Histogram, type(None)})
_TEXTS = frozenset({str})
_names = itemgetter(0, 1)  # of a pod, its namespace and name: what tells series apart


class ContradictionError(CollectError):
    """A probe handed over what it had not declared, what is no number, or the same series twice."""


def check(tables: list[Table], declared: frozenset[str], probe: str) -> None:
    """Refuse tables that would break the whole exposition. Raises ContradictionError."""
    seen: set[str] = set()
    for table in tables:
        _check_metrics(table, probe)
        for metric in table.metrics:
            if metric.probe != probe or metric.name not in declared:
                raise ContradictionError(f"probe {probe} emitted {metric.name}, which it does not declare")
            if metric.name in seen:
                raise ContradictionError(f"probe {probe} emitted {metric.name} in two tables")
            seen.add(metric.name)
        if table.rows:
            _check_rows(table, probe)


def _check_metrics(table: Table, probe: str) -> None:
    if not table.metrics:
        raise ContradictionError(f"probe {probe} emitted a table without metrics")
    labels, name = table.metrics[0].labels, table.metrics[0].name
    if any(metric.labels != labels for metric in table.metrics):
        raise ContradictionError(f"probe {probe} emitted {name} in a table of metrics with other labels")


def _check_rows(table: Table, probe: str) -> None:
    """What rendering relies on: labels of one length, a number or a gap for each metric, no series twice.

    Nearly always all rows are right, and whole columns are looked at in a fraction of the time that row by row takes.
    """
    name, width = table.metrics[0].name, len(table.metrics[0].labels)
    pods, labels, values = zip(*table.rows, strict=True)
    if not _alike(labels, width, _TEXTS):
        wrong = next(each for each in labels if not _alike((each,), width, _TEXTS))
        raise ContradictionError(f"probe {probe} emitted {name} with label values {wrong!r:.80}")
    if not _alike(values, len(table.metrics), _NUMBERS):
        wrong = next(each for each in values if not _alike((each,), len(table.metrics), _NUMBERS))
        raise ContradictionError(f"probe {probe} emitted {name} with values {wrong!r:.80}")
    keys = list(zip(map(_names, pods), labels, strict=True))
    if len(set(keys)) != len(keys):
        twice = Counter(keys).most_common(1)
        raise ContradictionError(f"probe {probe} emitted {name} twice for {twice[0][0]}")


def _alike(rows: Collection[Sequence[object]], length: int, types: frozenset[type]) -> bool:
    """Whether all rows have that many items, all of these types."""
    return set(map(len, rows)) == {length} and types.issuperset(map(type, chain.from_iterable(rows)))


def within_label_budget(table: Table) -> tuple[Table, int]:
    """Cut rows beyond what the open labels allow per pod. Returns the table and how many series were cut."""
    budgets = [label.budget for label in table.metrics[0].labels if not label.values]
    budget = min(filter(None, budgets), default=0)
    if not budget or len(table.rows) <= budget:
        return table, 0
    used: Counter[Pod] = Counter()
    kept: list[Row] = []
    for row in table.rows:
        used[row.pod] += 1
        if used[row.pod] <= budget:
            kept.append(row)
    return Table(table.metrics, kept), (len(table.rows) - len(kept)) * table.width


def within_total(table: Table, room: int) -> tuple[Table, int]:
    """Cut whole rows beyond `room` series. Returns the table and how many series were cut."""
    width = table.width
    fitting = max(room, 0) // width
    if len(table.rows) <= fitting:
        return table, 0
    return Table(table.metrics, table.rows[:fitting]), (len(table.rows) - fitting) * width
