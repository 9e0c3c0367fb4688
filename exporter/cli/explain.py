"""What a metric means, for a person who has just seen it rise."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.model.metric import IDENTITY_LABELS, Naming, Scope

if TYPE_CHECKING:
    from exporter.model.metric import Metric
    from exporter.registry import Registry

_SCOPES = {
    Scope.NODE: "once for the node; pod labels are empty",
    Scope.NETNS: "once per network namespace: each pod's and the host's",
    Scope.POD: "once per pod and for the host, added over its processes",
}
_WIDTH = 100


def describe(registry: Registry, metric: Metric) -> dict[str, Any]:
    """Everything known about a metric, as plain values: the row of `list --json`."""
    spec = registry.spec_of(metric)
    return {
        "probe": metric.probe,
        "metric": metric.name,
        "names": {naming.value: metric.name_in(naming) for naming in Naming},
        "aliases": list(metric.aliases),
        "type": metric.kind.value,
        "unit": metric.unit.value,
        "scope": metric.scope.value,
        "labels": {naming.value: list(metric.label_names(naming)) for naming in Naming},
        "source": metric.source + (f", {metric.column}" if metric.column else ""),
        "help": metric.help,
        "advice": metric.advice or (spec.advice if spec else ""),
        "default": metric.default and (spec is None or spec.default),
    }


def usage_index() -> dict[str, Any]:
    """Panels, alerts and runbook by metric, as the generator wrote them; empty when it never ran."""
    here = Path(__file__).resolve().parent.parent
    for candidate in (here / "index.json", here.parent / "bundle" / "index.json"):
        if candidate.is_file():
            content: dict[str, Any] = json.loads(candidate.read_text("utf-8"))
            return content
    return {}


def explain_plain(registry: Registry, metric: Metric) -> dict[str, Any]:
    """The whole story as plain values."""
    return describe(registry, metric) | {"used by": usage_index().get(metric.name_in(Naming.KUBESKOOP), {})}


def explain(registry: Registry, metric: Metric) -> str:
    """The whole story as text."""
    about = describe(registry, metric)
    use = usage_index().get(metric.name_in(Naming.KUBESKOOP), {})
    own = [label.name for label in metric.labels]
    identity = "" if metric.external else ", ".join(each.value for each in IDENTITY_LABELS[Naming.KUBESKOOP])
    parts = [
        about["names"]["kubeskoop"],
        *(
            f"  also known as {name}"
            for name in [about["names"]["inspector"], *metric.aliases]
            if name != about["names"]["kubeskoop"]
        ),
        "",
        *_wrapped("measures", metric.help),
        *_wrapped("type", f"{metric.kind.value}, in {metric.unit.value}"),
        *_wrapped("scope", _SCOPES[metric.scope] if not metric.external else "one per scraped exporter"),
        *_wrapped("labels", ", ".join(filter(None, [identity, *own]))),
        *_wrapped("source", about["source"]),
        *_wrapped("probe", metric.probe + ("" if about["default"] else ", not collected unless selected")),
        *_listed("panels", use.get("panels", [])),
        *_listed("alerts", [f"{alert['alert']}: {alert['summary']}" for alert in use.get("alerts", [])]),
        *_wrapped(
            "when it rises", about["advice"] or "Compare with the other counters of this probe at the same time."
        ),
    ]
    return "\n".join(parts)


def _wrapped(title: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{title:<14}", subsequent_indent=" " * 14)


def _listed(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return _wrapped(title, "none")
    return [f"{title if index == 0 else '':<14}{line}" for index, line in enumerate(lines)]
