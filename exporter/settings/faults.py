"""What is wrong with a configuration, all of it at once, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import UsageError
from exporter.registry import closest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Place(NamedTuple):
    """Where something is said.

    Args:
        source: a file, an environment variable or an option of the command line.
        line: counted from 1; 0 where there are no lines.
        column: likewise.
    """

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Fault(NamedTuple):
    """One thing that is wrong.

    Args:
        place: where.
        key: dotted path of what it concerns; empty for the whole file.
        text: what is wrong with it, naming it.
        nearest: what was probably meant; empty where nothing is near.
    """

    place: Place
    key: str
    text: str
    nearest: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" + (f"; did you mean {self.nearest!r}?" if self.nearest else "")


class FaultsError(UsageError):
    """A configuration that cannot be used.

    Args:
        faults: in the order of the file, one at least.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place))
        super().__init__("\n".join(map(str, self.faults)))

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each fault."""
        return tuple(map(str, self.faults))


_MOST: int = 100  # of a file of rubbish, nobody reads more


class Faults:
    """Collects what is wrong while a configuration is read."""

    def __init__(self) -> None:
        self._found: list[Fault] = []
        self._more = 0

    def add(self, place: Place, key: str, text: str, word: object = None, known: Sequence[str] = ()) -> None:
        """Add one.

        Args:
            place: where.
            key: what it concerns.
            text: what is wrong.
            word: what was written, if something known was probably meant.
            known: what could have been meant.
        """
        if len(self._found) >= _MOST:
            self._more += 1
            return
        self._found.append(Fault(place, key, text, closest(word, known) if isinstance(word, str) else ""))

    def __bool__(self) -> bool:
        return bool(self._found)

    def check(self) -> None:
        """Raise FaultsError if there are any."""
        if not self._found:
            return
        last = self._found[-1].place
        more = [Fault(Place(last.source, last.line + 1, 1), "", f"and {self._more} more faults")] if self._more else []
        raise FaultsError([*self._found, *more])
