"""Lists in the configuration whose entries are a name, or `name` with `args`: probes and sinks."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from exporter.errors import UsageError
from exporter.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.model.probe import Option, ProbeSpec
    from exporter.registry import Registry
    from exporter.sinks.context import SinkSpec

    SinkEntry: TypeAlias = tuple[SinkSpec, Mapping[str, Any]]

_WORD: Final = 64  # bits
_PORT: Final = "port"


class _Short(reprlib.Repr):
    """Values for error messages: aliases can make one that is endless when written out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2

    def repr_int(self, value: int, level: int) -> str:
        """A number, or what can be said of one that Python refuses to print."""
        return (
            super().repr_int(value, level) if value.bit_length() <= _WORD else f"a number of {value.bit_length()} bits"
        )


shown: Final = _Short().repr


def probes(registry: Registry, entries: Sequence[Any]) -> tuple[tuple[ProbeSpec, ...], dict[str, dict[str, Any]]]:
    """Probes named, or the default set, with their options. Raises UsageError."""
    chosen = _named("metrics.probes", entries)
    if not entries:
        chosen = {spec.name: {} for spec in registry.probes if spec.default}
    specs = sorted((registry.probe(name) for name in chosen), key=lambda spec: spec.name)
    options = {spec.name: _options("metrics.probes", spec.name, spec.options, chosen[spec.name]) for spec in specs}
    return tuple(specs), options


def event_probes(registry: Registry, entries: Sequence[Any]) -> tuple[tuple[ProbeSpec, ...], dict[str, dict[str, Any]]]:
    """Probes named that tell events, with the options of these. Raises UsageError."""
    chosen = _named("event.probes", entries)
    telling = [spec.name for spec in registry.probes if spec.events]
    specs = sorted((registry.probe(name) for name in chosen), key=lambda spec: spec.name)
    for spec in specs:
        if not spec.events:
            raise UsageError(f"event.probes: {spec.name} tells no events; those that do: {', '.join(telling)}")
    options = {spec.name: _options("event.probes", spec.name, spec.event_options, chosen[spec.name]) for spec in specs}
    return tuple(specs), options


def sinks(registry: Registry, entries: Sequence[Any], port: int) -> tuple[SinkEntry, ...]:
    """Sinks named, any of them more than once. Raises UsageError.

    Args:
        registry: of the sinks.
        entries: as in the file.
        port: of the sink that listens, where its arguments do not say another.
    """
    found: list[SinkEntry] = []
    for entry in entries:
        name, args = _entry("event.sinks", entry)
        made = _sink(registry.sink(name), args, port)
        if made in found:
            raise UsageError(f"event.sinks: {name!r} is there twice with the same arguments")
        found.append(made)
    return tuple(found)


def implied_sinks(registry: Registry, named: Sequence[SinkEntry], port: int) -> tuple[SinkEntry, ...]:
    """Those that run without being named; without a port none does."""
    others = [spec for spec in registry.sinks if spec.default and all(spec is not each for each, _ in named)]
    return tuple(_sink(spec, {}, port) for spec in others) if port else ()


def _sink(spec: SinkSpec, args: Mapping[str, Any], port: int) -> SinkEntry:
    listens = {_PORT: port} if port and _PORT in (option.name for option in spec.options) else {}
    return spec, _options("event.sinks", spec.name, spec.options, listens | dict(args))


def defaults(spec: ProbeSpec) -> dict[str, Any]:
    """Options of a probe that nobody set."""
    return _options("metrics.probes", spec.name, spec.options, {})


def _named(where: str, entries: Iterable[Any]) -> dict[str, dict[str, Any]]:
    chosen: dict[str, dict[str, Any]] = {}
    for entry in entries:
        name, args = _entry(where, entry)
        if name in chosen:
            raise UsageError(f"{where}: {name!r} is there twice")
        chosen[name] = args
    return chosen


def _entry(where: str, entry: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - what YAML holds is any type
    if isinstance(entry, str):
        return entry, {}
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or set(entry) - {"name", "args"}:
        raise UsageError(f"{where}: an entry is a name, or `name` with `args`, not {shown(entry)}")
    args = {} if entry.get("args") is None else entry["args"]
    if not isinstance(args, dict):
        raise UsageError(f"{where}: args of {entry['name']!r} must be a mapping")
    return entry["name"], args


def _options(where: str, owner: str, options: Sequence[Option], args: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with its value. Raises UsageError naming the first that is wrong."""
    known = {_spelling(option.name): option for option in options}
    given: dict[str, Any] = {}
    for name, value in args.items():
        option = known.get(_spelling(str(name)))
        if option is None:
            names = [option.name for option in options]
            raise UsageError(f"{where}: {owner} has no option {name!r}{nearest(str(name), names)}")
        if option.name in given:
            raise UsageError(f"{where}: option {option.name!r} of {owner} is there twice")
        given[option.name] = value
    return {option.name: _value(where, owner, option, given.get(option.name, option.default)) for option in options}


def _spelling(name: str) -> str:
    """Options are taken as `enable_stack`, `enableStack` and `enable-stack`, as others' configurations have them."""
    return name.replace("_", "").replace("-", "").lower()


def _value(where: str, owner: str, option: Option, value: Any) -> Any:  # noqa: ANN401 - defaults are of any type
    value = tuple(value) if isinstance(value, list) else value
    wanted = int | float if isinstance(option.default, float) else type(option.default)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(option.default, bool)):
        raise UsageError(f"{where}: option {option.name!r} of {owner} cannot be {shown(value)}")
    if isinstance(value, int | float) and not (isinstance(value, bool) or option.least <= value <= option.most):
        wanted_range = f"from {option.least:g} to {option.most:.12g}"
        raise UsageError(f"{where}: {option.name} of {owner} must be {wanted_range}, is {shown(value)}")
    for each in value if isinstance(value, tuple) else (value,):
        if option.choices and each not in option.choices:
            hint = nearest(each, option.choices) if isinstance(each, str) else ""
            raise UsageError(f"{where}: {shown(each)} is no {option.name} of {owner}{hint}")
    return value
