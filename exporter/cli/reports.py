"""What `check`, `list` and `once` print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exporter.cli.explain import describe
from exporter.model.metric import Naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.bpf.features import Feature
    from exporter.model.snapshot import Outcome
    from exporter.registry import Registry


def checked(registry: Registry, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Outcome and requirements of each probe, as plain values."""
    rows = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.probe):
        spec = registry.probe(outcome.probe)
        requirements = [{"kind": need.kind.value, "what": need.what, "why": need.why} for need in spec.requires]
        rows.append(
            {
                "probe": outcome.probe,
                "default": spec.default,
                "status": outcome.status.value,
                "reason": outcome.reason,
                "seconds": round(outcome.seconds, 6),
                "requires": requirements,
            }
        )
    return rows


def check_text(rows: list[dict[str, Any]]) -> str:
    """The same for people: one line per probe, its requirements below where they matter."""
    width = max(len(row["probe"]) for row in rows)
    lines = []
    for row in rows:
        remark = row["reason"] or ("" if row["default"] else "not in the default set; select it to collect it")
        lines.append(f"{row['probe']:<{width}}  {row['status'].upper():<12} {remark}".rstrip())
        lines += [f"{'':<{width}}  needs {need['what']} ({need['kind']}): {need['why']}" for need in row["requires"]]
    return "\n".join(lines)


def features_text(features: Sequence[Feature]) -> str:
    """What this machine offers to eBPF, below the probes; indented, as it is about none of them alone."""
    width = max(len(feature.name) for feature in features)
    rows = [f"  {one.name:<{width}}  {f'no: {one.lacking}' if one.lacking else 'yes'}" for one in features]
    return "\n".join(["", "  eBPF on this machine:", *rows])


def listed(registry: Registry) -> list[dict[str, Any]]:
    """The whole registry as plain values."""
    return [describe(registry, metric) for metric in registry.metrics()]


def list_text(registry: Registry) -> str:
    """The registry as a table."""
    header = ("probe", "kubeskoop name", "inspector name", "type", "unit", "scope", "labels", "source")
    rows = [header]
    for metric in registry.metrics():
        names = (metric.name_in(Naming.KUBESKOOP), metric.name_in(Naming.INSPECTOR))
        own = ",".join(label.name for label in metric.labels)
        rows.append(
            (metric.probe, *names, metric.kind.value, metric.unit.value, metric.scope.value, own, metric.source)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def as_json(value: object) -> str:
    """Indented, for people and scripts alike."""
    return json.dumps(value, indent=2, ensure_ascii=False)
