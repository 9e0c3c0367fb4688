from __future__ import annotations

import operator
from functools import partial
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import DeclarationError
from exporter.model import promql
from exporter.model.health import PROCESS_CPU, UP
from exporter.model.metric import Identity, Kind, Label, Metric, Naming, Scope, Unit
from exporter.model.promql import HOST, PODS, Expr, Matcher, Rendering

if TYPE_CHECKING:
    from collections.abc import Callable

_metric = partial(Metric, probe="fake", unit=Unit.PACKETS, help="A test.", source="nowhere", scope=Scope.NETNS)
STATE = Label(name="state", help="State.", values=("up", "down"))
OTHER = Label(name="other", help="Other.", budget=4)

DROPS = _metric(name="drops", kind=Kind.COUNTER)
SENT = _metric(name="sent", kind=Kind.COUNTER)
LEVEL = _metric(name="level", kind=Kind.GAUGE)
LIMIT = _metric(name="limit", kind=Kind.GAUGE)
STATES = _metric(name="states", kind=Kind.GAUGE, labels=(STATE,))
NODE_DROPS = _metric(name="nodedrops", kind=Kind.COUNTER, scope=Scope.NODE)
NODE_LIMIT = _metric(name="nodelimit", kind=Kind.GAUGE, scope=Scope.NODE)
POD_FILES = _metric(name="files", kind=Kind.GAUGE, scope=Scope.POD)

OURS, THEIRS = Rendering(Naming.KUBESKOOP), Rendering(Naming.INSPECTOR)
NODE, POD, NAMESPACE = Identity.NODE, Identity.POD, Identity.NAMESPACE


def _render(expr: Expr, rendering: Rendering = OURS) -> str:
    """PromQL text that an independent parser accepts."""
    text = expr.render(rendering)
    promql_parser.parse(text)
    return text


WRITTEN: dict[str, tuple[Expr, str, str]] = {
    "gauge": (promql.gauge(LEVEL), "kubeskoop_fake_level", "inspector_pod_fakelevel"),
    "host": (promql.gauge(LEVEL, HOST), 'kubeskoop_fake_level{k8s_pod=""}', 'inspector_pod_fakelevel{pod=""}'),
    "pods": (promql.gauge(POD_FILES, PODS), 'kubeskoop_fake_files{k8s_pod!=""}', 'inspector_pod_fakefiles{pod!=""}'),
    "label": (
        promql.gauge(STATES, Matcher(STATE, "=~", "up|down"), Matcher(NODE, "!~", "a.*")),
        'kubeskoop_fake_states{state=~"up|down", k8s_node!~"a.*"}',
        'inspector_pod_fakestates{state=~"up|down", node!~"a.*"}',
    ),
    "rate": (promql.rate(DROPS), "rate(kubeskoop_fake_drops[5m])", "rate(inspector_pod_fakedrops[5m])"),
    "rate over": (
        promql.rate(DROPS, window="1h"),
        "rate(kubeskoop_fake_drops[1h])",
        "rate(inspector_pod_fakedrops[1h])",
    ),
    "increase": (
        promql.increase(NODE_DROPS, Matcher(NODE, "=", "n")),
        'increase(kubeskoop_fake_nodedrops{k8s_node="n"}[5m])',
        'increase(inspector_pod_fakenodedrops{node="n"}[5m])',
    ),
    "over time": (
        promql.over_time("max", LEVEL, window="10m"),
        "max_over_time(kubeskoop_fake_level[10m])",
        "max_over_time(inspector_pod_fakelevel[10m])",
    ),
    "deriv": (
        promql.deriv(LEVEL, window="1h"),
        "deriv(kubeskoop_fake_level[1h])",
        "deriv(inspector_pod_fakelevel[1h])",
    ),
    "predict": (
        promql.predict_linear(LEVEL, window="6h", seconds=3600),
        "predict_linear(kubeskoop_fake_level[6h], 3600)",
        "predict_linear(inspector_pod_fakelevel[6h], 3600)",
    ),
    "sum": (promql.total(promql.gauge(LEVEL)), "sum (kubeskoop_fake_level)", "sum (inspector_pod_fakelevel)"),
    "sum by": (
        promql.total(promql.rate(DROPS), NODE, POD),
        "sum by (k8s_node, k8s_pod) (rate(kubeskoop_fake_drops[5m]))",
        "sum by (node, pod) (rate(inspector_pod_fakedrops[5m]))",
    ),
    "max by own label": (
        promql.aggregate("max", promql.gauge(STATES), STATE),
        "max by (state) (kubeskoop_fake_states)",
        "max by (state) (inspector_pod_fakestates)",
    ),
    "topk": (promql.topk(5, promql.gauge(LEVEL)), "topk(5, kubeskoop_fake_level)", "topk(5, inspector_pod_fakelevel)"),
    "clamp": (
        promql.gauge(LEVEL) / promql.clamp_min(promql.gauge(LIMIT), 0.5),
        "kubeskoop_fake_level / clamp_min(kubeskoop_fake_limit, 0.5)",
        "inspector_pod_fakelevel / clamp_min(inspector_pod_fakelimit, 0.5)",
    ),
    "absent": (promql.absent(promql.gauge(UP)), "absent(up)", "absent(up)"),
    "both": (
        (promql.gauge(LEVEL) > 5).both(promql.rate(DROPS) > 0),
        "(kubeskoop_fake_level > 5) and on (k8s_namespace, k8s_node, k8s_pod) (rate(kubeskoop_fake_drops[5m]) > 0)",
        "(inspector_pod_fakelevel > 5) and on (namespace, node, pod) (rate(inspector_pod_fakedrops[5m]) > 0)",
    ),
    "unless, of fewer labels": (
        promql.gauge(LEVEL).unless(promql.gauge(NODE_LIMIT)),
        "kubeskoop_fake_level unless on (k8s_node) kubeskoop_fake_nodelimit",
        "inspector_pod_fakelevel unless on (node) inspector_pod_fakenodelimit",
    ),
    "or": (
        promql.gauge(LEVEL).otherwise(promql.gauge(LIMIT)),
        "kubeskoop_fake_level or on (k8s_namespace, k8s_node, k8s_pod) kubeskoop_fake_limit",
        "inspector_pod_fakelevel or on (namespace, node, pod) inspector_pod_fakelimit",
    ),
    "equals": (promql.gauge(LEVEL).equals(0), "kubeskoop_fake_level == 0", "inspector_pod_fakelevel == 0"),
}


