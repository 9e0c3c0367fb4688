"""Where the kernel dropped packets, which stands for the reason before Linux 5.17."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from exporter.bpf.reasons import Reasons
from exporter.bpf.symbols import KallsymsTable
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

UNKNOWN: Final = "unknown"
_MOST: Final = 8192

_log = logging.getLogger(__name__)


class DropPlaces(Reasons):
    """Lower half of an address to the name of the function there; `unknown` where it cannot be told.

    Args:
        table: the kernel's table of symbols.

    Raises:
        UnsupportedError: there is no such table.
    """

    def __init__(self, table: Path) -> None:
        super().__init__({}, ())
        self._table = KallsymsTable(table)
        self._functions: dict[int, str] = {}
        with suppress(UnsupportedError):  # `learn` tells; read now, as a cycle has less time
            self._table.read()

    def learn(self, numbers: Iterable[int]) -> None:
        """Look up those that are new, all at once, as that costs as much as one."""
        new = {number for number in numbers if number not in self._functions}
        if not new:
            return
        try:
            found = self._table.at_lower_halves(new)
        except UnsupportedError as error:
            _log.warning("functions that drop packets stay unknown: %s", error)
            found = {}
        if len(self._functions) + len(new) > _MOST:
            self._functions.clear()
        self._functions |= {number: found[number].function if number in found else UNKNOWN for number in new}

    def __getitem__(self, number: int) -> str:
        """Name of the function."""
        return self._functions.get(number, UNKNOWN)

    def close(self) -> None:
        """Close the table; safe to repeat."""
        self._table.close()
