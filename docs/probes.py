"""The reference of the configuration file: general settings, and what each probe accepts and needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docs.markdown import page, table
from exporter.model.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            "Which probes there are and which options they take as `args`: [probes](probes.md). Which of them tell "
            "events, and where these can go: [events](events.md).",
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
    """Every setting at its default, and an entry of each kind in each list."""
    with_option, option = next(
        (spec, option) for spec in registry.probes for option in spec.options if isinstance(option.default, tuple)
    )
    chosen = json.dumps(list(option.choices[1:3]))
    telling = next(spec for spec in registry.probes if spec.events)
    entries = {
        "metrics.probes": ["tcp", f"name: {with_option.name}", f"  args: {{{option.name}: {chosen}}}"],
        "event.probes": [telling.name],
        "event.sinks": ["stderr", "name: file", "  args: {path: /var/log/net-exporter/events.log}"],
    }
    lines, section = ["```yaml"], ""
    for setting in SETTINGS:
        group, _, name = setting.key.rpartition(".")
        if group != section:
            lines += [f"{group}:"] if group else []
            section = group
        value = "" if setting.default == [] else f" {json.dumps(setting.default)}"
        lines.append(f"{'  ' if group else ''}{name}:{value}")
        lines += [
            f"    {'  ' if text.startswith(' ') else '- '}{text.strip()}" for text in entries.get(setting.key, ())
        ]
    return "\n".join((*lines, "```"))


def _probe(spec: ProbeSpec) -> str:
    parts = [f"## {spec.name}", spec.summary, f"Metrics: [metrics of {spec.name}](metrics/{spec.name}.md)."]
    if spec.events:
        parts.append(f"Events: [events of {spec.name}](events.md#{spec.name}).")
    parts.append(options(spec.options))
    if spec.requires:
        needs = [(need.kind.value, f"`{need.what}`", need.why) for need in spec.requires]
        parts.append(table(("requirement", "name", "without it"), needs))
    else:
        parts.append("Needs nothing beyond what the exporter itself needs.")
    return "\n\n".join(parts)


def options(declared: Sequence[Option]) -> str:
    """What can be set under `args`."""
    if not declared:
        return "No options."
    rows = [(f"`{option.name}`", _value(option.default), _accepted_option(option), option.help) for option in declared]
    return table(("option", "default", "accepted", "meaning"), rows)


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
