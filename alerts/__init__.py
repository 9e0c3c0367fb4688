"""Alerting and recording rules, with the tests that prove them and the index by metric."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from alerts import casefile, recording, rulefile
from alerts.output import dump
from alerts.rules import GROUPS
from alerts.totals import RULES
from alerts.words import Links
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.model import AlertRule
    from exporter.registry import Registry

LINKS = Links()


def rules() -> Iterator[AlertRule]:
    """Every alert, in order."""
    for group in GROUPS:
        yield from group.rules


def files(_registry: Registry, naming: Naming, links: Links = LINKS) -> dict[str, bytes]:
    """Rule files, the operator's object, and test files for promtool, by path."""
    rendering = Rendering(naming)
    alerting = rulefile.alerts(GROUPS, rendering, links)
    totals = rulefile.recordings(recording.GROUP, RULES, rendering)
    written = {
        "alerts/rules.yml": dump(alerting, "Alerts, for `rule_files` of Prometheus 2.42 or newer."),
        "alerts/recording.yml": dump(totals, "Totals of nodes and namespaces, for `rule_files` of Prometheus."),
        "alerts/prometheusrule.yml": dump(
            rulefile.operator_object("net-exporter", totals, alerting),
            "Both for the Prometheus operator. Add the label by which your Prometheus object selects rules.",
        ),
        "alerts/tests/recording.test.yml": dump(
            casefile.recording_tests(RULES, "../recording.yml", rendering), "Run with `promtool test rules`."
        ),
    }
    for group in GROUPS:
        subject = group.name.rpartition(".")[2]
        tests = casefile.alert_tests(group, "../rules.yml", rendering, links)
        written[f"alerts/tests/{subject}.test.yml"] = dump(tests, "Run with `promtool test rules`.")
    return written


def index(_registry: Registry) -> dict[str, list[dict[str, Any]]]:
    """Metric (kubeskoop name) -> the alerts that use it."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for rule in rules():
        entry = {
            "alert": rule.name,
            "severity": rule.severity.value,
            "summary": rule.summary,
            "runbook": f"docs/runbooks/{rule.name}.md",
        }
        for metric in dict.fromkeys(rule.condition.metrics):
            found[metric.name_in(Naming.KUBESKOOP)].append(entry)
    return dict(sorted(found.items()))
