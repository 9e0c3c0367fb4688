"""Names of addresses in the kernel's code: `nf_hook_slow+0x3d`, `ip_vs_out+0x12 [ip_vs]`.

They come from /proc/kallsyms: 70 ms to read it, 15 us an address, some 15 MiB while it is kept. `exporter.bpf.bcc`
gives the same names at 4 us an address, for 75 MiB that bcc then holds: it is there for comparison; nothing needs it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf.kallsyms import KALLSYMS
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CODE: Final = frozenset((b"t", b"T", b"w", b"W"))
_START: Final = frozenset((b"_text", b"_stext"))
_DIGITS: Final = 16
_BEHIND: Final = b"~"  # sorts behind everything that follows an address
_LONGEST: Final = 1 << 17  # bytes; what is further behind a symbol is code that the table does not list
_HALF: Final = 1 << 32


class Symbol(NamedTuple):
    """A place in a function of the kernel.

    Args:
        function: its name.
        module: that it is part of, empty for the kernel proper.
        offset: bytes from its beginning.
    """

    function: str
    module: str
    offset: int

    def __str__(self) -> str:
        place = f"{self.function}+{self.offset:#x}"
        return f"{place} [{self.module}]" if self.module else place


class KallsymsTable:
    """The symbols of /proc/kallsyms.

    Read when first asked, and again for whatever is not in the kernel proper, as modules come and go. The file stays
    open: the kernel shows addresses to whoever had the privileges when opening it.

    Args:
        path: where it is.

    Raises:
        UnsupportedError: there is none.
    """

    def __init__(self, path: Path = KALLSYMS) -> None:
        self._path = path
        self._lines: list[bytes] = []  # code by address
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            hint = "needs procfs and a kernel with CONFIG_KALLSYMS"
            raise UnsupportedError(f"{path} cannot be read ({error.strerror}); {hint}") from error

    def read(self) -> None:
        """Read the table. Raises UnsupportedError when its addresses are hidden."""
        self._file.seek(0)
        code = (line for line in self._file.read().split(b"\n") if line[_DIGITS + 1 : _DIGITS + 2] in _CODE)
        self._lines = sorted(code)  # most of it is in order already, which sorting makes use of
        if not self._lines or not int(self._lines[-1][:_DIGITS], 16):
            self._lines = []
            hint = "needs CAP_SYSLOG when the exporter starts, and kernel.kptr_restrict below 2"
            raise UnsupportedError(f"{self._path} shows no addresses; {hint}")

    def at(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        """The place at each address; unknown ones are left out. Raises UnsupportedError when they are all hidden."""
        wanted = tuple(addresses)
        found = {address: _place(self._lines, address) for address in wanted}
        if any(place is None or place.module for place in found.values()):
            self.read()
            found = {address: _place(self._lines, address) for address in wanted}
        return {address: place for address, place in found.items() if place}

    def at_lower_halves(self, halves: Iterable[int]) -> dict[int, Symbol]:
        """As `at`, by the lower 32 bits of addresses in code, which is all within 2 GiB of the kernel's beginning."""
        if not self._lines:
            self.read()
        start = next(int(line[:_DIGITS], 16) for line in self._lines if line[_DIGITS + 3 :] in _START)
        whole = {start + (half - start + _HALF // 2) % _HALF - _HALF // 2: half for half in halves}
        return {whole[address]: place for address, place in self.at(whole).items()}

    def close(self) -> None:
        """Close the file; safe to repeat."""
        self._file.close()


def _place(lines: list[bytes], address: int) -> Symbol | None:
    at = bisect_left(lines, f"{address:0{_DIGITS}x}".encode() + _BEHIND) - 1
    if at < 0:
        return None
    at = bisect_left(lines, lines[at][:_DIGITS])  # of several names for one function the first
    start, _, name, *module = lines[at].decode("utf-8", "replace").split()
    offset = address - int(start, 16)
    return Symbol(name, module[0].strip("[]") if module else "", offset) if offset < _LONGEST else None
