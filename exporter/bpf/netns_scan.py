"""The kernel scan: the counters of every network namespace by one eBPF program, without visiting any.

Numbers and names are those of /proc/net/snmp, netstat and snmp6. Where in the kernel's arrays a counter is, the
running kernel's BTF says; what this kernel does not count is a gap.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from exporter.bpf import mib_names, objects
from exporter.bpf.kernel_btf import KernelBtf
from exporter.bpf.netns_rows import CAPACITY, NetnsRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.bpf.btf import Btf
    from exporter.bpf.mib_names import Mib

FILES: Final = {"snmp": ("Ip", "Icmp", "Tcp", "Udp"), "netstat": ("TcpExt", "IpExt"), "snmp6": ("snmp6",)}
_WORD: Final = 8  # bytes

Numbers: TypeAlias = tuple[int | None, ...]


class Columns:
    """Where the columns of each section are in a row; the same for all rows.

    Args:
        types: of the object, which tell the layout of `struct row`.
        kernel: names the running kernel's counters.
    """

    def __init__(self, types: Btf, kernel: KernelBtf) -> None:
        self.fields = dict(_fields(types, "row", 0))
        self.places = {section: dict(self._of(section, kernel)) for section in mib_names.SECTIONS}
        self.has_ip6 = _picker([self.fields["has_ip6"][0]])
        self._pickers: dict[tuple[str, tuple[str, ...]], Callable[[bytes], Numbers]] = {}

    def _of(self, section: str, kernel: KernelBtf) -> Iterator[tuple[str, int]]:
        for mib in mib_names.SECTIONS[section]:
            yield from self._in_enum(mib, kernel.enum_of(f"{mib.prefix}NUM"))
        for column, (field, place) in mib_names.PLACES.get(section, {}).items():
            yield column, self.fields[field][0] + place

    def _in_enum(self, mib: Mib, numbers: dict[str, int]) -> Iterator[tuple[str, int]]:
        start, length = self.fields[mib.field]
        taken = set()
        for column, names in mib.names.items():
            number = next((numbers[mib.prefix + name] for name in names if mib.prefix + name in numbers), length)
            if number < length and number not in taken:
                taken.add(number)
                yield column, start + number

    def picker(self, section: str, columns: tuple[str, ...]) -> Callable[[bytes], Numbers]:
        """What takes the columns out of a row's bytes, with a gap for each that there is not."""
        found = self._pickers.get((section, columns))
        if found is None:
            known = self.places.get(section, {})
            found = self._pickers[section, columns] = _picker([known.get(name) for name in columns])
        return found


class Row:
    """The counters of one namespace as one scan found them.

    Args:
        content: the row's bytes.
        columns: where in it is what.
    """

    __slots__ = ("_columns", "_picked", "content")

    def __init__(self, content: bytes, columns: Columns) -> None:
        self.content = content
        self._columns = columns
        self._picked: dict[tuple[str, tuple[str, ...]], Numbers] = {}

    def covers(self, name: str) -> bool:
        """Whether the row has what /proc/net/<name> prints; a kernel without IPv6 has no snmp6."""
        if name == "snmp6":
            return any(self._columns.has_ip6(self.content))
        return name in FILES

    def pick(self, section: str, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not count. /proc/net/snmp6 is one section."""
        found = self._picked.get((section, columns))
        if found is None:
            found = self._picked[section, columns] = self._columns.picker(section, columns)(self.content)
        return found


class NetnsScan(NetnsRows[Row]):
    """The loaded program and the memory that it fills.

    Args:
        path: the object.
        capacity: namespaces that have a place.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(self, path: Path | None = None, capacity: int = CAPACITY) -> None:
        super().__init__(path or objects.find("netns_scan"), self._decoder, capacity)

    def _decoder(self, types: Btf) -> Callable[[bytes], Row]:
        self.columns = Columns(types, KernelBtf())
        return lambda content: Row(content, self.columns)


def _picker(places: list[int | None]) -> Callable[[bytes], Numbers]:
    """What decodes the words at these places and no others; a row has hundreds, of which most are asked for rarely."""
    known = sorted({place for place in places if place is not None})
    gaps = [place - before - 1 for before, place in pairwise([-1, *known])]
    words = struct.Struct("=" + "".join(f"{gap * _WORD}xQ" for gap in gaps))
    # Two more, as an itemgetter of a single place gives no tuple.
    order = itemgetter(*(-1 if place is None else known.index(place) for place in places), -1, -1)
    return lambda content: order((*words.unpack_from(content), None))[:-2]


def _fields(types: Btf, name: str, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """First word and number of words of each member of a struct, those of structs within it included."""
    for member in types.struct(name).members:
        place = start + member.bit_offset // (8 * _WORD)
        inner = types.resolve(member.type_id)
        if inner.members:
            yield from _fields(types, inner.name, place)
        else:
            yield member.name, (place, inner.count or 1)
