"""Which events somebody wants: by type in any spelling, and by pattern of pod, namespace and node."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.event import EventType


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; an empty part wants everything.

    Args:
        types: what tells types apart: themselves, or their spellings for whoever gets no more than one of these.
        pods: patterns as in the shell, `*` and `?`.
        namespaces: as `pods`.
        nodes: as `pods`.
    """

    types: frozenset[object] = frozenset()
    pods: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    def wants(self, kind: object, pod: str, namespace: str, node: str) -> bool:
        """Whether an event is among the wanted ones; the host's have an empty pod and namespace."""
        return (
            (not self.types or kind in self.types)
            and _fits(pod, self.pods)
            and _fits(namespace, self.namespaces)
            and _fits(node, self.nodes)
        )


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def words(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, as a request holds it."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def kinds(wanted: Iterable[str], known: Iterable[EventType]) -> frozenset[EventType]:
    """The types that are named, by any spelling, in capitals or not. Raises UsageError naming the nearest type."""
    by_word: dict[str, list[EventType]] = {}
    written: dict[str, str] = {}
    for kind in known:
        for name in kind.all_names():
            by_word.setdefault(name.casefold(), []).append(kind)
            written.setdefault(name.casefold(), name)
    found: set[EventType] = set()
    for word in wanted:
        if word.casefold() not in by_word:
            near = difflib.get_close_matches(word.casefold(), written, n=1)
            hint = f"did you mean {written[near[0]]!r}?" if near else "see inspector list event"
            raise UsageError(f"unknown event {word!r}; {hint}")
        found.update(by_word[word.casefold()])
    return frozenset(found)


def spellings(types: Iterable[EventType]) -> frozenset[str]:
    """All that these types may be called."""
    return frozenset(name for kind in types for name in kind.all_names())
