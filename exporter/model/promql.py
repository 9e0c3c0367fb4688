"""PromQL as values over Metric objects: a query that makes no sense cannot be built.

Refused while building, with `DeclarationError`: the rate of a gauge, a raw counter, a label that the metric does
not have, a node-wide number summed or filtered by pod, and arithmetic between differing label sets.

An expression is a tree that is rendered for one dialect, so the same query serves both families of names.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from exporter.errors import DeclarationError
from exporter.model.metric import Identity, Kind, Label, Metric, Naming, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LabelKey: TypeAlias = Identity | Label

_IDENTITY_OF_SCOPE = {
    Scope.NODE: frozenset({Identity.NODE}),
    Scope.NETNS: frozenset({Identity.NODE, Identity.NAMESPACE, Identity.POD}),
    Scope.POD: frozenset({Identity.NODE, Identity.NAMESPACE, Identity.POD}),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A number to compare with that has a name, by which who writes the query may replace it.

    Args:
        key: its name, in camel case.
        value: the number unless it is replaced.
    """

    key: str
    value: float


@dataclass(frozen=True, slots=True)
class Rendering:
    """How to write an expression down.

    Args:
        naming: dialect of metric and label names.
        window: range of rate() and increase() where the expression gives none, for example `$__rate_interval`.
        matchers: label matchers put into every selector, for example `job=~"$job"`.
        limits: numbers that replace those of limits, by key.
    """

    naming: Naming
    window: str = "5m"
    matchers: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    def label(self, key: LabelKey) -> str:
        """Label name of a key in this dialect."""
        return key.name_in(self.naming) if isinstance(key, Identity) else key.name

    def name(self, metric: Metric) -> str:
        """Name of a metric in this dialect."""
        return metric.name_in(self.naming)

    def selector(self, name: str, inside: str) -> str:
        """An instant selector of a name, with matchers or without any."""
        matchers = ", ".join(filter(None, (*self.matchers, inside)))
        return f"{name}{{{matchers}}}" if matchers else name

    def limit(self, limit: Limit) -> str:
        """The number to compare with."""
        return _number(self.limits.get(limit.key, limit.value))


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; `operator` is =, !=, =~ or !~."""

    key: LabelKey
    operator: str
    value: str

    def render(self, rendering: Rendering) -> str:
        """As in a selector."""
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{rendering.label(self.key)}{self.operator}"{escaped}"'


HOST = Matcher(Identity.POD, "=", "")  # the node's own series
BOUND = Label(name="le", help="Upper bound of a histogram's bucket.")  # a label of its series, not of its declaration
PODS = Matcher(Identity.POD, "!=", "")  # all but the node's own


@dataclass(frozen=True, slots=True)
class Expr:
    """An instant vector.

    Args:
        write: renders it.
        labels: label keys its series carry.
        metrics: every metric it reads, for the index and the documents.
        atom: whether it may stand in arithmetic without parentheses.
        bare: whether its series carry only `labels`, not also those that scraping adds, such as job and instance.
    """

    write: Callable[[Rendering], str]
    labels: frozenset[LabelKey]
    metrics: tuple[Metric, ...]
    atom: bool = True
    bare: bool = False

    def render(self, rendering: Rendering) -> str:
        """PromQL text."""
        return self.write(rendering)

    def atomic(self, rendering: Rendering) -> str:
        """PromQL text that may stand in arithmetic."""
        return self.write(rendering) if self.atom else f"({self.write(rendering)})"

    def _with(self, operator: str, other: Expr | Limit | float, *, set_operator: bool = False) -> Expr:
        if isinstance(other, Limit):
            return replace(self, write=lambda r: f"{self.atomic(r)} {operator} {r.limit(other)}", atom=False)
        if not isinstance(other, Expr):
            number = _number(other)
            return replace(self, write=lambda r: f"{self.atomic(r)} {operator} {number}", atom=False)
        if self.labels != other.labels and not set_operator:
            raise DeclarationError(
                f"{_names(self.metrics)} {operator} {_names(other.metrics)}: label sets differ, "
                f"{_keys(self.labels)} and {_keys(other.labels)}; aggregate both to the same labels"
            )
        if set_operator and not other.labels <= self.labels and not self.labels <= other.labels:
            raise DeclarationError(f"{_names(self.metrics)} {operator} {_names(other.metrics)}: no common label set")

        shared = tuple(sorted(self.labels & other.labels, key=_order))
        mixed = self.bare != other.bare or _scope_mix(self.metrics, other.metrics)
        explicit = set_operator or mixed

        def write(rendering: Rendering) -> str:
            on = f" on ({', '.join(map(rendering.label, shared))})" if explicit else ""
            return f"{self.atomic(rendering)} {operator}{on} {other.atomic(rendering)}"

        # Matching on named labels leaves only those, except in set operations.
        bare = self.bare or (mixed and not set_operator)
        return Expr(write, self.labels, (*self.metrics, *other.metrics), atom=False, bare=bare)

    def __add__(self, other: Expr | float) -> Expr:
        return self._with("+", other)

    def __sub__(self, other: Expr | float) -> Expr:
        return self._with("-", other)

    def __mul__(self, other: Expr | float) -> Expr:
        return self._with("*", other)

    def __truediv__(self, other: Expr | float) -> Expr:
        return self._with("/", other)

    def __gt__(self, other: Expr | Limit | float) -> Expr:
        return self._with(">", other)

    def __lt__(self, other: Expr | Limit | float) -> Expr:
        return self._with("<", other)

    def __ge__(self, other: Expr | Limit | float) -> Expr:
        return self._with(">=", other)

    def equals(self, other: Expr | float) -> Expr:
        """Keep the series that equal; a method because == compares declarations."""
        return self._with("==", other)

    def both(self, other: Expr) -> Expr:
        """`and`: keep what the other side has too."""
        return self._with("and", other, set_operator=True)

    def unless(self, other: Expr) -> Expr:
        """`unless`: keep what the other side lacks."""
        return self._with("unless", other, set_operator=True)

    def otherwise(self, other: Expr) -> Expr:
        """`or`: fill in from the other side."""
        return self._with("or", other, set_operator=True)


def gauge(metric: Metric, *matchers: Matcher) -> Expr:
    """The value now. Refuses a counter, whose raw value says only how long ago it started."""
    if metric.kind is not Kind.GAUGE:
        raise DeclarationError(f"{metric.probe}.{metric.name} is a counter: use rate() or increase()")
    return _selector(metric, matchers)


def rate(metric: Metric, *matchers: Matcher, window: str = "") -> Expr:
    """Increase per second. Refuses a gauge."""
    return _ranged("rate", metric, matchers, window, Kind.COUNTER)


def increase(metric: Metric, *matchers: Matcher, window: str = "") -> Expr:
    """Increase over the window. Refuses a gauge."""
    return _ranged("increase", metric, matchers, window, Kind.COUNTER)


def over_time(function: str, metric: Metric, *matchers: Matcher, window: str) -> Expr:
    """`min`, `max`, `avg`, `last` or `count` of a gauge over a window."""
    return _ranged(f"{function}_over_time", metric, matchers, window, Kind.GAUGE)


def deriv(metric: Metric, *matchers: Matcher, window: str) -> Expr:
    """Slope per second of a gauge."""
    return _ranged("deriv", metric, matchers, window, Kind.GAUGE)


def predict_linear(metric: Metric, *matchers: Matcher, window: str, seconds: int) -> Expr:
    """Where a gauge's trend leads in so many seconds."""
    ranged = _range(metric, matchers, window, Kind.GAUGE)
    return Expr(lambda r: f"predict_linear({ranged(r)}, {seconds})", _labels(metric), (metric,))


