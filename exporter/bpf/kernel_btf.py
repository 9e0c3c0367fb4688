"""The running kernel's types: its enums by name, and whether a type, function or tracepoint exists.

120,000 types are not decoded to answer a dozen questions: a name is looked up in the strings, and its number in the
type records, both by searching bytes, some milliseconds each. Hold on to the answers rather than to a `KernelBtf`,
which keeps 5 to 10 MiB.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.bpf.btf import RECORD, BtfKind, enum_values, split
from exporter.bpf.elf import read_types
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")
PROVIDED: Final = Path("/run/net-exporter/btf")  # <release>.btf, for kernels that do not tell their types
_SYS: Final = Path("/sys")
_WIDTHS: Final = {BtfKind.ENUM: 8, BtfKind.ENUM64: 12}  # bytes of each value
_ENUM_SIZES: Final = frozenset({1, 2, 4, 8})
_MOST_VALUES: Final = 0xFFFF  # 16 bits hold how many an enum has


class _Trust:
    """Whether the running kernel is believed in what it tells of its types."""

    own = True


def distrust(*, distrusted: bool = True) -> None:
    """From here on do as if the running kernel did not tell its types; objects opened before are not affected."""
    _Trust.own = not distrusted


def is_distrusted() -> bool:
    """Whether `distrust` is in force."""
    return not _Trust.own


def is_told(sys: Path) -> bool:
    """Whether the kernel tells its types itself, so that it can check programs that use them."""
    return (_Trust.own or sys != _SYS) and _own(sys).exists()


def location(sys: Path) -> Path:
    """The file with the types of the kernel: its own, else the one that `types_provider` left.

    Its own where there is neither.
    """
    provided = PROVIDED / f"{os.uname().release}.btf"
    return provided if not is_told(sys) and sys == _SYS and provided.exists() else _own(sys)


def _own(sys: Path) -> Path:
    return sys / VMLINUX.relative_to("/sys")


def require(sys: Path) -> None:
    """Raise UnsupportedError where there are no types; a captured sysfs has none, and then nothing is to be loaded."""
    if not (btf := location(sys)).exists():
        raise UnsupportedError(
            f"{btf} does not exist; it needs a kernel built with CONFIG_DEBUG_INFO_BTF, or types of it from elsewhere: "
            "see inspector btf discover"
        )


class KernelBtf:
    """The BTF of a kernel, read once.

    Args:
        path: where it is.

    Raises:
        UnsupportedError: the kernel was built without BTF.
        SourceError: the file is no BTF.
    """

    def __init__(self, path: Path = VMLINUX) -> None:
        self.path = str(path)
        try:
            raw = read_types(path)
        except OSError as error:
            hint = "needs a kernel built with CONFIG_DEBUG_INFO_BTF"
            raise UnsupportedError(f"{path} cannot be read ({error.strerror}); {hint}") from error
        types, strings = split(raw, self.path)
        self._types, self._strings = bytes(types), bytes(strings)

    def has(self, kind: BtfKind, name: str) -> bool:
        """Whether there is a type of this kind and name."""
        return next(self._named(kind, name), None) is not None

    def has_tracepoint(self, name: str) -> bool:
        """Whether `SEC("tp_btf/<name>")` has something to attach to."""
        return self.has(BtfKind.TYPEDEF, f"btf_trace_{name}")

    def enum(self, name: str) -> dict[str, int]:
        """Values of an enum by name. Raises SourceError when this kernel has no such enum."""
        for kind in _WIDTHS:
            for place in self._named(kind, name):
                return self._values(kind, place)
        raise SourceError(self.path, f"an enum {name}")

    def enum_of(self, value: str) -> dict[str, int]:
        """Values of the enum that has the value `value`: the way to enums without a name.

        Of several enums with this value the first is taken. Raises SourceError when there is none.
        """
        for number in self._places(value):
            for kind, width in _WIDTHS.items():
                place = self._start_of_enum(number, kind, width)
                if place is not None:
                    return self._values(kind, place)
        raise SourceError(self.path, f"an enum with the value {value}")

    def _text(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(0, offset)].decode("ascii", "replace")

    def _places(self, name: str) -> Iterator[int]:
        """Where in the type records the number of a name is written, or a number that happens to be equal."""
        offset = self._strings.find(b"\0" + name.encode() + b"\0")
        if offset < 0:
            return
        for found in re.finditer(re.escape(struct.pack("<I", offset + 1)), self._types):
            if found.start() % 4 == 0:
                yield found.start()

    def _named(self, kind: BtfKind, name: str) -> Iterator[int]:
        # No other word looks like the second one of a record: a type or size of kind << 24 would be above 16 million.
        for place in self._places(name):
            if self._kind_at(place) == kind:
                yield place

    def _kind_at(self, place: int) -> int:
        if place + RECORD.size > len(self._types):
            return 0
        _, info, _ = RECORD.unpack_from(self._types, place)
        return 0 if info & 0xFF0000 else info >> 24 & 0x7F

    def _start_of_enum(self, value: int, kind: BtfKind, width: int) -> int | None:
        """Walk from one value of an enum up to its record."""
        for before, place in enumerate(range(value - RECORD.size, -1, -width)):
            if self._kind_at(place) == kind:
                _, info, size = RECORD.unpack_from(self._types, place)
                if info & _MOST_VALUES > before and size in _ENUM_SIZES:
                    return place
            if before == _MOST_VALUES:
                break
        return None

    def _values(self, kind: BtfKind, place: int) -> dict[str, int]:
        _, info, _ = RECORD.unpack_from(self._types, place)
        start, length = place + RECORD.size, (info & _MOST_VALUES) * _WIDTHS[kind]
        words = struct.unpack_from(f"<{length // 4}I", self._types, start)
        pairs = enum_values(words, wide=kind is BtfKind.ENUM64, signed=bool(info >> 31))
        return {self._text(name): value for name, value in pairs}
