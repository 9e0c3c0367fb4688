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
        types: spellings of types, all of them for each type.
        pods: patterns as in the shell, `*` and `?`.
        namespaces: as `pods`.
        nodes: as `pods`.
    """

    types: frozenset[str] = frozenset()
    pods: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    def wants(self, type_name: str, pod: str, namespace: str, node: str) -> bool:
        """Whether an event is among the wanted ones; the host's have an empty pod and namespace."""
        return (
            (not self.types or type_name in self.types)
            and _fits(pod, self.pods)
            and _fits(namespace, self.namespaces)
            and _fits(node, self.nodes)
        )


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def words(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, as a request holds it."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def spellings(wanted: Iterable[str], known: Iterable[EventType]) -> frozenset[str]:
    """Every spelling of the types that are named, in capitals or not. Raises UsageError naming the nearest type."""
    kinds = [kind.all_names() for kind in known]
    written = {name.casefold(): name for names in kinds for name in reversed(names)}
    found: set[str] = set()
    for word in wanted:
        if word.casefold() not in written:
            near = difflib.get_close_matches(word.casefold(), written, n=1)
            hint = f"did you mean {written[near[0]]!r}?" if near else "see inspector list event"
            raise UsageError(f"unknown event {word!r}; {hint}")
        for names in kinds:
            if word.casefold() in {name.casefold() for name in names}:
                found.update(names)
    return frozenset(found)
