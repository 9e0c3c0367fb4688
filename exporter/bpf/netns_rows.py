"""One row per network namespace, filled by one run of an eBPF program that includes bpf/include/netns_rows.h."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from exporter.bpf.loader import BpfObject
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.bpf.btf import Btf

# Namespaces that have a place, at most 4 KiB of kernel memory each; further ones are visited as if there were no scan.
CAPACITY: Final = 1024
_INODE: Final = struct.Struct("=Q")  # first in a row
_OUTCOME: Final = struct.Struct("=2Q")  # namespaces seen, rows filled


class Decoded(Protocol):
    """What a row's bytes become."""

    @property
    def content(self) -> bytes:
        """The bytes."""


R = TypeVar("R", bound=Decoded)


class NetnsRows(Generic[R]):
    """The loaded program and the memory that it fills.

    Args:
        path: the object.
        decoder: given the object's types, makes what decodes a row's bytes.
        capacity: namespaces that have a place.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(self, path: Path, decoder: Callable[[Btf], Callable[[bytes], R]], capacity: int = CAPACITY) -> None:
        self._bpf = BpfObject(path)
        try:
            self._bpf.set_max_entries("rows", capacity)
            self._load()
            self._decode = decoder(self._bpf.btf)
            self._width = self._bpf.map("rows").value_size
            self._memory = self._bpf.map("rows").mapped()
            self._outcome = self._bpf.map("outcomes").mapped()
        except BaseException:
            self._bpf.close()
            raise
        self._rows: dict[int, R] = {}
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
        seen, count = _OUTCOME.unpack_from(self._outcome)
        known, self._rows = self._rows, {}
        for place in range(0, count * self._width, self._width):
            content = self._memory[place : place + self._width]
            (inode,) = _INODE.unpack_from(content)
            row = known.get(inode)
            self._rows[inode] = self._decode(content) if row is None or row.content != content else row
        self._rows.pop(0, None)  # those that ended while they were read
        self.over_capacity = seen - count

    def row(self, inode: int) -> R | None:
        """What was found in a namespace; None for one that is new, gone, or beyond the capacity.

        While nothing changes in the namespace it is the same object, so that nothing has to be decoded again.
        """
        return self._rows.get(inode)

    def close(self) -> None:
        """Unload; rows stay usable."""
        self._memory.close()
        self._outcome.close()
        self._bpf.close()