@pytest.mark.parametrize(("expr", "ours", "theirs"), WRITTEN.values(), ids=WRITTEN)
def test_one_query_is_written_in_both_dialects(expr: Expr, ours: str, theirs: str) -> None:
    assert (_render(expr), _render(expr, THEIRS)) == (ours, theirs)


def test_a_rendering_brings_its_window_and_matchers_into_every_selector() -> None:
    rendering = Rendering(Naming.KUBESKOOP, window="$__rate_interval", matchers=('job=~"$job"', 'k8s_node="$node"'))
    expr = promql.total(promql.rate(DROPS, PODS)) / promql.total(promql.rate(SENT, window="1m"))
    assert expr.render(rendering) == (
        'sum (rate(kubeskoop_fake_drops{job=~"$job", k8s_node="$node", k8s_pod!=""}[$__rate_interval]))'
        ' / sum (rate(kubeskoop_fake_sent{job=~"$job", k8s_node="$node"}[1m]))'
    )


# Precedence.


def _tree(node: Any) -> Any:  # noqa: ANN401 - whatever the parser gives
    """The parsed query as nested tuples, parentheses forgotten."""
    match type(node).__name__:
        case "ParenExpr":
            return _tree(node.expr)
        case "BinaryExpr":
            return (str(node.op), _tree(node.lhs), _tree(node.rhs))
        case "NumberLiteral":
            return node.val
        case "VectorSelector":
            return node.name.removeprefix("kubeskoop_fake_")
        case "Call":
            return (node.func.name, node.args[0].vector_selector.name.removeprefix("kubeskoop_fake_"))
    return (str(node.op), _tree(node.expr))


