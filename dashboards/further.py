"""Panels that nobody composed: a metric that is new with a probe shows up by itself."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from dashboards import units
from dashboards.panel import Board, Panel, Query, Row
from dashboards.views import NODES, PODS, SLOW, TO_NODE
from exporter.model.metric import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dashboards.views import View
    from exporter.model.metric import Metric
    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry

ROW = "Further counters"
_CROWDED = 24  # further metrics of one probe above which they share panels
_PER_PANEL = 6


def complete(board: Board, registry: Registry) -> Board:
    """The board with a collapsed row for each probe of it that has metrics which no panel shows."""
    specs = [spec for spec in registry.probes if spec.name in board.probes]
    rows = [
        row for spec in specs for row in _rows(spec, {metric for panel in board.panels() for metric in panel.metrics})
    ]
    return _with_rows(board, rows)


def unclaimed(boards: Iterable[Board], registry: Registry) -> Iterator[Board]:
    """One board with all probes that no other board claims, if there are any."""
    claimed = {probe for board in boards for probe in board.probes}
    rows = [row for spec in registry.probes if spec.name not in claimed for row in _rows(spec, set())]
    if rows:
        yield Board(
            slug="further",
            title="net-exporter / Further probes",
            description="Probes without a board of their own.",
            rows=tuple(rows),
        )


def _rows(spec: ProbeSpec, shown: set[Metric]) -> Iterator[Row]:
    rest = [metric for metric in spec.metrics if metric.default and metric not in shown]
    if rest:
        panels = _shared(rest, spec) if len(rest) > _CROWDED else (_single(metric, spec) for metric in rest)
        off = "" if spec.default else " (off by default)"
        yield Row(f"{ROW}: {spec.name}{off}", tuple(panels), collapsed=True)


def _single(metric: Metric, spec: ProbeSpec) -> Panel:
    advice = metric.advice or spec.advice
    return Panel(
        title=f"{metric.name}",
        description=f"{_what(metric)}{metric.help} {advice}".strip(),
        queries=tuple(_queries(metric, "")),
        unit=units.of(metric),
        width=8,
        height=7,
        links=(TO_NODE,),
    )


def _what(metric: Metric) -> str:
    return f"What {SLOW:.0%} of the observations stay below. " if metric.kind is Kind.HISTOGRAM else ""


def _shared(metrics: list[Metric], spec: ProbeSpec) -> Iterator[Panel]:
    """Panels of several metrics each, of one unit and in their order: a probe may have a hundred of them."""
    number = 0
    for unit, found in groupby(sorted(metrics, key=lambda metric: units.of(metric).value), key=units.of):
        same = list(found)
        for start in range(0, len(same), _PER_PANEL):
            part = same[start : start + _PER_PANEL]
            number += 1
            yield Panel(
                title=f"{part[0].name} to {part[-1].name}" if len(part) > 1 else part[0].name,
                description="\n\n".join(f"{metric.name}: {metric.help}" for metric in part)
                + f" {spec.advice}".rstrip(),
                queries=tuple(query for metric in part for query in _queries(metric, metric.name)),
                unit=unit,
                links=(TO_NODE,),
            )


def _queries(metric: Metric, words: str) -> Iterator[Query]:
    for view in (NODES, PODS):
        if view.has(metric):
            yield _query(metric, words, view)


def _query(metric: Metric, words: str, view: View) -> Query:
    own = " ".join(f"{{{label.name}}}" for label in metric.labels)
    return Query(view.limited(view.value(metric, *metric.labels)), " ".join(filter(None, (view.prefix, own, words))))


def _with_rows(board: Board, rows: list[Row]) -> Board:
    return Board(
        slug=board.slug,
        title=board.title,
        description=board.description,
        rows=(*board.rows, *rows),
        probes=board.probes,
        refresh=board.refresh,
        tags=board.tags,
    )
