"""The choices at the head of a board, derived from what its queries are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model import health
from exporter.model.metric import Identity, Metric, Naming, Scope
from exporter.model.promql import Matcher, Rendering

if TYPE_CHECKING:
    from dashboards.panel import Board

SCRAPED = ('job=~"$job"', 'instance=~"$instance"')  # labels that Prometheus adds, in every selector


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice whose values are those of a label.

    Args:
        name: as in `$name`.
        label: as shown.
        query: Grafana's `label_values(...)`.
        whole: whether it stands at "All" at first. Else it takes the first value: `up` of all jobs would be that of
            everything Prometheus scrapes.
    """

    name: str
    label: str
    query: str
    whole: bool = True


def of(board: Board, naming: Naming) -> tuple[Variable, ...]:
    """Variables of a board, each depending on those before it; pods only where its metrics have any."""
    own = health.BUILD_INFO
    found = [
        Variable("job", "Job", _label_values(own, "job", naming, ()), whole=False),
        Variable("instance", "Instance", _label_values(own, "instance", naming, SCRAPED[:1])),
    ]
    metrics = [metric for panel in board.panels() for metric in panel.metrics]
    anchor = next((metric for metric in metrics if metric.scope is not Scope.NODE), None)
    if any(not metric.external for metric in metrics):
        found.append(_identity(Identity.NODE, "Node", own, naming, ()))
    if anchor is not None and _asks_for_pods(board, naming):
        inside = (Matcher(Identity.NODE, "=~", "$node"), Matcher(Identity.NAMESPACE, "!=", ""))
        found.append(_identity(Identity.NAMESPACE, "Namespace", anchor, naming, inside))
        chosen = (Matcher(Identity.NODE, "=~", "$node"), Matcher(Identity.NAMESPACE, "=~", "$namespace"))
        found.append(_identity(Identity.POD, "Pod", anchor, naming, (*chosen, Matcher(Identity.POD, "!=", ""))))
    return tuple(found)


def _asks_for_pods(board: Board, naming: Naming) -> bool:
    rendering = Rendering(naming)
    return any("$pod" in query.expr.render(rendering) for panel in board.panels() for query in panel.queries)


def _identity(key: Identity, label: str, metric: Metric, naming: Naming, matchers: tuple[Matcher, ...]) -> Variable:
    written = (*SCRAPED, *(matcher.render(Rendering(naming)) for matcher in matchers))
    return Variable(key.value, label, _label_values(metric, key.name_in(naming), naming, written))


def _label_values(metric: Metric, label: str, naming: Naming, matchers: tuple[str, ...]) -> str:
    inside = f"{{{', '.join(matchers)}}}" if matchers else ""
    return f"label_values({metric.name_in(naming)}{inside}, {label})"
