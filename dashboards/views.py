"""The same subject seen twice: the nodes' own numbers, and those of the pods that are selected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dashboards import units
from dashboards.panel import Form, Link, Panel, Query, Step
from exporter.errors import DeclarationError
from exporter.model.metric import Identity, Kind, Label, Metric, Scope
from exporter.model.promql import (
    BOUND,
    HOST,
    Expr,
    LabelKey,
    Matcher,
    buckets,
    clamp_min,
    gauge,
    increase,
    quantile,
    rate,
    topk,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.units import Show

SHOWN = 10  # series per query of a pod panel: more lines than that nobody can tell apart
_SHOWN_ON_NODES = 20  # as above, for series of devices, caches and the like
SLOW = 0.99  # share of a histogram's observations that its panel shows the limit of
_SHARES = (0.5, 0.9, 0.99, 0.999)  # quantiles drawn beside a heatmap
_IDLE = 0.001  # events per second below which a share of them says nothing

ON_NODE = Matcher(Identity.NODE, "=~", "$node")
IN_NAMESPACE = Matcher(Identity.NAMESPACE, "=~", "$namespace")
OF_POD = Matcher(Identity.POD, "=~", "$pod")

TO_POD = Link("Pod in detail", "pod", (Identity.NODE, Identity.NAMESPACE, Identity.POD))
TO_NODE = Link("Node in detail", "node", (Identity.NODE,))


@dataclass(frozen=True, slots=True)
class View:
    """Whose series are taken, and what tells them apart.

    Args:
        title: heading of its row.
        matchers: for metrics that exist per namespace or pod.
        by: identity labels kept.
        prefix: start of each legend.
        link: where a click leads.
        limit: how many series each query shows; 0 for all.
    """

    title: str
    matchers: tuple[Matcher, ...]
    by: tuple[Identity, ...]
    prefix: str
    link: Link
    limit: int = 0

    def has(self, metric: Metric) -> bool:
        """Whether the metric exists here: a node-wide number belongs to no pod."""
        return metric.scope is not Scope.NODE or Identity.POD not in self.by

    def rate(self, metric: Metric, *keep: LabelKey, only: tuple[Matcher, ...] = ()) -> Expr:
        """Per second, summed over all labels but the view's own and those to keep."""
        found = total(rate(metric, *self._matchers(metric), *only), *self.by, *keep)
        scale = units.SCALE.get(metric.unit)
        return found * scale if scale else found

    def increase(self, metric: Metric, *keep: LabelKey, only: tuple[Matcher, ...] = ()) -> Expr:
        """Growth over the time range that the dashboard shows."""
        return total(increase(metric, *self._matchers(metric), *only, window="$__range"), *self.by, *keep)

    def now(self, metric: Metric, *keep: LabelKey, only: tuple[Matcher, ...] = ()) -> Expr:
        """A gauge, summed over all labels but the view's own and those to keep."""
        return total(gauge(metric, *self._matchers(metric), *only), *self.by, *keep)

    def value(self, metric: Metric, *keep: LabelKey, only: tuple[Matcher, ...] = ()) -> Expr:
        """What a metric of its kind is drawn as."""
        if metric.kind is Kind.HISTOGRAM:
            return quantile(SLOW, metric, *self._matchers(metric), *only, by=(*self.by, *keep))
        return (self.rate if metric.kind is Kind.COUNTER else self.now)(metric, *keep, only=only)

    def quantile(self, share: float, metric: Metric) -> Expr:
        """What so large a share of a histogram's observations stays below, all of the view together."""
        return quantile(share, metric, *self._matchers(metric))

    def buckets(self, metric: Metric) -> Expr:
        """How a histogram's observations spread, all of the view together."""
        return buckets(metric, *self._matchers(metric))

    def share(self, part: Expr, whole: Expr) -> Expr:
        """A ratio that is 0, not a gap, while nothing happens."""
        return part / clamp_min(whole, _IDLE)

    def limited(self, expr: Expr) -> Expr:
        """The largest series only, where there may be many: of pods, and of anything with labels of its own."""
        limit = self.limit or (0 if expr.labels == set(self.by) else _SHOWN_ON_NODES)
        return topk(limit, expr) if limit else expr

    def _matchers(self, metric: Metric) -> tuple[Matcher, ...]:
        if metric.external:
            return ()
        if metric.scope is not Scope.NODE:
            return self.matchers
        if not self.has(metric):
            raise DeclarationError(f"{metric.probe}.{metric.name} is node-wide: no pod has it")
        return (ON_NODE,)


