"""A configuration written in our shape, with a comment on whatever had no equivalent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from exporter.settings.resolve import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.config import Config
    from exporter.model.probe import Option
    from exporter.settings.resolve import Resolved

LISTS: Final = ("metrics.probes", "event.probes", "event.sinks")


def written(resolved: Resolved, config: Config) -> str:
    """YAML that gives the same configuration.

    Args:
        resolved: what was given.
        config: what it means; probes, sinks and their options are called as we call them.
    """
    lines = [f"# {line}" for line in _remarks(resolved)]
    tree: dict[str, Any] = {}
    for key, value in resolved.values.items():
        if value.place == DEFAULT:
            continue
        section, _, name = key.rpartition(".")
        if key in LISTS and not value.value:
            continue
        group = tree.setdefault(section, {}) if section else tree
        group[name] = entries(key, config) if key in LISTS else value.value
    return "".join(f"{line}\n" for line in lines) + (yaml.safe_dump(tree, sort_keys=False) if tree else "{}\n")


def _remarks(resolved: Resolved) -> Iterator[str]:
    for note in resolved.notes:
        yield "line " + note.removeprefix(f"{resolved.source}:").replace("\n", " ")
    for key, value in resolved.values.items():
        if value.place != DEFAULT and value.spelled != key:
            yield f"{key} was {value.spelled}"


def entries(key: str, config: Config) -> list[Any]:
    """All that run, under our names, with the arguments that differ from their defaults."""
    if key == "event.sinks":
        return [_entry(spec.name, args, spec.options) for spec, args in config.events.sinks]
    if key == "event.probes":
        telling = config.events
        return [_entry(spec.name, telling.options[spec.name], spec.event_options) for spec in telling.probes]
    return [_entry(spec.name, config.options[spec.name], spec.options) for spec in config.probes]


def _entry(name: str, args: Mapping[str, Any], options: Sequence[Option]) -> Any:  # noqa: ANN401 -- a name or a mapping
    defaults = {option.name: option.default for option in options}
    plain = {
        key: list(value) if isinstance(value, tuple) else value for key, value in args.items() if value != defaults[key]
    }
    return {"name": name, "args": plain} if plain else name
