"""Lists in the configuration whose entries are a name, or `name` with `args`: probes and sinks."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from exporter.model.probe import option_spelling
from exporter.settings.document import Items, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from exporter.model.probe import Option, ProbeSpec
    from exporter.registry import Registry
    from exporter.settings.faults import Faults, Place
    from exporter.sinks.context import SinkSpec

    SinkEntry: TypeAlias = tuple[SinkSpec, Mapping[str, Any]]

T = TypeVar("T")

_WORD: Final = 64  # bits
_PORT: Final = "port"


class _Short(reprlib.Repr):
    """Values for error messages: aliases can make one that is endless when written out."""

    repr_Section = reprlib.Repr.repr_dict  # noqa: N815 -- found by the name of the type
    repr_Items = reprlib.Repr.repr_list  # noqa: N815 -- likewise

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2

    def repr_int(self, value: int, level: int) -> str:
        """A number, or what can be said of one that Python refuses to print."""
        return (
            super().repr_int(value, level) if value.bit_length() <= _WORD else f"a number of {value.bit_length()} bits"
        )


shown: Final = _Short().repr


class List(NamedTuple):
    """A list of entries, and where faults of it go.

    Args:
        key: of the list, for example `metrics.probes`.
        content: its entries.
        place: of the whole, for entries that have none of their own.
        faults: what is wrong is added here, and what is right is used.
    """

    key: str
    content: Sequence[Any]
    place: Place
    faults: Faults

    def at(self, index: int) -> Place:
        """Where an entry is."""
        return self.content.at[index] if isinstance(self.content, Items) else self.place


class _Entry(NamedTuple):
    key: str
    place: Place
    name: str
    args: Section


def probes(registry: Registry, entries: List) -> tuple[tuple[ProbeSpec, ...], dict[str, dict[str, Any]]]:
    """Probes named, or the default set, with their options."""
    chosen = dict(_once(entries, registry))
    if not entries.content:
        chosen = {spec.name: (spec, None) for spec in registry.probes if spec.default}
    return _selected(chosen, entries.faults, lambda spec: spec.options)


def event_probes(registry: Registry, entries: List) -> tuple[tuple[ProbeSpec, ...], dict[str, dict[str, Any]]]:
    """Probes named that tell events, with the options of these."""
    telling = [spec.name for spec in registry.probes if spec.events]
    chosen = dict(_once(entries, registry))
    for name, (spec, entry) in tuple(chosen.items()):
        if not spec.events and entry is not None:
            text = f"{entries.key}: {name} tells no events; those that do: {', '.join(telling)}"
            entries.faults.add(entry.place, entry.key, text)
            del chosen[name]
    return _selected(chosen, entries.faults, lambda spec: spec.event_options)


def sinks(registry: Registry, entries: List, port: int) -> tuple[SinkEntry, ...]:
    """Sinks named, any of them more than once.

    Args:
        registry: of the sinks.
        entries: as in the file.
        port: of the sink that listens, where its arguments do not say another.
    """
    found: list[SinkEntry] = []
    for spec, entry in _known(entries, "sink", {spec.name: spec for spec in registry.sinks}):
        made = _sink(spec, entry, entries.faults, port)
        if made in found:
            text = f"{entries.key}: {spec.name!r} is there twice with the same arguments"
            entries.faults.add(entry.place, entry.key, text)
        found.append(made)
    return tuple(found)


def implied_sinks(registry: Registry, named: Sequence[SinkEntry], port: int) -> tuple[SinkEntry, ...]:
    """Those that run without being named; without a port none does."""
    others = [spec for spec in registry.sinks if spec.default and all(spec is not each for each, _ in named)]
    return tuple((spec, _defaults(spec.options) | _listening(spec, port)) for spec in others) if port else ()


def defaults(spec: ProbeSpec) -> dict[str, Any]:
    """Options of a probe that nobody set."""
    return _defaults(spec.options)


def _defaults(options: Sequence[Option]) -> dict[str, Any]:
    return {option.name: option.default for option in options}


def _listening(spec: SinkSpec, port: int) -> dict[str, int]:
    return {_PORT: port} if port and _PORT in (option.name for option in spec.options) else {}


def _sink(spec: SinkSpec, entry: _Entry, faults: Faults, port: int) -> SinkEntry:
    return spec, _defaults(spec.options) | _listening(spec, port) | _given(entry, spec.name, spec.options, faults)


def _selected(
    chosen: Mapping[str, tuple[ProbeSpec, _Entry | None]],
    faults: Faults,
    options_of: Callable[[ProbeSpec], Sequence[Option]],
) -> tuple[tuple[ProbeSpec, ...], dict[str, dict[str, Any]]]:
    specs = tuple(chosen[name][0] for name in sorted(chosen))
    options = {}
    for spec in specs:
        entry = chosen[spec.name][1]
        given = {} if entry is None else _given(entry, spec.name, options_of(spec), faults)
        options[spec.name] = _defaults(options_of(spec)) | given
    return specs, options


def _once(entries: List, registry: Registry) -> Iterator[tuple[str, tuple[ProbeSpec, _Entry | None]]]:
    seen: set[str] = set()
    for spec, entry in _known(entries, "probe", registry.probes_by_name()):
        if spec.name in seen:
            alias = "" if entry.name == spec.name else f", here as {entry.name!r}"
            entries.faults.add(entry.place, entry.key, f"{entries.key}: {spec.name!r} is there twice{alias}")
            continue
        seen.add(spec.name)
        yield spec.name, (spec, entry)


def _known(entries: List, kind: str, known: Mapping[str, T]) -> Iterator[tuple[T, _Entry]]:
    """Entries that make sense, with what they name."""
    for index, content in enumerate(entries.content):
        entry = _entry(entries, index, content)
        if entry is None:
            continue
        if entry.name in known:
            yield known[entry.name], entry
        else:
            text = f"{entries.key}: unknown {kind} {entry.name!r:.200}"
            entries.faults.add(entry.place, entry.key, text, entry.name, [*known])


def _entry(entries: List, index: int, content: Any) -> _Entry | None:  # noqa: ANN401 - what YAML holds is any type
    key, place = f"{entries.key}[{index}]", entries.at(index)
    if isinstance(content, str):
        return _Entry(key, place, content, Section())
    if not isinstance(content, Section) or not isinstance(content.get("name"), str) or set(content) - {"name", "args"}:
        text = f"{entries.key}: an entry is a name, or `name` with `args`, not {shown(content)}"
        entries.faults.add(place, key, text)
        return None
    args = Section() if content.get("args") is None else content["args"]
    if not isinstance(args, Section):
        text = f"{entries.key}: args of {content['name']!r} must be a mapping"
        entries.faults.add(content.values_at["args"], f"{key}.args", text)
        args = Section()
    return _Entry(key, content.values_at["name"], content["name"], args)


def _given(entry: _Entry, owner: str, options: Sequence[Option], faults: Faults) -> dict[str, Any]:
    """The options that the file sets."""
    where = entry.key.partition("[")[0]
    known = {option_spelling(name): option for option in options for name in (option.name, *option.aliases)}
    given: dict[str, Any] = {}
    for name, value in entry.args.items():
        key = f"{entry.key}.args.{name}"
        option = known.get(option_spelling(str(name)))
        if option is None:
            names = [option.name for option in options]
            text = f"{where}: {owner} has no option {str(name)!r}"
            faults.add(entry.args.keys_at[name], key, text, str(name), names)
        elif option.name in given:
            text = f"{where}: option {option.name!r} of {owner} is there twice"
            faults.add(entry.args.keys_at[name], key, text)
        else:
            found = tuple(value) if isinstance(value, list) else value
            given[option.name] = found
            _check(option, found, f"{where}: ", owner, _Where(entry.args.values_at[name], key, faults))
    return given


class _Where(NamedTuple):
    place: Place
    key: str
    faults: Faults


def _check(option: Option, value: Any, prefix: str, owner: str, where: _Where) -> None:  # noqa: ANN401 - of any type
    wanted = int | float if isinstance(option.default, float) else type(option.default)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(option.default, bool)):
        where.faults.add(where.place, where.key, f"{prefix}option {option.name!r} of {owner} cannot be {shown(value)}")
        return
    if isinstance(value, int | float) and not (isinstance(value, bool) or option.least <= value <= option.most):
        wanted_range = f"from {option.least:g} to {option.most:.12g}"
        text = f"{prefix}{option.name} of {owner} must be {wanted_range}, is {shown(value)}"
        where.faults.add(where.place, where.key, text)
    for each in value if isinstance(value, tuple) else (value,):
        if option.choices and each not in option.choices:
            text = f"{prefix}{shown(each)} is no {option.name} of {owner}"
            where.faults.add(where.place, where.key, text, each, option.choices)
