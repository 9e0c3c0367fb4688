"""The reference of the configuration file: general settings, and what each probe accepts and needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docs.markdown import page, table
from exporter.model.settings import SETTINGS

if TYPE_CHECKING:
    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry


def pages(registry: Registry) -> dict[str, str]:
    """Pages by path."""
    settings = [(f"`{each.key}`", _value(each.default), _choices(each.choices), each.help) for each in SETTINGS]
    probes = [
        (
            f"[{spec.name}](#{spec.name})",
            "yes" if spec.default else "no",
            str(len(spec.metrics)),
            f"{spec.deadline:g} s",
            spec.summary,
        )
        for spec in registry.probes
    ]
    return {
        "configuration.md": page(
            "Configuration", table(("key", "default", "accepted", "meaning"), settings), "Probes: [probes](probes.md)."
        ),
        "probes.md": page(
            "Probes",
            "Select them by name under `metrics.probes`; an empty list runs the default set.",
            table(("probe", "default", "metrics", "deadline", "measures"), probes),
            *(_probe(spec) for spec in registry.probes),
        ),
    }


def _probe(spec: ProbeSpec) -> str:
    parts = [f"## {spec.name}", spec.summary, f"Metrics: [metrics of {spec.name}](metrics/{spec.name}.md)."]
    if spec.options:
        rows = [
            (f"`{option.name}`", _value(option.default), _choices(option.choices), option.help)
            for option in spec.options
        ]
        parts.append(table(("option", "default", "accepted", "meaning"), rows))
    else:
        parts.append("No options.")
    if spec.requires:
        needs = [(need.kind.value, f"`{need.what}`", need.why) for need in spec.requires]
        parts.append(table(("requirement", "name", "without it"), needs))
    else:
        parts.append("Needs nothing beyond what the exporter itself needs.")
    return "\n\n".join(parts)


def _value(value: Any) -> str:  # noqa: ANN401 -- defaults are of any type
    return f"`{json.dumps(value)}`"


def _choices(choices: tuple[str, ...]) -> str:
    return ", ".join(f"`{choice}`" for choice in choices) or "any"
