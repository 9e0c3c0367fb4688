"""A subject: topics that make a board of their own, and rows of the boards of one node and one pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards import units
from dashboards.panel import Board, Form, Panel, Query, Row
from dashboards.views import NODES, PODS, SHOWN, TO_NODE, TO_POD, Topic
from exporter.model.metric import Kind
from exporter.model.promql import topk

if TYPE_CHECKING:
    from dashboards.panel import Step
    from dashboards.views import View
    from exporter.model.metric import Metric
    from exporter.model.promql import LabelKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What belongs together when somebody looks for a cause.

    Args:
        slug: of its board.
        title: of its board, and of its row on the node's and the pod's board.
        description: one or two sentences.
        probes: whose metrics its board must show all of.
        topics: panels, the most telling first.
        tables: who has most of what, at the head of the board.
    """

    slug: str
    title: str
    description: str
    probes: tuple[str, ...]
    topics: tuple[Topic, ...]
    tables: tuple[Panel, ...] = ()

    def board(self) -> Board:
        """Its own dashboard: tables, nodes, pods."""
        rows = [Row("Who has most of it", self.tables)] if self.tables else []
        rows.append(Row(NODES.title, self._panels(NODES)))
        if pods := self._panels(PODS):
            rows.append(Row(PODS.title, pods))
        return Board(
            slug=self.slug,
            title=f"net-exporter / {self.title}",
            description=self.description,
            rows=tuple(rows),
            probes=self.probes,
        )

    def row(self, view: View, *, collapsed: bool) -> Row | None:
        """Its row on the board of a node or a pod; None where that has nothing of it."""
        panels = self._panels(view)
        return Row(self.title, panels, collapsed) if panels else None

    def _panels(self, view: View) -> tuple[Panel, ...]:
        return tuple(topic.panel(view) for topic in self.topics if view is NODES or topic.per_pod())


def worst_pods(metric: Metric, title: str, description: str, *steps: Step) -> Panel:
    """The pods with most of a metric: its increase over the time shown, or its value now."""
    return Panel(
        title=title,
        description=description,
        form=Form.TABLE,
        queries=(_largest(PODS, metric),),
        unit=units.total_of(metric),
        steps=steps,
        links=(TO_NODE, TO_POD),
    )


def worst_nodes(metric: Metric, title: str, description: str, *steps: Step, keep: tuple[LabelKey, ...] = ()) -> Panel:
    """The nodes with most of a metric: its increase over the time shown, or its value now."""
    return Panel(
        title=title,
        description=description,
        form=Form.TABLE,
        queries=(_largest(NODES, metric, *keep),),
        unit=units.total_of(metric),
        steps=steps,
        links=(TO_NODE,),
    )


def _largest(view: View, metric: Metric, *keep: LabelKey) -> Query:
    if metric.kind is Kind.COUNTER:
        return Query(topk(SHOWN, view.increase(metric, *keep)), "In the time shown")
    return Query(topk(SHOWN, view.now(metric, *keep)), "Now")
