"""The reference of the configuration file: general settings, and what each probe accepts and needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docs.markdown import page, table
from exporter.model.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from exporter.model.probe import Option, ProbeSpec
    from exporter.registry import Registry


def pages(registry: Registry) -> dict[str, str]:
    """Pages by path."""
    settings = [(f"`{each.key}`", _value(each.default), _accepted(each), each.help) for each in SETTINGS]
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
            "Configuration",
            "A YAML file, given with `net-exporter run --config FILE`. Without one, all defaults hold; an unknown key, "
            "probe or option stops the start and names the nearest valid one.",
            table(("key", "default", "accepted", "meaning"), settings),
            "Which probes there are and which options they take as `args`: [probes](probes.md).",
            _example(registry),
        ),
        "probes.md": page(
            "Probes",
            "Select them by name under `metrics.probes`; an empty list runs the default set.",
            table(("probe", "default", "metrics", "deadline", "measures"), probes),
            *(_probe(spec) for spec in registry.probes),
        ),
    }


def _accepted(setting: Setting) -> str:
    if setting.choices:
        return _choices(setting.choices)
    return setting.kind if setting.least is None else f"{setting.kind} from {setting.least:.12g} to {setting.most:.12g}"


def _example(registry: Registry) -> str:
    """Every setting at its default, and one probe with an option."""
    with_option, option = next(
        (spec, option) for spec in registry.probes for option in spec.options if isinstance(option.default, tuple)
    )
    chosen = json.dumps(list(option.choices[1:3]))
    lines, section = ["```yaml"], ""
    for setting in SETTINGS:
        group, _, name = setting.key.rpartition(".")
        if group != section:
            lines.append(f"{group}:")
            section = group
        value = "" if setting.default == [] else f" {json.dumps(setting.default)}"
        lines.append(f"{'  ' if group else ''}{name}:{value}")
    lines += ["    - tcp", f"    - name: {with_option.name}", f"      args: {{{option.name}: {chosen}}}", "```"]
    return "\n".join(lines)


def _probe(spec: ProbeSpec) -> str:
    parts = [f"## {spec.name}", spec.summary, f"Metrics: [metrics of {spec.name}](metrics/{spec.name}.md)."]
    if spec.options:
        rows = [
            (f"`{option.name}`", _value(option.default), _accepted_option(option), option.help)
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


def _accepted_option(option: Option) -> str:
    if isinstance(option.default, bool):
        return "true or false"
    if isinstance(option.default, int | float):
        return f"from {option.least:g} to {option.most:.12g}"
    return _choices(option.choices)


def _value(value: Any) -> str:  # noqa: ANN401 -- defaults are of any type
    return f"`{json.dumps(value)}`"


def _choices(choices: tuple[str, ...]) -> str:
    return ", ".join(f"`{choice}`" for choice in choices) or "any"