A, B, R = promql.gauge(LEVEL), promql.gauge(LIMIT), promql.rate(DROPS)
NESTED: dict[str, tuple[Expr, Any]] = {
    "sum times": ((A + B) * 2, ("*", ("+", "level", "limit"), 2.0)),
    "times sum": (A * (B + 2), ("*", "level", ("+", "limit", 2.0))),
    "minus minus": (A - (B - R), ("-", "level", ("-", "limit", ("rate", "drops")))),
    "minus then minus": (A - B - R, ("-", ("-", "level", "limit"), ("rate", "drops"))),
    "over over": (A / (B / R), ("/", "level", ("/", "limit", ("rate", "drops")))),
    "share": (
        R / (R + A) * 100 > 5,
        (">", ("*", ("/", ("rate", "drops"), ("+", ("rate", "drops"), "level")), 100.0), 5.0),
    ),
    "two bounds": ((A > 1) < 9, ("<", (">", "level", 1.0), 9.0)),
    "compared sides": ((A + 1) >= (B - 1), (">=", ("+", "level", 1.0), ("-", "limit", 1.0))),
    "and in or": (
        A.both(B).otherwise(R),
        ("or", ("and", "level", "limit"), ("rate", "drops")),
    ),
    "or in and": (A.both(B.otherwise(R)), ("and", "level", ("or", "limit", ("rate", "drops")))),
    "negative number": (A * -1 - -2.5, ("-", ("*", "level", -1.0), -2.5)),
    "top of a comparison, in arithmetic": (
        promql.clamp_min(A + B, 1) * 2,
        ("*", ("clamp_min", "?"), 2.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("expr", "meant"), NESTED.values(), ids=NESTED)
def test_nested_arithmetic_is_parsed_as_it_was_meant(expr: Expr, meant: Any) -> None:  # noqa: ANN401 - nested tuples
    parsed = promql_parser.parse(expr.render(OURS))
    if meant[1] == ("clamp_min", "?"):
        assert (str(parsed.op), parsed.lhs.func.name, str(parsed.lhs.args[0].op)) == ("*", "clamp_min", "+")
        return
    assert _tree(parsed) == meant


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "==": lambda left, right: left.equals(right),
    "and": lambda left, right: left.both(right),
    "or": lambda left, right: left.otherwise(right),
    "unless": lambda left, right: left.unless(right),
}
LEAVES = {"level": A, "limit": B, ("rate", "drops"): R}


@st.composite
def _any_tree(draw: st.DrawFn, depth: int = 4) -> tuple[Expr, Any]:
    """An expression, and what it means."""
    if depth == 0 or draw(st.booleans()):
        meaning = draw(st.sampled_from(list(LEAVES)))
        return LEAVES[meaning], meaning
    left, left_meaning = draw(_any_tree(depth - 1))
    symbol = draw(st.sampled_from(list(OPERATORS)))
    if symbol not in ("and", "or", "unless") and draw(st.booleans()):
        number = draw(st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)))
        return OPERATORS[symbol](left, number), (symbol, left_meaning, float(number))
    right, right_meaning = draw(_any_tree(depth - 1))
    return OPERATORS[symbol](left, right), (symbol, left_meaning, right_meaning)


@given(_any_tree())
def test_any_nesting_is_parsed_as_it_was_meant(made: tuple[Expr, Any]) -> None:
    expr, meant = made
    assert _tree(promql_parser.parse(expr.render(OURS))) == meant


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=8))
def test_a_matcher_s_value_is_read_back_as_it_was(value: str) -> None:
    parsed = promql_parser.parse(promql.gauge(LEVEL, Matcher(POD, "=", value)).render(OURS))
    (matcher,) = parsed.matchers.matchers
    assert (matcher.name, matcher.op, matcher.value) == ("k8s_pod", promql_parser.MatchOp.Equal, value)


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (5, "5"),
        (5.0, "5"),
        (0.1, "0.1"),
        (1 / 3, "0.3333333333333333"),
        (2**40, "1099511627776"),
        (2**40 + 0.5, "1099511627776.5"),
        (1e15, "1e+15"),
        (-1, "-1"),
        (0, "0"),
    ],
)
def test_a_threshold_is_not_rounded(number: float, written: str) -> None:
    level = promql.gauge(LEVEL)
    assert _render(level > number) == f"kubeskoop_fake_level > {written}"


# Matching.


def test_what_was_aggregated_is_matched_with_what_was_not_on_the_labels_both_have() -> None:
    assert _render(promql.gauge(NODE_LIMIT) / promql.total(A, NODE)) == (
        "kubeskoop_fake_nodelimit / on (k8s_node) sum by (k8s_node) (kubeskoop_fake_level)"
    )
    assert _render(promql.total(A, NODE) / promql.total(promql.rate(NODE_DROPS), NODE)) == (
        "sum by (k8s_node) (kubeskoop_fake_level) / sum by (k8s_node) (rate(kubeskoop_fake_nodedrops[5m]))"
    )
    narrowed = promql.gauge(NODE_LIMIT) / promql.total(A, NODE)  # only k8s_node is left of it
    assert _render(narrowed > promql.gauge(NODE_LIMIT)).endswith(") > on (k8s_node) kubeskoop_fake_nodelimit")


def test_what_prometheus_itself_exposes_is_matched_explicitly() -> None:
    expr = promql.total(promql.rate(PROCESS_CPU)) / promql.total(A)
    assert _render(expr) == "sum (rate(process_cpu_seconds_total[5m])) / on () sum (kubeskoop_fake_level)"


def test_an_expression_knows_the_metrics_it_reads_and_the_labels_it_has() -> None:
    expr = promql.total(R / (R + A), NODE)
    assert (expr.metrics, expr.labels) == ((DROPS, DROPS, LEVEL), frozenset({NODE}))
    assert (A > 5).labels == A.labels == frozenset({NODE, NAMESPACE, POD})
    assert promql.gauge(STATES).labels == frozenset({NODE, NAMESPACE, POD, STATE})
    assert promql.gauge(NODE_LIMIT).labels == frozenset({NODE})
    assert promql.absent(A).labels == frozenset()


