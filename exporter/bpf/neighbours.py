"""Neighbour entries of every network namespace by family and state, by one eBPF program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import objects
from exporter.bpf.layout import bind
from exporter.bpf.loader import BpfObject
from exporter.bpf.netns_rows import CAPACITY
from exporter.errors import SourceError

if TYPE_CHECKING:
    from exporter.bpf.layout import Layout

_DONE, _TORN, _FULL = 0, 1, 2  # enum result of bpf/neighbours.bpf.c
_ATTEMPTS: Final = 5


class Neighbours(NamedTuple):
    """Entries of one namespace, by the number of the bit that is their state.

    Args:
        run: in which they were counted.
        ipv4: of the ARP table.
        ipv6: of the neighbour discovery table.
    """

    run: int
    ipv4: tuple[int, ...]
    ipv6: tuple[int, ...]


_NONE: Final = Neighbours(0, (0,) * 8, (0,) * 8)


class NeighbourScan:
    """The loaded program and what its latest run counted.

    Args:
        capacity: namespaces with entries that have a place.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._bpf = BpfObject(objects.find("neighbours"))
        try:
            self._bpf.set_max_entries("namespaces", capacity)
            self._bpf.load()
            self._layout: Layout[Neighbours] = bind(self._bpf.btf, "neighbours", Neighbours)
            self._map = self._bpf.map("namespaces")
        except BaseException:
            self._bpf.close()
            raise
        self._found: dict[int, Neighbours] = {}
        self._runs = 0
        self.over_capacity = 0

    def scan(self) -> None:
        """Count all entries anew. Raises SourceError when the tables change all the time under the program."""
        for _ in range(_ATTEMPTS):
            code = self._bpf.run("scan")
            self._runs += 1
            if code != _TORN:
                break
        if code == _TORN:
            raise SourceError("the kernel scan of neighbours", "tables that stay the same for a moment")
        self.over_capacity = int(code == _FULL)
        self._take()

    def _take(self) -> None:
        """Keep what the latest run counted, and make room: an entry of another run is of a namespace without any."""
        _, keys, values = self._map.read()
        inodes = [int.from_bytes(keys[at : at + 8], "little") for at in range(0, len(keys), 8)]
        found = dict(zip(inodes, self._layout.iter_unpack(values), strict=True))
        self._found = {inode: each for inode, each in found.items() if each.run == self._runs}
        for inode in found.keys() - self._found.keys():
            self._map.delete(inode.to_bytes(8, "little"))

    def row(self, inode: int) -> Neighbours | None:
        """Entries of a namespace; of one that has none, no entries; None for all when not all had a place."""
        return None if self.over_capacity else self._found.get(inode, _NONE)

    def close(self) -> None:
        """Unload; rows stay usable."""
        self._bpf.close()
