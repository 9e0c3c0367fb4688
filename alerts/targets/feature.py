"""A feature that not every version has, and the report of what was done without it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Version: TypeAlias = tuple[int, int]
_Known = TypeVar("_Known")


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a server can do.

    Args:
        name: as a user knows it.
        since: first version that has it.
        instead: what is written for those before, a sentence.
    """

    name: str
    since: Version
    instead: str


@dataclass(frozen=True, slots=True)
class Note:
    """A feature that is done without.

    Args:
        feature: which.
        places: what would use it, in the words of the user: panels, alerts, files.
    """

    feature: Feature
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What was left out of the files of a folder.

    Args:
        folder: within the bundle.
        loads: the versions that load it.
        notes: what they cannot all do.
    """

    folder: str
    loads: str
    notes: tuple[Note, ...]


def parse(kind: str, word: str, known: Mapping[str, _Known]) -> _Known:
    """The version of a name. Raises UsageError with those that are known."""
    if word not in known:
        raise UsageError(f"unknown version {word!r} of {kind}; known are {', '.join(known)}")
    return known[word]


def text(sections: Iterable[Section]) -> str:
    """The report for people."""
    return "".join(f"{line}\n" for section in sections for line in _lines(section))


def plain(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """The report as values of JSON."""
    found = [asdict(section) for section in sections]
    for section in found:
        for note in section["notes"]:
            note["feature"]["since"] = written(note["feature"]["since"])
    return found


def written(version: Version) -> str:
    """As people write it: 9.4."""
    return f"{version[0]}.{version[1]}"


def _lines(section: Section) -> list[str]:
    lines = [f"{section.folder}: for {section.loads}{'' if section.notes else '; nothing is left out'}"]
    for note in section.notes:
        lines.append(f"  {note.feature.name} (since {written(note.feature.since)}): {note.feature.instead}")
        lines += [f"    {place}" for place in note.places]
    return lines
