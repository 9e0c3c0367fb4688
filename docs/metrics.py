"""The metric reference: a page per probe, and one list of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docs.markdown import bullets, page, table
from exporter.model.metric import IDENTITY_LABELS, Metric, Naming, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.registry import Registry

SCOPES = {
    Scope.NODE: "node (once, pod labels empty)",
    Scope.NETNS: "network namespace (each pod's and the host's)",
    Scope.POD: "pod (added over its processes) and host",
}
EXPORTER = "exporter"


def pages(registry: Registry, used: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Pages by path."""
    written = {"metrics.md": _overview(registry)}
    for spec in registry.probes:
        written[f"metrics/{spec.name}.md"] = page(
            f"Metrics of probe {spec.name}",
            spec.summary,
            f"Options and requirements: [probes](../probes.md#{spec.name}).",
            *(_metric(metric, used, spec.advice) for metric in spec.metrics),
        )
    written[f"metrics/{EXPORTER}.md"] = page(
        "Metrics of the exporter itself",
        *(_metric(metric, used, "") for metric in registry.own),
    )
    return written


def _overview(registry: Registry) -> str:
    dialects = [
        (
            naming.value,
            ", ".join(f"`{identity.name_in(naming)}`" for identity in IDENTITY_LABELS[naming]),
        )
        for naming in Naming
    ]
    rows = [
        (
            f"[`{metric.name_in(Naming.KUBESKOOP)}`](metrics/{metric.probe}.md#{anchor(metric)})",
            f"`{metric.name_in(Naming.INSPECTOR)}`",
            metric.kind.value,
            metric.unit.value,
            metric.scope.value,
            metric.help,
        )
        for metric in registry.metrics()
    ]
    return page(
        "Metrics",
        "Every metric has a name in each of two dialects; `metrics.naming` selects which are exposed.",
        table(("dialect", "identity labels"), dialects),
        "Numbers of the node itself carry empty pod and namespace labels.",
        table(("kubeskoop", "inspector", "type", "unit", "scope", "meaning"), rows),
    )


def anchor(metric: Metric) -> str:
    """Anchor of a metric on its probe's page."""
    return metric.name_in(Naming.KUBESKOOP).lower()


def _metric(metric: Metric, used: Mapping[str, Mapping[str, Any]], advice: str) -> str:
    name = metric.name_in(Naming.KUBESKOOP)
    use = used[name]
    identity = () if metric.external else IDENTITY_LABELS[Naming.KUBESKOOP]
    own = [f"`{label.name}`: {label.help}{_domain(label.values, label.budget)}" for label in metric.labels]
    facts = [
        f"inspector name: `{metric.name_in(Naming.INSPECTOR)}`",
        *([f"also known as: {', '.join(f'`{alias}`' for alias in metric.aliases)}"] if metric.aliases else []),
        f"type: {metric.kind.value}, in {metric.unit.value}",
        f"scope: {SCOPES[metric.scope] if not metric.external else 'one per scraped exporter'}",
        *(["labels: " + ", ".join(f"`{key.name_in(Naming.KUBESKOOP)}`" for key in identity)] if identity else []),
        *(f"label {text}" for text in own),
        f"source: `{metric.source}{f', {metric.column}' if metric.column else ''}`",
        *([] if metric.default else ["collected only when selected"]),
        f"panels: {'; '.join(use['panels']) or 'none'}",
        f"alerts: {', '.join(_link(alert) for alert in use['alerts']) or 'none'}",
    ]
    rises = metric.advice or advice
    parts = [f"## {name}", metric.help, bullets(facts)]
    if rises:
        parts.append(f"When it rises: {rises}")
    return "\n\n".join(parts)


def _link(alert: Mapping[str, Any]) -> str:
    return f"[{alert['alert']}](../runbooks/{alert['alert']}.md)"


def _domain(values: tuple[str, ...], budget: int) -> str:
    if values:
        return f" One of {', '.join(f'`{value}`' for value in values)}."
    return f" At most {budget} per pod." if budget else ""
