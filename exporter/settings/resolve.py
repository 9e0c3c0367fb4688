"""Which value each setting has and who gave it: the command line, else the environment, else the file, else default."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exporter.model.settings import SETTINGS, kind_of
from exporter.settings import document, foreign
from exporter.settings.document import Items, Section
from exporter.settings.entries import shown
from exporter.settings.faults import Faults, FaultsError, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from exporter.model.settings import Setting
    from exporter.settings.foreign import Foreign

PREFIX: Final = "NET_EXPORTER_"
DEFAULT: Final = Place("default")
_NODE_VARIABLES: Final = ("NODE_NAME", "INSPECTOR_NODENAME")  # as manifests set it, ours and the peers'
_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|\.")
# Kubernetes sets these in every pod for a Service named net-exporter.
_SERVICE_LINK: Final = re.compile(PREFIX + r"(SERVICE_|PORT(_|$))")

_SETTINGS: Final = {setting.key: setting for setting in SETTINGS}
_OURS: Final = {name: setting for setting in SETTINGS for name in (setting.key, *setting.aliases)}
_FOREIGN: Final = {each.key: each for each in foreign.KEYS}
_NAMES: Final = frozenset((*_OURS, *_FOREIGN))
_SECTIONS: Final = frozenset(name.rpartition(".")[0] for name in _NAMES) - {""}


class Value(NamedTuple):
    """The value of a setting and who gave it.

    Args:
        value: checked.
        place: `DEFAULT`, or where it is said.
        spelled: key under which the file has it, ours or another program's.
    """

    value: Any
    place: Place
    spelled: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """All settings.

    Args:
        values: by key, in the order of the declarations.
        notes: what was accepted and has no effect, for people.
        source: the file, for messages.
    """

    values: Mapping[str, Value]
    notes: Sequence[str] = ()
    source: str = ""

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 -- values are of any type
        return self.values[key].value


@dataclass(slots=True)
class _Reading:
    source: str
    faults: Faults
    given: dict[str, Value] = field(default_factory=dict)
    foreign: dict[str, tuple[Any, Place]] = field(default_factory=dict)


def variable(setting: Setting) -> str:
    """The environment variable of a setting: NET_EXPORTER_METRICS_MAX_SERIES of `metrics.maxSeries`."""
    return PREFIX + _WORDS.sub("_", setting.key).upper()


def resolve(
    path: str | None,
    environment: Mapping[str, str],
    overrides: Iterable[tuple[str, str, str]],
    faults: Faults,
) -> Resolved:
    """Find the value of every setting; what is wrong has its default.

    Args:
        path: the file; None for none.
        environment: variables.
        overrides: key, text and option of the command line that gives it; the last one counts.
        faults: what is wrong is added here.

    Raises:
        FaultsError: the file cannot be read at all.
    """
    reading = _Reading(path or "", faults)
    if path is not None:
        content = document.parse(document.read(path), path, faults)
        if isinstance(content, Section):
            _walk(reading, content, "")
        elif content is not None:
            text = f"must be a mapping of settings, is a {_kind(content)}"
            faults.add(Place(path), "", text)
    _add_sinks(reading)
    notes = list(_notes(reading))
    values = dict(reading.given)
    values |= _from_environment(environment, faults, notes)
    for key, text, option in overrides:
        values |= _from_text(key, text, Place(option), faults)
    named = next((name for name in _NODE_VARIABLES if environment.get(name)), "")
    if named and not (values.get("node") and values["node"].value):
        values["node"] = Value(environment[named], Place(f"environment variable {named}"), "node")
    complete = {key: values.get(key, Value(each.default, DEFAULT, key)) for key, each in _SETTINGS.items()}
    return Resolved(complete, tuple(notes), path or "")


def _kind(content: object) -> str:
    return "list" if isinstance(content, Items) else type(content).__name__


def _walk(reading: _Reading, content: Section, prefix: str) -> None:
    """Nested mappings -> dotted keys, each of which must exist."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        place = content.keys_at[name]
        if key in _SECTIONS:
            if isinstance(value, Section):
                _walk(reading, value, f"{key}.")
            elif value is not None:
                reading.faults.add(content.values_at[name], key, f"{key} must be a mapping")
        elif key in _OURS:
            _take(reading, _OURS[key], Value(value, content.values_at[name], key))
        elif key in _FOREIGN:
            _translate(reading, _FOREIGN[key], Value(value, content.values_at[name], key))
        else:
            known = [*_NAMES, *_SECTIONS]
            reading.faults.add(place, key, f"unknown key {key!r:.200}", key, known)