NODES = View("Nodes (host namespace)", (HOST, ON_NODE), (Identity.NODE,), "{node}", TO_NODE)
HOSTS = View(
    "Nodes beside pods", (HOST, ON_NODE), (Identity.NODE, Identity.NAMESPACE, Identity.POD), "{node}", TO_NODE
)  # the nodes' own series with the labels that pods have
PODS = View(
    f"Pods (the {SHOWN} largest of those selected)",
    (ON_NODE, IN_NAMESPACE, OF_POD),
    (Identity.NODE, Identity.NAMESPACE, Identity.POD),
    "{namespace}/{pod}",
    TO_POD,
    limit=SHOWN,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One query of a topic, yet without a view.

    Args:
        words: end of the legend.
        of: gives the expression in a view.
    """

    words: str
    of: Callable[[View], Expr]


@dataclass(frozen=True, slots=True)
class Topic:
    """A panel without a view: drawn for nodes, and for pods where its metrics exist there.

    Args:
        title: of the panel.
        description: what it shows and what a rise means.
        unit: of all lines.
        lines: what is drawn.
        steps: thresholds.
        maximum: upper end of the scale.
        form: how it draws.
        whole: whether its lines are of all nodes or pods selected together.
    """

    title: str
    description: str
    unit: Show
    lines: tuple[Line, ...]
    steps: tuple[Step, ...] = ()
    maximum: float | None = None
    form: Form = Form.TIMESERIES
    whole: bool = False

    def per_pod(self) -> bool:
        """Whether pods have all it needs."""
        return all(PODS.has(metric) for line in self.lines for metric in line.of(NODES).metrics)

    def panel(self, view: View) -> Panel:
        """As drawn in one view."""
        if self.whole:
            queries = tuple(Query(line.of(view), line.words) for line in self.lines)
        else:
            queries = tuple(
                Query(view.limited(line.of(view)), f"{view.prefix} {line.words}".strip()) for line in self.lines
            )
        return Panel(
            title=self.title,
            description=self.description,
            form=self.form,
            queries=queries,
            unit=self.unit,
            steps=self.steps,
            maximum=self.maximum,
            links=() if self.whole else (view.link,),
        )


def line(metric: Metric, words: str, *keep: LabelKey, only: tuple[Matcher, ...] = ()) -> Line:
    """A metric: its rate if it is a counter, else its value."""
    return Line(words, lambda view: view.value(metric, *keep, only=only))


def topic(
    title: str,
    description: str,
    *drawn: tuple[Metric, str],
    steps: tuple[Step, ...] = (),
    keep: tuple[Label, ...] = (),
) -> Topic:
    """Metrics of one unit side by side, by the labels to keep. Raises DeclarationError when their units differ."""
    shown = {units.of(metric) for metric, _ in drawn}
    if len(shown) != 1:
        raise DeclarationError(f"panel {title!r} mixes units {sorted(unit.value for unit in shown)}")
    prefix = "".join(f"{{{label.name}}} " for label in keep)
    lines = tuple(line(metric, f"{prefix}{words}".strip(), *keep) for metric, words in drawn)
    return Topic(title, description, shown.pop(), lines, steps)


def spread(metric: Metric, title: str, description: str, *steps: Step) -> tuple[Topic, Topic]:
    """A histogram in two panels: a heatmap of its buckets, and the limits that shares of its observations keep."""
    shown = units.of(metric)
    lines = tuple(Line(f"{part * 100:g}%", partial(View.quantile, share=part, metric=metric)) for part in _SHARES)
    return (
        Topic(
            title,
            f"{description} The darker a cell, the more observations; two bands are two kinds of paths or peers.",
            shown,
            (Line(f"{{{BOUND.name}}}", lambda view: view.buckets(metric)),),
            form=Form.HEATMAP,
            whole=True,
        ),
        Topic(
            f"{title}: quantiles",
            f"{description} Half, 90%, 99% and 99.9% stay below; where only the last rise a few are slow, not all.",
            shown,
            lines,
            steps,
            whole=True,
        ),
    )


def label_of(metric: Metric, name: str) -> Label:
    """A label of a metric by name. Raises DeclarationError when it has none of that name."""
    for label in metric.labels:
        if label.name == name:
            return label
    raise DeclarationError(f"{metric.probe}.{metric.name} has no label {name!r}")


def share(title: str, description: str, part: Metric, whole: Metric, steps: tuple[Step, ...] = ()) -> Topic:
    """How much of one counter is another."""
    one = Line("", lambda view: view.share(view.rate(part), view.rate(whole)))
    return Topic(title, description, units.Show.SHARE, (one,), steps)
