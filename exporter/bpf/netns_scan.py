"""The kernel scan: the counters of every network namespace by one eBPF program, without visiting any.

Numbers and names are those of /proc/net/snmp, netstat and snmp6. Where in the kernel's arrays a counter is, the
running kernel's BTF says; what this kernel does not count is a gap.
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from exporter.bpf import mib_names, objects
from exporter.bpf.kernel_btf import KernelBtf
from exporter.bpf.loader import BpfObject
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.bpf.btf import Btf
    from exporter.bpf.mib_names import Mib

# Namespaces that have a place, 3.6 KiB of kernel memory each; further ones are visited as if there were no scan.
CAPACITY: Final = 1024
FILES: Final = {"snmp": ("Ip", "Icmp", "Tcp", "Udp"), "netstat": ("TcpExt", "IpExt"), "snmp6": ("snmp6",)}
_WORD: Final = 8  # bytes
_INODE: Final = struct.Struct("=Q")  # first in a row
_OUTCOME: Final = struct.Struct("=2Q")  # namespaces seen, rows filled
_GAP: Final = -1  # place of the None at the end of a row

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
        self._pickers: dict[tuple[str, tuple[str, ...]], Callable[[Numbers], Numbers]] = {}

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

    def picker(self, section: str, columns: tuple[str, ...]) -> Callable[[Numbers], Numbers]:
        """What takes the columns out of a row that ends in a gap, for those that there are not."""
        found = self._pickers.get((section, columns))
        if found is None:
            places = self.places.get(section, {})
            # Two places more, as an itemgetter of a single place gives no tuple.
            take = itemgetter(*(places.get(name, _GAP) for name in columns), _GAP, _GAP)
            found = self._pickers[section, columns] = lambda numbers: take(numbers)[:-2]
        return found


class Row:
    """The counters of one namespace as one scan found them.

    Args:
        content: the row's bytes.
        columns: where in it is what.
    """

    __slots__ = ("_columns", "_numbers", "_picked", "content")

    def __init__(self, content: bytes, columns: Columns) -> None:
        self.content = content
        self._columns = columns
        self._numbers: Numbers = (*memoryview(content).cast("Q").tolist(), None)
        self._picked: dict[tuple[str, tuple[str, ...]], Numbers] = {}

    def covers(self, name: str) -> bool:
        """Whether the row has what /proc/net/<name> prints; a kernel without IPv6 has no snmp6."""
        if name == "snmp6":
            return bool(self._numbers[self._columns.fields["has_ip6"][0]])
        return name in FILES

    def pick(self, section: str, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not count. /proc/net/snmp6 is one section."""
        found = self._picked.get((section, columns))
        if found is None:
            found = self._picked[section, columns] = self._columns.picker(section, columns)(self._numbers)
        return found


class NetnsScan:
    """The loaded program and the memory that it fills.

    Args:
        path: the object.
        capacity: namespaces that have a place.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(self, path: Path | None = None, capacity: int = CAPACITY) -> None:
        self._bpf = BpfObject(path or objects.find("netns_scan"))
        try:
            self._bpf.set_max_entries("rows", capacity)
            self._load()
            self.columns = Columns(self._bpf.btf, KernelBtf())
            self._width = self._bpf.map("rows").value_size
            self._memory = self._bpf.map("rows").mapped()
            self._outcome = self._bpf.map("outcomes").mapped()
        except BaseException:
            self._bpf.close()
            raise
        self._places: dict[int, int] = {}
        self._rows: dict[int, Row] = {}
        self.over_capacity = 0

    def _load(self) -> None:
        try:
            self._bpf.load()
        except UnsupportedError as error:
            message = f"{error}; the kernel scan needs Linux 5.19"  # for bpf_map_lookup_percpu_elem
            raise UnsupportedError(message) from error

    def scan(self) -> None:
        """Fill all rows anew. Raises SourceError when the program fails."""
        code = self._bpf.run("scan")
        if code:
            raise SourceError("the kernel scan", "a scan that ends well", code)
        seen, rows = _OUTCOME.unpack_from(self._outcome)
        places = range(0, rows * self._width, self._width)
        self._places = {_INODE.unpack_from(self._memory, place)[0]: place for place in places}
        self._places.pop(0, None)  # those that ended while they were read
        self._rows = {inode: row for inode, row in self._rows.items() if inode in self._places}
        self.over_capacity = seen - rows

    def row(self, inode: int) -> Row | None:
        """A namespace's counters; None for one that is new, gone, or beyond the capacity.

        While nothing changes in the namespace it is the same object, so that nothing has to be picked again.
        """
        place = self._places.get(inode)
        if place is None:
            return None
        content = self._memory[place : place + self._width]
        row = self._rows.get(inode)
        if row is None or row.content != content:
            row = self._rows[inode] = Row(content, self.columns)
        return row

    def close(self) -> None:
        """Unload; rows stay usable."""
        self._memory.close()
        self._outcome.close()
        self._bpf.close()


def _fields(types: Btf, name: str, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """First word and number of words of each member of a struct, those of structs within it included."""
    for member in types.struct(name).members:
        place = start + member.bit_offset // (8 * _WORD)
        inner = types.resolve(member.type_id)
        if inner.members:
            yield from _fields(types, inner.name, place)
        else:
            yield member.name, (place, inner.count or 1)