def _take(reading: _Reading, setting: Setting, value: Value) -> None:
    if value.value is None and isinstance(setting.default, list):  # a list of which every line is a comment
        return
    complaint, nearest = _complaint(setting, value.value)
    if complaint:
        reading.faults.add(value.place, value.spelled, f"{value.spelled} {complaint}", *nearest)
        return
    before = reading.given.get(setting.key)
    if before is not None and before.value != value.value:
        text = f"{value.spelled} says otherwise than {before.spelled} in line {before.place.line}"
        reading.faults.add(value.place, value.spelled, text)
    reading.given.setdefault(setting.key, value)


def _translate(reading: _Reading, key: Foreign, value: Value) -> None:
    if value.value is None:
        return
    wrong = not isinstance(value.value, type(key.default)) or (
        isinstance(value.value, bool) and not isinstance(key.default, bool)
    )
    if wrong:
        kind = kind_of(key.default)
        reading.faults.add(value.place, key.key, f"{key.key} must be {kind}, is {shown(value.value)}")
        return
    if isinstance(value.value, int) and not 0 <= value.value <= key.most:
        text = f"{key.key} must be from 0 to {key.most}, is {shown(value.value)}"
        reading.faults.add(value.place, key.key, text)
        return
    reading.foreign[key.key] = value.value, value.place
    try:
        made = key.translate(value.value) if key.translate else None
    except ValueError as error:
        reading.faults.add(value.place, key.key, f"{key.key} {error}")
        return
    if made is not None:
        _take(reading, _SETTINGS[made[0]], Value(made[1], value.place, key.key))


def _add_sinks(reading: _Reading) -> None:
    made = foreign.sinks(reading.foreign)
    if made is None:
        return
    before = reading.given.get("event.sinks")
    if before is not None:
        text = "event_config asks for sinks and so does event.sinks; name all of them there"
        reading.faults.add(made.place, "event.sinks", text)
        return
    reading.given["event.sinks"] = Value(made.sinks, made.place, "event_config")


def _notes(reading: _Reading) -> Iterator[str]:
    for key, (value, place) in reading.foreign.items():
        if key in foreign.LOST and value:
            yield f"{place}: {key} {_FOREIGN[key].help[:1].lower()}{_FOREIGN[key].help[1:-1]}"
    address = reading.foreign.get(foreign.LOKI_ADDRESS)
    if address and address[0] and not reading.foreign.get(foreign.LOKI_ENABLE, (False,))[0]:
        yield f"{address[1]}: {foreign.LOKI_ADDRESS} has no effect, as {foreign.LOKI_ENABLE} is not true"


def _from_environment(environment: Mapping[str, str], faults: Faults, notes: list[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    keys = {variable(setting): setting.key for setting in SETTINGS}
    for name, text in sorted(environment.items()):
        if name in keys:
            found |= _from_text(keys[name], text, Place(f"environment variable {name}"), faults)
        elif name.startswith(PREFIX) and not _SERVICE_LINK.match(name):
            notes.append(f"environment variable {name:.100} is not known and has no effect")
    return found


def _from_text(key: str, text: str, place: Place, faults: Faults) -> dict[str, Value]:
    """A setting given outside of a file: a text as it is, anything else as YAML."""
    setting = _OURS.get(key)
    if setting is None:
        faults.add(place, key, f"unknown key {key!r:.200}", key, [*_SETTINGS])
        return {}
    value: Any = text
    if not isinstance(setting.default, str):
        try:
            value = document.parse(text.encode("utf-8", "replace"), str(place), faults)
        except FaultsError as error:
            faults.add(place, key, f"{key}: {error.faults[0].text}")
            return {}
    complaint, nearest = _complaint(setting, value)
    if complaint:
        faults.add(place, key, f"{key} {complaint}", *nearest)
        return {}
    return {setting.key: Value(value, place, key)}


def _complaint(setting: Setting, value: Any) -> tuple[str, tuple[object, Sequence[str]]]:  # noqa: ANN401 - of any type
    """What is wrong with a value, empty when nothing is, and what could have been meant."""
    nothing: tuple[object, Sequence[str]] = (None, ())
    wanted = int | float if isinstance(setting.default, float) else type(setting.default)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(setting.default, bool)):
        return f"must be {setting.kind}, is {shown(value)}", nothing
    if setting.choices and value not in setting.choices:
        return f"must be one of {', '.join(setting.choices)}", (value, setting.choices)
    if setting.least is not None and not setting.least <= value <= setting.most:
        return f"must be from {setting.least:g} to {setting.most:.12g}, is {shown(value)}", nothing
    return "", nothing