# Refusals.

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a raw counter": (lambda: promql.gauge(DROPS), "fake.drops is a counter: use rate() or increase()"),
    "the rate of a gauge": (lambda: promql.rate(LEVEL), "fake.level is a gauge, this needs a counter"),
    "the increase of a gauge": (lambda: promql.increase(LEVEL), "fake.level is a gauge, this needs a counter"),
    "the slope of a counter": (lambda: promql.deriv(DROPS, window="1h"), "fake.drops is a counter, this needs a gauge"),
    "the trend of a counter": (
        lambda: promql.predict_linear(DROPS, window="1h", seconds=1),
        "fake.drops is a counter, this needs a gauge",
    ),
    "the maximum of a counter": (
        lambda: promql.over_time("max", DROPS, window="1h"),
        "fake.drops is a counter, this needs a gauge",
    ),
    "a matcher on a label that is not there": (
        lambda: promql.gauge(LEVEL, Matcher(STATE, "=", "up")),
        (
            "a matcher over fake.level names label state, which it does not have "
            "(it has {namespace, node, pod}; a node-wide number has no pod)"
        ),
    ),
    "a node-wide number of one pod": (
        lambda: promql.rate(NODE_DROPS, Matcher(POD, "=", "web")),
        (
            "a matcher over fake.nodedrops names label pod, which it does not have "
            "(it has {node}; a node-wide number has no pod)"
        ),
    ),
    "a node-wide number by pod": (
        lambda: promql.total(promql.gauge(NODE_LIMIT), POD),
        (
            "sum over fake.nodelimit names label pod, which it does not have "
            "(it has {node}; a node-wide number has no pod)"
        ),
    ),
    "the netns label, which one dialect lacks": (
        lambda: promql.total(A, Identity.NETNS),
        (
            "sum over fake.level names label netns, which it does not have "
            "(it has {namespace, node, pod}; a node-wide number has no pod)"
        ),
    ),
    "identity labels of what is not ours": (
        lambda: promql.gauge(UP, HOST),
        (
            "a matcher over exporter.up names label pod, which it does not have "
            "(it has {instance, job}; a node-wide number has no pod)"
        ),
    ),
    "a label that was summed away": (
        lambda: promql.total(promql.total(A, NODE), POD),
        "sum over fake.level names label pod, which it does not have (it has {node}; a node-wide number has no pod)",
    ),
    "arithmetic between differing labels": (
        lambda: A / promql.gauge(NODE_LIMIT),
        (
            "fake.level / fake.nodelimit: label sets differ, {namespace, node, pod} and {node}; "
            "aggregate both to the same labels"
        ),
    ),
    "a comparison between differing labels": (
        lambda: promql.gauge(STATES) > A,
        (
            "fake.states > fake.level: label sets differ, {namespace, node, pod, state} and {namespace, node, pod}; "
            "aggregate both to the same labels"
        ),
    ),
    "a set of what has nothing in common": (
        lambda: promql.total(promql.gauge(STATES), STATE).both(promql.total(A, NODE)),
        "fake.states and fake.level: no common label set",
    ),
}


@pytest.mark.parametrize(("build", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_query_that_makes_no_sense_cannot_be_built(build: Callable[[], Any], reason: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        build()
    assert str(raised.value) == reason


LATENCY = Metric(
    probe="test",
    name="latency_seconds",
    kind=Kind.HISTOGRAM,
    unit=Unit.SECONDS,
    help="How long it took.",
    scope=Scope.NETNS,
    source="a test",
    buckets=(0.001, 1.0),
)


def test_a_quantile_keeps_the_bounds_and_the_labels_named() -> None:
    expr = promql.quantile(0.99, LATENCY, Matcher(POD, "=", "web"), by=(POD,))
    rendered = expr.render(OURS)
    assert rendered == (
        "histogram_quantile(0.99, sum by (le, k8s_pod) "
        '(rate(kubeskoop_test_latency_seconds_bucket{k8s_pod="web"}[5m])))'
    )
    assert (expr.labels, expr.metrics) == (frozenset({POD}), (LATENCY,))
    promql_parser.parse(rendered)


def test_a_quantile_of_anything_but_a_histogram_and_the_rate_of_one_are_refused() -> None:
    with pytest.raises(DeclarationError, match="a quantile needs a histogram"):
        promql.quantile(0.5, LEVEL)
    with pytest.raises(DeclarationError, match="is a histogram, this needs a counter"):
        promql.rate(LATENCY)
    with pytest.raises(DeclarationError, match="names label"):
        promql.quantile(0.5, LATENCY, by=(Label(name="nowhere", help="Not there."),))
