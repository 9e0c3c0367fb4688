"""Alerting and recording rules, with the tests that prove them and the index by metric."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from alerts import casefile, disturbed, migration, overrides, recording, routing, rulefile
from alerts.output import dump
from alerts.rules import GROUPS
from alerts.targets.chosen import EVERY
from alerts.targets.feature import Section, text
from alerts.totals import RULES
from alerts.words import Links
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerts.model import AlertRule
    from alerts.targets.chosen import Targets
    from exporter.registry import Registry

LINKS = Links()
DECLARED: Mapping[str, float] = MappingProxyType({})  # no limit is replaced
LOAD = "Load with `rule_files: [rules/*.yml]`; for {loads}."
REPORT = "alerts/compatibility.txt"
DISTURBED = "Restarts of the exporter, new series and targets that go."
EXAMPLE = (
    "Example for Alertmanager 0.22 or newer: merge its routes and inhibitions into yours, and name your receivers.",
    "Critical: wake somebody. Warning: look at it in working hours. Info: nobody is told.",
)
RUN = "Run with `promtool test rules`."


def rules() -> Iterator[AlertRule]:
    """Every alert, in order."""
    for group in GROUPS:
        yield from group.rules


def files(
    registry: Registry,
    naming: Naming,
    links: Links = LINKS,
    limits: Mapping[str, float] = DECLARED,
    targets: Targets = EVERY,
) -> dict[str, bytes]:
    """Rule files, the operator's object, test files for promtool and the example for Alertmanager, by path."""
    rendering = Rendering(naming, limits=limits)
    links = replace(links, registry=registry.fingerprint())
    load = f"{LOAD.format(loads=targets.prometheus.loads)} Registry {links.registry}."
    totals = rulefile.recordings(recording.GROUP, RULES, rendering)
    written = {
        REPORT: text(report(registry, targets)).encode(),
        "alerts/rules/recording.yml": dump(totals, "Totals of nodes and namespaces. " + load),
        "alerts/tests/recording.test.yml": dump(
            casefile.recording_tests(RULES, "../rules/recording.yml", rendering), RUN
        ),
        "alerts/prometheusrule.yml": dump(
            prometheus_rule(registry, naming, links, limits, targets),
            "All rules for the Prometheus operator. Add the label by which your Prometheus object selects rules.",
        ),
        "alerts/alertmanager.yml": dump(routing.alertmanager(rendering), *EXAMPLE),
    }
    written[migration.PATH] = dump(
        migration.rules(registry, naming),
        "Other and older names, for dashboards that ask for them: delete the groups that nobody needs. "
        f"For {targets.prometheus.loads}.",
    )
    for group in rulefile.fitted(GROUPS, targets.prometheus):
        path = f"rules/{group.subject}.yml"
        written[f"alerts/{path}"] = dump(rulefile.alerts((group,), rendering, links), load)
        # Cases lie close to the declared limits, so those of other limits would prove nothing.
        tested = replace(group, rules=tuple(rule for rule in group.rules if not overrides.touched(rule, limits)))
        left = [
            f"Without {rule.name}: its limits are not the declared ones."
            for rule in group.rules
            if rule not in tested.rules
        ]
        tests = casefile.alert_tests(tested, f"../{path}", rendering, links)
        written[f"alerts/tests/{group.subject}.test.yml"] = dump(tests, RUN, *left)
        further = disturbed.tests(tested, f"../{path}", rendering)
        written[f"alerts/tests/{group.subject}.disturbed.test.yml"] = dump(further, DISTURBED, RUN, *left)
    return written


def prometheus_rule(
    registry: Registry,
    naming: Naming,
    links: Links = LINKS,
    limits: Mapping[str, float] = DECLARED,
    targets: Targets = EVERY,
) -> dict[str, Any]:
    """All rules as one object of the Prometheus operator."""
    groups = rulefile.fitted(GROUPS, targets.prometheus)
    rendering = Rendering(naming, limits=limits)
    links = replace(links, registry=registry.fingerprint())
    totals = rulefile.recordings(recording.GROUP, RULES, rendering)
    return rulefile.operator_object("net-exporter", links.registry, totals, rulefile.alerts(groups, rendering, links))


def report(_registry: Registry, targets: Targets = EVERY) -> list[Section]:
    """What the alerts would use and Prometheus lacks."""
    return [Section("alerts", targets.prometheus.loads, rulefile.notes(GROUPS, targets.prometheus))]


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
