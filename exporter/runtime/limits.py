"""Everything that can grow is bounded, and what was cut is counted."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from exporter.errors import CollectError
from exporter.model.snapshot import Histogram, Row, Table

if TYPE_CHECKING:
    from exporter.model.pod import Pod


_NUMBERS = frozenset({int, float, bool, Histogram, type(None)})
_TEXTS = frozenset({str})


class ContradictionError(CollectError):
    """A probe handed over what it had not declared, what is no number, or the same series twice."""


def check(tables: list[Table], declared: frozenset[str], probe: str) -> None:
    """Refuse tables that would break the whole exposition. Raises ContradictionError."""
    seen: set[str] = set()
    for table in tables:
        _check_shape(table, probe)
        for metric in table.metrics:
            if metric.probe != probe or metric.name not in declared:
                raise ContradictionError(f"probe {probe} emitted {metric.name}, which it does not declare")
            if metric.name in seen:
                raise ContradictionError(f"probe {probe} emitted {metric.name} in two tables")
            seen.add(metric.name)
        keys = {(row.pod.namespace, row.pod.name, row.labels) for row in table.rows}
        if len(keys) != len(table.rows):
            twice = Counter((row.pod.namespace, row.pod.name, row.labels) for row in table.rows).most_common(1)
            raise ContradictionError(f"probe {probe} emitted {table.metrics[0].name} twice for {twice[0][0]}")


def _check_shape(table: Table, probe: str) -> None:
    """What rendering relies on: labels of one length, a number or a gap for each metric."""
    if not table.metrics:
        raise ContradictionError(f"probe {probe} emitted a table without metrics")
    width, labels, name = len(table.metrics), table.metrics[0].labels, table.metrics[0].name
    if any(metric.labels != labels for metric in table.metrics):
        raise ContradictionError(f"probe {probe} emitted {name} in a table of metrics with other labels")
    # Nearly always all rows are right, and all together are looked at in a fraction of the time.
    shapes = {(len(row.labels), len(row.values)) for row in table.rows}
    texts = set(map(type, chain.from_iterable(row.labels for row in table.rows)))
    numbers = set(map(type, chain.from_iterable(row.values for row in table.rows)))
    if shapes <= {(len(labels), width)} and texts <= _TEXTS and numbers <= _NUMBERS:
        return
    for row in table.rows:
        if len(row.labels) != len(labels) or not _TEXTS.issuperset(map(type, row.labels)):
            raise ContradictionError(f"probe {probe} emitted {name} with label values {row.labels!r:.80}")
        if len(row.values) != width or not _NUMBERS.issuperset(map(type, row.values)):
            raise ContradictionError(f"probe {probe} emitted {name} with values {row.values!r:.80}")


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
