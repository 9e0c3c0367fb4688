"""Runbooks, one page per alert, the list of alerts, of recorded totals, and the table of thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import alerts
from alerts import thresholds
from alerts.model import Fires
from alerts.rules import GROUPS
from alerts.totals import RULES
from docs.markdown import bullets, code, numbered, page, table
from docs.metrics import anchor
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.model import AlertRule
    from alerts.thresholds import Threshold
    from exporter.model.metric import Naming


def pages(naming: Naming, limits: Mapping[str, float]) -> dict[str, str]:
    """Pages by path."""
    rendering = Rendering(naming, limits=limits)
    written = {f"runbooks/{rule.name}.md": _runbook(rule, rendering) for rule in alerts.rules()}
    written["alerts.md"] = _overview(rendering)
    written["thresholds.md"] = _thresholds(limits)
    return written


def _runbook(rule: AlertRule, rendering: Rendering) -> str:
    keep = f", stays on for {rule.keep} minutes" if rule.keep else ""
    used = dict.fromkeys(rule.condition.metrics)
    cases = [f"{'fires' if isinstance(case, Fires) else 'silent'}: {case.name}" for case in rule.cases]
    return page(
        rule.name,
        f"{rule.summary} Severity {rule.severity.value}; fires after {rule.hold} minutes{keep}.",
        code(rule.condition.render(rendering), "promql"),
        f"## Meaning\n\n{rule.runbook.meaning}",
        f"## Impact\n\n{rule.runbook.impact}",
        f"## Diagnosis\n\n{numbered(rule.runbook.diagnosis)}",
        f"## Mitigation\n\n{bullets(rule.runbook.mitigation)}",
        _limits(rule.thresholds, rendering.limits),
        "## Metrics\n\n"
        + bullets(
            f"[`{metric.name_in(rendering.naming)}`](../metrics/{metric.probe}.md#{anchor(metric)}): {metric.help}"
            for metric in used
        ),
        f"## Tested\n\n{bullets(cases)}",
    )


def _limits(used: tuple[Threshold, ...], limits: Mapping[str, float]) -> str:
    if not used:
        return ""
    rows = [
        (each.name, f"`{each.key}`", _value(each, limits), each.unit, each.source.value, each.reason) for each in used
    ]
    return f"## Thresholds\n\n{table(('limit', 'key', 'value', 'unit', 'source', 'why'), rows)}"


def _value(threshold: Threshold, limits: Mapping[str, float]) -> str:
    value = limits.get(threshold.key, threshold.value)
    declared = "" if value == threshold.value else f" (declared: {threshold.value:,.12g})"
    return f"{value:,.12g}{declared}"


def _overview(rendering: Rendering) -> str:
    parts = []
    for group in GROUPS:
        rows = [
            (
                f"[{rule.name}](runbooks/{rule.name}.md)",
                rule.severity.value,
                f"{rule.hold} min",
                rule.summary,
            )
            for rule in group.rules
        ]
        parts.append(f"## {group.name}\n\n{table(('alert', 'severity', 'for', 'summary'), rows)}")
    recorded = [(f"`{rule.name_in(rendering)}`", f"`{rule.expr.render(rendering)}`") for rule in RULES]
    return page(
        "Alerts",
        "Critical: wake somebody. Warning: look at it in working hours. Info: context for another alert.",
        *parts,
        "## Recorded totals\n\nOver pods only: a packet that crosses a pod's interface is counted again by the host's.",
        table(("series", "expression"), recorded),
    )


def _thresholds(limits: Mapping[str, float]) -> str:
    rows = [
        (
            each.name,
            f"`{each.key}`",
            _value(each, limits),
            each.unit,
            each.source.value,
            each.reason,
            ", ".join(f"[{rule.name}](runbooks/{rule.name}.md)" for rule in alerts.rules() if each in rule.thresholds),
        )
        for each in thresholds.table()
    ]
    return page(
        "Thresholds",
        "To replace some, write a YAML file of keys and numbers and run `generate.py --thresholds FILE`; a ratio of "
        "5 % is `0.05`.",
        table(("limit", "key", "value", "unit", "source", "why", "alerts"), rows),
    )
