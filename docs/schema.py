"""JSON schema of the configuration file, for editors and for whoever writes ConfigMaps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exporter.model.settings import SETTINGS
from exporter.settings import foreign

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.model.probe import Option
    from exporter.model.settings import Setting
    from exporter.registry import Registry

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", tuple: "array"}


def text(registry: Registry) -> str:
    """The schema, of our keys and of those that other programs' configurations have for the same."""
    lists = {
        "metrics.probes": [_entry((spec.name, *spec.aliases), spec.summary, spec.options) for spec in registry.probes],
        "event.probes": [
            _entry((spec.name, *spec.aliases), spec.summary, spec.event_options)
            for spec in registry.probes
            if spec.events
        ],
        "event.sinks": [_entry((spec.name,), spec.summary, spec.options) for spec in registry.sinks],
    }
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of net-exporter",
        **_section(),
    }
    for setting in SETTINGS:
        for key in (setting.key, *setting.aliases):
            meant = f"As `{setting.key}`. {setting.help}" if key != setting.key else setting.help
            _put(root, key, {**_setting(setting, lists.get(setting.key, ())), "description": meant})
    for each in foreign.KEYS:
        most = {"minimum": 0, "maximum": each.most} if _TYPES[type(each.default)] == "integer" else {}
        _put(root, each.key, {"type": _TYPES[type(each.default)], **most, "description": each.help})
    return json.dumps(root, indent=1, ensure_ascii=False) + "\n"


def _section() -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": False, "properties": {}}


def _put(root: dict[str, Any], key: str, schema: dict[str, Any]) -> None:
    *sections, name = key.split(".")
    place = root
    for section in sections:
        place = place["properties"].setdefault(section, _section())
    place["properties"][name] = schema


def _setting(setting: Setting, entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    if isinstance(setting.default, list):
        items = {"anyOf": list(entries)}
        return {"type": ["array", "null"], **({"items": items} if items["anyOf"] else {}), "default": setting.default}
    limits = {} if setting.least is None else {"minimum": setting.least, "maximum": setting.most}
    choices = {"enum": list(setting.choices)} if setting.choices else {}
    return {"type": _TYPES[type(setting.default)], **limits, **choices, "default": setting.default}


def _entry(names: Sequence[str], summary: str, options: Iterable[Option]) -> dict[str, Any]:
    """A name, or `name` with `args`. Options may also be spelled with other signs between words."""
    spelled = {name: _option(option) for option in options for name in (option.name, *option.aliases)}
    args = {"type": ["object", "null"], "properties": spelled}
    entry = {
        "type": "object",
        "properties": {"name": {"enum": list(names)}, "args": args},
        "required": ["name"],
        "additionalProperties": False,
    }
    return {"anyOf": [{"enum": list(names)}, entry], "description": summary}


def _option(option: Option) -> dict[str, Any]:
    kind = _TYPES[type(option.default)]
    found: dict[str, Any] = {"type": kind, "description": option.help, "default": option.default}
    if kind in ("integer", "number"):
        found |= {"minimum": option.least, "maximum": option.most}
    if option.choices:
        choices = {"enum": list(option.choices)}
        found |= {"items": choices} if kind == "array" else choices
    return found
