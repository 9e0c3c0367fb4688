"""The walk over the TCP sockets of all network namespaces: one eBPF program in the stead of a dump in each of them.

What it finds is what NETLINK_SOCK_DIAG would give in each namespace, summed up in the kernel. The numbers of a
namespace are whole, or there are none.
"""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias, TypeVar

from exporter.bpf import objects
from exporter.bpf.layout import bind
from exporter.bpf.loader import BpfObject
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

# Namespaces that have a place, 120 bytes of kernel memory each.
CAPACITY: Final = 1024
# Listeners of the whole node that have a place, 16 bytes each.
LISTENERS: Final = 16 * 1024
# Local ports in use and different destinations of the whole node, 16 bytes each; a power of two. Enough for some
# 100,000 connections, as the fuller it is the more probable it becomes that one finds no place.
COUNTED: Final = 256 * 1024

# As bound to the object's types, but without the names: there are many of them in each cycle.
_ROW: Final = struct.Struct("=2I4Q4I16I")
_NUMBERS: Final = 10  # before the array at the end of a row
_HEAD: Final = struct.Struct("=2I")  # of a row: its inode, and whether it is incomplete
_LISTENER: Final = struct.Struct("=4I")

Listening: TypeAlias = tuple[int, int, int]  # local port, connections that wait to be accepted, and their limit


class Row(NamedTuple):
    """What the walk found in a namespace, listeners apart.

    Args:
        inode: as in /proc/<pid>/ns/net; 0 where the row counts for nothing.
        incomplete: not 0 when something had no room, or only the kernel itself can tell it.
        net: its address in the kernel, with its cookie its identity there.
        cookie: never given away again.
        rxqueue: bytes received and not yet read.
        txqueue: bytes written and not yet acknowledged.
        low_port: first of the ports that connections get by themselves.
        high_port: last of them.
        ports: how many of them are in use.
        busiest: most connections from one local address to one remote address and port.
        states: connections by the number of their state.
    """

    inode: int
    incomplete: int
    net: int
    cookie: int
    rxqueue: int
    txqueue: int
    low_port: int
    high_port: int
    ports: int
    busiest: int
    states: tuple[int, ...]


class Listener(NamedTuple):
    """A listening socket as the program writes it down.

    Args:
        row: number of its namespace's row.
        port: local port.
        depth: connections that wait to be accepted.
        limit: how many may.
    """

    row: int
    port: int
    depth: int
    limit: int


class Outcome(NamedTuple):
    """How a walk went.

    Args:
        namespaces: seen.
        rows: namespaces that had a place.
        listeners: that had a place.
        sockets: of those namespaces, listeners included.
        again: chains of sockets that changed while they were read, and were read again.
        unsettled: chains that were given up.
    """

    namespaces: int
    rows: int
    listeners: int
    sockets: int
    again: int
    unsettled: int


def unpack(content: bytes) -> Row:
    """A row of its bytes."""
    numbers = _ROW.unpack(content)
    return Row(*numbers[:_NUMBERS], numbers[_NUMBERS:])  # type: ignore[call-arg]  # mypy does not count a slice


class SocketWalk(Generic[T]):
    """The loaded programs and the memory that they fill.

    Args:
        make: makes what `row` gives, of a row and the listeners of its namespace.
        path: the object.
        capacity: namespaces that have a place.
        listeners: listeners that have a place.
        counted: places for ports and destinations, a power of two.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(
        self,
        make: Callable[[Row, tuple[Listening, ...]], T],
        path: Path | None = None,
        *,
        capacity: int = CAPACITY,
        listeners: int = LISTENERS,
        counted: int = COUNTED,
    ) -> None:
        self._make = make
        self._bpf = BpfObject(path or objects.find("socket_walk"))
        try:
            for name, entries in (("rows", capacity), ("listeners", listeners), ("counted", counted)):
                self._bpf.set_max_entries(name, entries)
            self._bpf.set_variable("counted_mask", counted - 1)
            self._bpf.set_variable("seed", secrets.randbits(64))
            for name, cls in (("row", Row), ("listener", Listener)):
                bind(self._bpf.btf, name, cls)
            self._outcome_layout = bind(self._bpf.btf, "outcome", Outcome)
            self._load()
            self._rows, self._listeners, self._outcome = (
                self._bpf.map(name).mapped() for name in ("rows", "listeners", "outcomes")
            )
        except BaseException:
            self._bpf.close()
            raise
        self.outcome = Outcome(0, 0, 0, 0, 0, 0)
        self.over_capacity = 0  # namespaces that have no row, for want of room or because nothing held still
        self._places: dict[int, int] = {}
        self._listening: dict[int, tuple[Listening, ...]] = {}
        self._listening_content = b""
        self._made: dict[int, tuple[bytes, tuple[Listening, ...], T]] = {}

    def _load(self) -> None:
        needs = "the walk over TCP sockets needs Linux 5.19"
        try:
            self._bpf.load()
        except UnsupportedError as error:
            raise UnsupportedError(f"{error}; {needs}") from error
        if self._bpf.run("begin"):
            raise UnsupportedError(f"the kernel's tables of TCP sockets are others than expected; {needs}")

    def scan(self) -> None:
        """Walk over all sockets anew. Raises SourceError when a program fails."""
        if self._bpf.run("begin"):
            raise SourceError("the walk over TCP sockets", "the kernel's tables")
        while self._bpf.run("walk"):  # in several runs, so that other work gets at the processor between them
            pass
        self._bpf.run("end")
        self.outcome = outcome = self._outcome_layout.unpack(self._outcome[:])
        # What a chain held that did not hold still may have been anyone's.
        self._places = {} if outcome.unsettled else dict(self._whole(outcome.rows))
        self._made = {inode: made for inode, made in self._made.items() if inode in self._places}
        self.over_capacity = outcome.namespaces - len(self._places)
        self._sort(self._listeners[: outcome.listeners * _LISTENER.size])

    def _whole(self, rows: int) -> Iterator[tuple[int, int]]:
        """Inode and place of each row that counts."""
        for place in range(0, rows * _ROW.size, _ROW.size):
            inode, incomplete = _HEAD.unpack_from(self._rows, place)
            if inode and not incomplete:
                yield inode, place

    def _sort(self, content: bytes) -> None:
        """The listeners by the place of their namespace's row; most of the time they are those of the walk before."""
        if content == self._listening_content:
            return
        self._listening_content = content
        found: dict[int, list[Listening]] = {}
        for row, *listening in _LISTENER.iter_unpack(content):
            found.setdefault(row * _ROW.size, []).append(tuple(listening))
        self._listening = {place: tuple(listeners) for place, listeners in found.items()}

    def row(self, inode: int) -> T | None:
        """What `make` makes of a namespace, the same object while nothing changes there.

        None for one that is new, gone, without a place, or whose numbers are not whole.
        """
        place = self._places.get(inode)
        if place is None:
            return None
        content = self._rows[place : place + _ROW.size]
        listening = self._listening.get(place, ())
        known = self._made.get(inode)
        if known is None or known[0] != content or known[1] != listening:
            known = self._made[inode] = content, listening, self._make(unpack(content), listening)
        return known[2]

    def close(self) -> None:
        """Unload; what was made stays usable."""
        for memory in (self._rows, self._listeners, self._outcome):
            memory.close()
        self._bpf.close()
