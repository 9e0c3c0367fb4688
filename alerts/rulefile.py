"""Rule files as Prometheus loads them, and the same as an operator object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alerts.targets.feature import Note
from alerts.targets.prometheus import KEEP_FIRING
from alerts.words import templates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.model import AlertRule, Group
    from alerts.recording import Recording
    from alerts.targets.prometheus import Prometheus
    from alerts.words import Links
    from exporter.model.promql import Rendering


def fitted(groups: Sequence[Group], version: Prometheus) -> tuple[Group, ...]:
    """The same alerts without what the version does not load."""
    if version.has(KEEP_FIRING):
        return tuple(groups)
    return tuple(replace(group, rules=tuple(replace(rule, keep=0) for rule in group.rules)) for group in groups)


def notes(groups: Sequence[Group], version: Prometheus) -> tuple[Note, ...]:
    """What the alerts would use and the version lacks."""
    kept = tuple(f"{rule.name}: {rule.keep}m" for group in groups for rule in group.rules if rule.keep)
    return () if version.has(KEEP_FIRING) or not kept else (Note(KEEP_FIRING, kept),)


def alert(rule: AlertRule, rendering: Rendering, links: Links) -> dict[str, Any]:
    """One alerting rule."""
    keep = {"keep_firing_for": f"{rule.keep}m"} if rule.keep else {}
    return {
        "alert": rule.name,
        "expr": rule.condition.render(rendering),
        "for": f"{rule.hold}m",
        **keep,
        "labels": {"severity": rule.severity.value},
        "annotations": templates(rule, rendering, links),
    }


def alerts(groups: Sequence[Group], rendering: Rendering, links: Links) -> dict[str, Any]:
    """All alerting rules."""
    return {
        "groups": [
            {"name": group.name, "rules": [alert(rule, rendering, links) for rule in group.rules]} for group in groups
        ]
    }


def recordings(name: str, rules: Sequence[Recording], rendering: Rendering) -> dict[str, Any]:
    """All recording rules, one group."""
    return {
        "groups": [
            {
                "name": name,
                "rules": [{"record": rule.name_in(rendering), "expr": rule.expr.render(rendering)} for rule in rules],
            }
        ]
    }


def operator_object(name: str, registry: str, *files: dict[str, Any]) -> dict[str, Any]:
    """The same groups as a PrometheusRule of the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": name,
            "labels": {"app": "net-exporter"},
            "annotations": {"net-exporter/registry": registry},
        },
        "spec": {"groups": [group for file in files for group in file["groups"]]},
    }
