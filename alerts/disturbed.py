"""Further tests for promtool, made from the declared cases: what happens to series and is no trouble of the network.

An exporter restarts and its counters begin anew; a pod comes and its series begin at any number; a target goes and
its series end. None of this may set off an alert, end one that is right, or keep one on for ever.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alerts import notation
from alerts.casefile import SLACK, check, document, inputs
from alerts.model import Fires, Silent
from exporter.model.metric import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alerts.model import AlertRule, Group, Series
    from exporter.model.promql import Rendering

AFTER = 1  # minutes between what must be so and what disturbs it
LATE = 3  # minutes without the series that comes late; less than any hold of an alert on absence
MANY = 1_000_000  # where a counter stands when its series begins
_RANGE = re.compile(r"\[(\d+)([mh])\]")
_MINUTES = {"m": 1, "h": 60}


def tests(group: Group, rule_file: str, rendering: Rendering) -> dict[str, Any]:
    """Test file for one group of alerts."""
    return document(rule_file, [test for rule in group.rules for test in _of(rule, rendering)])


def _of(rule: AlertRule, rendering: Rendering) -> Iterator[dict[str, Any]]:
    firing = [case for case in rule.cases if isinstance(case, Fires)]
    silent = [case for case in rule.cases if isinstance(case, Silent)]
    fires = firing[0].since + rule.hold
    if _counters(firing[0].series):
        after = fires + AFTER
        series = _reset(firing[0].series, after, after + AFTER)
        yield _test(rule, f"{firing[0].name}, counters begin anew", series, rendering, on=(after, after + AFTER))
    for case in silent:
        at = case.at or rule.hold + SLACK
        if _counters(case.series):
            series = _reset(case.series, at - rule.hold, at + AFTER)
            off = (at - rule.hold + 1, at, at + 1)
            yield _test(rule, f"{case.name}, counters begin anew", series, rendering, off=off)
        series = _late(case.series)
        yield _test(rule, f"{case.name}, in series that come late", series, rendering, off=(LATE + 1, LATE + at))
    if rule.on_absence:
        series = _ended(silent[0].series, AFTER)
        # Samples are believed for five minutes unless their end is marked, which it is here.
        yield _test(rule, "the target goes", series, rendering, on=(AFTER + rule.hold,))
    else:
        series = _ended(firing[0].series, fires + AFTER)
        gone = fires + AFTER + rule.keep + _longest_range(rule, rendering) + 1
        yield _test(rule, f"{firing[0].name}, then the target goes", series, rendering, on=(fires,), off=(gone,))


def _test(  # noqa: PLR0913 -- what a test of promtool has
    rule: AlertRule,
    name: str,
    series: Sequence[Series],
    rendering: Rendering,
    *,
    on: Sequence[int] = (),
    off: Sequence[int] = (),
) -> dict[str, Any]:
    firing = f'count(ALERTS{{alertname="{rule.name}", alertstate="firing"}})'
    return {
        "name": f"{rule.name}: {name}",
        "interval": "1m",
        "input_series": inputs(series, rendering),
        "alert_rule_test": [check(rule, minute, []) for minute in off],
        "promql_expr_test": [
            {"expr": firing, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": 1}]} for minute in on
        ],
    }


def _counters(series: Sequence[Series]) -> bool:
    return any(each.metric.kind is Kind.COUNTER for each in series)


def _reset(series: Sequence[Series], at: int, until: int) -> tuple[Series, ...]:
    """Counters begin anew at a minute and go on as before."""
    return tuple(
        replace(each, values=notation.write(_begun_anew(_longer(notation.read(each.values), until), at)))
        if each.metric.kind is Kind.COUNTER
        else replace(each, values=notation.write(_longer(notation.read(each.values), until)))
        for each in series
    )


def _begun_anew(values: list[float | None], at: int) -> list[float | None]:
    base = values[at] or 0
    return [value if value is None or minute < at else value - base for minute, value in enumerate(values)]


def _longer(values: list[float | None], until: int) -> list[float | None]:
    """Gone on with at the last pace."""
    *_, before, last = values
    step = 0 if before is None or last is None else last - before
    more = [None if last is None else last + step * number for number in range(1, until + 2 - len(values))]
    return values + more


def _late(series: Sequence[Series]) -> tuple[Series, ...]:
    return tuple(
        replace(each, values=notation.write([None] * LATE + _moved(notation.read(each.values), each.metric.kind)))
        for each in series
    )


def _moved(values: list[float | None], kind: Kind) -> list[float | None]:
    known = [value for value in values if value is not None]
    # A counter that begins anew in the case itself does so from what it had, not from many more.
    offset = MANY if kind is Kind.COUNTER and known == sorted(known) else 0
    return [None if value is None else value + offset for value in values]


def _ended(series: Sequence[Series], at: int) -> tuple[Series, ...]:
    return tuple(
        replace(each, values=f"{notation.write(_longer(notation.read(each.values), at)[:at])} {notation.STALE}")
        for each in series
    )


def _longest_range(rule: AlertRule, rendering: Rendering) -> int:
    ranges = _RANGE.findall(rule.condition.render(rendering))
    return max((int(number) * _MINUTES[unit] for number, unit in ranges), default=0)
