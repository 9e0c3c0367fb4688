"""Entries of maps as named tuples, the values of all CPUs summed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Generic, TypeVar

from exporter.bpf.layout import LayoutMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.bpf.btf import Btf
    from exporter.bpf.layout import Layout
    from exporter.bpf.maps import Map

K = TypeVar("K", bound=tuple[object, ...])
V = TypeVar("V", bound=tuple[object, ...])


class Entries(Generic[K, V]):
    """A map with typed keys and values.

    Args:
        source: the map.
        key: layout of its keys.
        value: layout of its values; of a per-CPU map all fields must be numbers, and the size a multiple of 8.

    Raises:
        LayoutMismatchError: the map's sizes are others.
    """

    def __init__(self, source: Map, key: Layout[K], value: Layout[V]) -> None:
        sizes = source.key_size, source.value_size
        if sizes != (key.size, value.size):
            raise LayoutMismatchError(source.path, f"keys and values of {key.size} and {value.size} bytes", sizes)
        if source.per_cpu and (value.size % 8 or not value.summable):
            raise LayoutMismatchError(source.path, f"{value.cls.__name__} to be numbers and a multiple of 8 bytes")
        self.source = source
        self._key = key
        self._value = value

    def read(self) -> Iterator[tuple[K, V]]:
        """All entries, read in batches. Raises SourceError."""
        _, keys, values = self.source.read()
        return zip(self._key.iter_unpack(keys), self._values(values), strict=True)

    def _values(self, raw: bytes) -> Iterator[V]:
        if not self.source.per_cpu:
            return self._value.iter_unpack(raw)
        size, total = self.source.entry_size, self._value.total
        return (total(raw[at : at + size]) for at in range(0, len(raw), size))


def counters(source: Map, btf: Btf, enum: str) -> dict[str, int]:
    """An array of __u64 whose indices are an enum: the sum over the CPUs by lower-case name, without the last value.

    The enum's last value is the size of the array. Raises SourceError.
    """
    _, _, raw = source.read()
    sums = [sum(row) for row in zip(*[iter(struct.unpack(f"<{len(raw) // 8}Q", raw))] * source.cpus, strict=True)]
    return {name.lower(): sums[number] for name, number in btf.enum(enum).items() if number < len(sums)}
