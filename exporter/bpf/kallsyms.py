"""The kernel's own table of symbols, /proc/kallsyms."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

KALLSYMS: Final = Path("/proc/kallsyms")
_CODE: Final = frozenset(b"tTwW")


class Symbol(NamedTuple):
    """One line of the table.

    Args:
        name: of a function or variable.
        module: that it is part of, empty for the kernel proper.
    """

    name: str
    module: str


class Kallsyms:
    """The table, read when first asked; some 30 ms and 5 to 15 MB, so do not hold on to it.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path = KALLSYMS) -> None:
        self._path = path

    @cached_property
    def _content(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            hint = "needs procfs and a kernel with CONFIG_KALLSYMS"
            raise UnsupportedError(f"{self._path} cannot be read ({error.strerror}); {hint}") from error

    def has(self, name: str) -> bool:
        """Whether there is a symbol of this name, code or data. Raises UnsupportedError."""
        return any(symbol.name == name for symbol, _ in self._beginning(name))

    def function(self, name: str) -> Symbol | None:
        """The function of this name. Raises UnsupportedError."""
        return next((symbol for symbol, code in self._beginning(name) if code and symbol.name == name), None)

    def variants(self, name: str) -> list[str]:
        """Functions `name.<suffix>` that the compiler made of this one, sorted. Raises UnsupportedError."""
        return sorted({each.name for each, code in self._beginning(f"{name}.") if code})

    def _beginning(self, name: str) -> Iterator[tuple[Symbol, bool]]:
        """Symbols whose name begins so, and whether they are code."""
        wanted, at = f" {name}".encode(), -1
        while (at := self._content.find(wanted, at + 1)) >= 0:
            end = self._content.find(b"\n", at)
            line = self._content[at : end if end >= 0 else None].decode("utf-8", "replace")
            found, _, module = line.strip().partition("\t")
            yield Symbol(found, module.strip("[]")), self._content[at - 1] in _CODE