def quantile(share: float, metric: Metric, *matchers: Matcher, by: tuple[LabelKey, ...] = (), window: str = "") -> Expr:
    """The value that so large a share of a histogram's observations stays below, by the labels named."""
    if metric.kind is not Kind.HISTOGRAM:
        raise DeclarationError(f"{metric.probe}.{metric.name} is a {metric.kind.value}, a quantile needs a histogram")
    _require(_selector(metric, matchers), by, "a quantile")

    def write(rendering: Rendering) -> str:
        labels = ", ".join(("le", *map(rendering.label, by)))
        buckets = f"{_select(metric, matchers, rendering, '_bucket')}[{window or rendering.window}]"
        return f"histogram_quantile({_number(share)}, sum by ({labels}) (rate({buckets})))"

    return Expr(write, frozenset(by), (metric,))


def buckets(metric: Metric, *matchers: Matcher, window: str = "") -> Expr:
    """Observations per second in each bucket of a histogram, cumulative as Prometheus keeps them, by upper bound."""
    if metric.kind is not Kind.HISTOGRAM:
        raise DeclarationError(f"{metric.probe}.{metric.name} is a {metric.kind.value}, buckets need a histogram")
    _require(_selector(metric, matchers), (), "buckets")

    def write(rendering: Rendering) -> str:
        selected = _select(metric, matchers, rendering, "_bucket")
        return f"sum by (le) (rate({selected}[{window or rendering.window}]))"

    return Expr(write, frozenset({BOUND}), (metric,), bare=True)


