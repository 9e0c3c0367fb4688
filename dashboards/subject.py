"""A subject: topics that make a board of their own, and rows of the boards of one node and one pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards import optional, units
from dashboards.panel import Board, Form, Panel, Query, Row
from dashboards.views import NODES, PODS, SHOWN, TO_NODE, TO_POD, Topic
from exporter.model.metric import Kind
from exporter.model.promql import topk

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

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
        rarer: further panels in collapsed rows, for questions that come up seldom or where few have the metrics.
        rarer_title: what those have in common.
    """

    slug: str
    title: str
    description: str
    probes: tuple[str, ...]
    topics: tuple[Topic, ...]
    tables: tuple[Panel, ...] = ()
    rarer: tuple[Topic, ...] = ()
    rarer_title: str = "Rarer"

    def board(self, probes: AbstractSet[str]) -> Board:
        """Its own dashboard: tables, pods, nodes; collapsed what is rare and what `probes`, off by default, add."""
        nodes, pods = _panels(self.topics, NODES), _panels(self.topics, PODS)
        rows = (
            Row("Who has most of it", _running(self.tables, probes)),
            Row(PODS.title, _running(pods, probes)),
            Row(NODES.title, _running(nodes, probes)),
            Row(f"Pods: {self.rarer_title.lower()}", _panels(self.rarer, PODS), collapsed=True),
            Row(f"Nodes: {self.rarer_title.lower()}", _panels(self.rarer, NODES), collapsed=True),
            Row("Nodes: off by default", _switched_off(nodes, probes), collapsed=True),
            Row("Pods: off by default", _switched_off((*self.tables, *pods), probes), collapsed=True),
        )
        return Board(
            slug=self.slug,
            title=f"net-exporter / {self.title}",
            description=self.description,
            rows=tuple(row for row in rows if row.panels),
            probes=self.probes,
        )

    def rows(self, view: View, probes: AbstractSet[str], *, collapsed: bool) -> tuple[Row, ...]:
        """Its rows on the board of a node or a pod, without what `probes` measure; none where nothing is left."""
        rows = (
            Row(self.title, _running(_panels(self.topics, view), probes), collapsed),
            Row(f"{self.title}: {self.rarer_title.lower()}", _panels(self.rarer, view), collapsed=True),
        )
        return tuple(row for row in rows if row.panels)


def _panels(topics: tuple[Topic, ...], view: View) -> tuple[Panel, ...]:
    return tuple(topic.panel(view) for topic in topics if view is NODES or topic.per_pod())


def _running(panels: tuple[Panel, ...], probes: AbstractSet[str]) -> tuple[Panel, ...]:
    return tuple(panel for panel in panels if not optional.needed(panel.metrics, probes))


def _switched_off(panels: tuple[Panel, ...], probes: AbstractSet[str]) -> tuple[Panel, ...]:
    """The panels that need any of the probes, below how to switch them on."""
    found = tuple(panel for panel in panels if optional.needed(panel.metrics, probes))
    return (_how(found, probes), *found) if found else ()


def _how(panels: tuple[Panel, ...], probes: AbstractSet[str]) -> Panel:
    return Panel(
        title="Empty until switched on",
        description="How to have the numbers of this row.",
        form=Form.TEXT,
        text=optional.switch_on(optional.needed((metric for panel in panels for metric in panel.metrics), probes)),
        width=24,
        height=3,
    )


def worst_pods(metric: Metric, title: str, description: str, *steps: Step) -> Panel:
    """The pods with most of a metric: its increase over the time shown, or its value now; none that have nothing."""
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
    """As `worst_pods`, of nodes."""
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
        return Query(topk(SHOWN, view.increase(metric, *keep) > 0), "In the time shown")
    return Query(topk(SHOWN, view.now(metric, *keep) > 0), "Now")
