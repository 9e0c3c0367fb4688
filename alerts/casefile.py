"""Test files for `promtool test rules`, made from the cases that rules declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.model import POD_KEYS, Fires
from alerts.words import texts
from exporter.model.health import INSTANCE_LABEL, JOB_LABEL
from exporter.model.metric import Identity, Naming, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.model import AlertRule, Group, Series, Silent
    from alerts.recording import Recording
    from alerts.words import Links
    from exporter.model.metric import Metric
    from exporter.model.promql import LabelKey, Rendering

SLACK = 10  # minutes after the hold at which a silent case is looked at
NETNS_INODE = "ns4026532001"

# Who a series is about unless the case says otherwise.
DEFAULTS: dict[LabelKey, str] = {
    Identity.NODE: "node-a",
    Identity.NAMESPACE: "shop",
    Identity.POD: "web-0",
    JOB_LABEL: "net-exporter",
    INSTANCE_LABEL: "node-a",
}


def alert_tests(group: Group, rule_file: str, rendering: Rendering, links: Links) -> dict[str, Any]:
    """Test file for one group of alerts."""
    return document(
        rule_file,
        [_alert_test(rule, case, rendering, links) for rule in group.rules for case in rule.cases],
    )


def recording_tests(rules: Sequence[Recording], rule_file: str, rendering: Rendering) -> dict[str, Any]:
    """Test file for the recording rules."""
    return document(rule_file, [_recording_test(rule, rendering) for rule in rules])


def document(rule_file: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """Whole test file."""
    return {"rule_files": [rule_file], "evaluation_interval": "1m", "tests": tests}


def _alert_test(rule: AlertRule, case: Fires | Silent, rendering: Rendering, links: Links) -> dict[str, Any]:
    if isinstance(case, Fires):
        fires = case.since + rule.hold
        checks = [check(rule, fires - 1, []), check(rule, fires, [_expected(rule, case, rendering, links)])]
    else:
        checks = [check(rule, case.at or rule.hold + SLACK, [])]
    return {
        "name": f"{rule.name}: {case.name}",
        "interval": "1m",
        "input_series": inputs(case.series, rendering),
        "alert_rule_test": checks,
    }


def check(rule: AlertRule, minute: int, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    """Which alerts of the rule fire at a minute."""
    return {"eval_time": f"{minute}m", "alertname": rule.name, "exp_alerts": alerts}


def _expected(rule: AlertRule, case: Fires, rendering: Rendering, links: Links) -> dict[str, Any]:
    labels = {key: {**DEFAULTS, **case.labels}[key] for key in rule.expr.labels}
    named = {rendering.label(key): text for key, text in labels.items() if text}
    return {
        "exp_labels": {"severity": rule.severity.value, **dict(sorted(named.items()))},
        "exp_annotations": texts(rule, links, labels, case.value),
    }


def _recording_test(rule: Recording, rendering: Rendering) -> dict[str, Any]:
    name = rule.name_in(rendering)
    labels = ", ".join(f'{rendering.label(key)}="{DEFAULTS[key]}"' for key in rule.by)
    return {
        "name": f"{name} leaves the host out",
        "interval": "1m",
        "input_series": inputs(rule.example, rendering),
        "promql_expr_test": [
            {
                "expr": name,
                "eval_time": "10m",
                "exp_samples": [{"labels": f"{name}{{{labels}}}", "value": rule.expected}],
            }
        ],
    }


def inputs(series: Sequence[Series], rendering: Rendering) -> list[dict[str, Any]]:
    """Series as input of a test."""
    return [{"series": selector(one, rendering), "values": one.values} for one in series]


def selector(series: Series, rendering: Rendering) -> str:
    """A series as Prometheus stores it after a scrape: empty labels are gone, target labels are there."""
    labels = {key: {**DEFAULTS, **series.labels}[key] for key in _keys(series.metric)}
    named = {rendering.label(key): text for key, text in labels.items() if text}
    if not series.metric.external and rendering.naming is Naming.INSPECTOR:
        named[Identity.NETNS.name_in(rendering.naming)] = NETNS_INODE
    target: Mapping[str, str] = {key.name: DEFAULTS[key] for key in (JOB_LABEL, INSTANCE_LABEL)}
    inside = ", ".join(f'{key}="{text}"' for key, text in {**target, **named}.items())
    return f"{series.metric.name_in(rendering.naming)}{{{inside}}}"


def _keys(metric: Metric) -> tuple[LabelKey, ...]:
    if metric.external:
        return metric.labels
    return ((Identity.NODE,) if metric.scope is Scope.NODE else POD_KEYS) + metric.labels