def total(expr: Expr, *by: LabelKey) -> Expr:
    """`sum`, keeping the labels named."""
    return aggregate("sum", expr, *by)


def aggregate(function: str, expr: Expr, *by: LabelKey) -> Expr:
    """`sum`, `min`, `max`, `avg` or `count`, keeping the labels named; each must exist on the expression."""
    _require(expr, by, function)

    def write(rendering: Rendering) -> str:
        labels = f" by ({', '.join(map(rendering.label, by))})" if by else ""
        return f"{function}{labels} ({expr.render(rendering)})"

    return Expr(write, frozenset(by), expr.metrics, bare=True)


def topk(count: int, expr: Expr) -> Expr:
    """The largest series."""
    return replace(expr, write=lambda r: f"topk({count}, {expr.render(r)})", atom=True)


def clamp_min(expr: Expr, least: float) -> Expr:
    """At least so much; keeps a denominator away from zero."""
    return replace(expr, write=lambda r: f"clamp_min({expr.render(r)}, {_number(least)})", atom=True)


def reaches(expr: Expr, limit: float) -> Expr:
    """1 for a series at the limit or above it, 0 for any other: so they can be counted."""
    return replace(expr, write=lambda r: f"({expr.atomic(r)} >= bool {_number(limit)})", atom=True)


def absent(expr: Expr) -> Expr:
    """1 when the expression has no series at all."""
    return Expr(lambda r: f"absent({expr.render(r)})", frozenset(), expr.metrics, bare=True)


def _selector(metric: Metric, matchers: tuple[Matcher, ...]) -> Expr:
    expr = Expr(lambda r: _select(metric, matchers, r), _labels(metric), (metric,))
    _require(expr, tuple(matcher.key for matcher in matchers), "a matcher")
    return expr


def _ranged(function: str, metric: Metric, matchers: tuple[Matcher, ...], window: str, kind: Kind) -> Expr:
    ranged = _range(metric, matchers, window, kind)
    return Expr(lambda r: f"{function}({ranged(r)})", _labels(metric), (metric,))


def _range(metric: Metric, matchers: tuple[Matcher, ...], window: str, kind: Kind) -> Callable[[Rendering], str]:
    if metric.kind is not kind:
        raise DeclarationError(f"{metric.probe}.{metric.name} is a {metric.kind.value}, this needs a {kind.value}")
    selector = _selector(metric, matchers)
    return lambda r: f"{selector.render(r)}[{window or r.window}]"


def _select(metric: Metric, matchers: tuple[Matcher, ...], rendering: Rendering, suffix: str = "") -> str:
    inside = ", ".join(matcher.render(rendering) for matcher in matchers)
    return rendering.selector(rendering.name(metric) + suffix, inside)


def _labels(metric: Metric) -> frozenset[LabelKey]:
    identity: frozenset[LabelKey] = frozenset() if metric.external else frozenset(_IDENTITY_OF_SCOPE[metric.scope])
    return identity | frozenset(metric.labels)


def _require(expr: Expr, keys: tuple[LabelKey, ...], what: str) -> None:
    for key in keys:
        if key not in expr.labels:
            name = key.value if isinstance(key, Identity) else key.name
            raise DeclarationError(
                f"{what} over {_names(expr.metrics)} names label {name}, which it does not have "
                f"(it has {_keys(expr.labels)}; a node-wide number has no pod)"
            )


def _number(value: float) -> str:
    """Twelve digits where they say it all, as many as it takes otherwise."""
    short = format(value, ".12g")
    return short if float(short) == value else repr(value)


def _scope_mix(left: tuple[Metric, ...], right: tuple[Metric, ...]) -> bool:
    """Scraped labels such as job and instance match anyway; only external metrics lack the identity labels."""
    return any(metric.external for metric in left) != any(metric.external for metric in right)


def _order(key: LabelKey) -> str:
    return key.value if isinstance(key, Identity) else key.name


def _keys(keys: frozenset[LabelKey]) -> str:
    return "{" + ", ".join(sorted(map(_order, keys))) + "}"


def _names(metrics: tuple[Metric, ...]) -> str:
    return " and ".join(f"{metric.probe}.{metric.name}" for metric in metrics)
