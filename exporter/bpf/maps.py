"""Maps of a loaded object: one entry, all entries in batches, or the memory itself."""

from __future__ import annotations

import ctypes
import errno
import mmap
from typing import TYPE_CHECKING, Final

from exporter.bpf.libbpf import uint32
from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.bpf.libbpf import Library

_BATCH_BYTES: Final = 256 * 1024
_ENOTSUPP: Final = 524  # the kernel's own, unknown to libc
_PER_CPU: Final = frozenset({5, 6, 10, 21})  # PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE
HASHES: Final = frozenset({1, 5, 9, 10})  # HASH, PERCPU_HASH, LRU_HASH, LRU_PERCPU_HASH


class Map:
    """A map of a loaded object. Keys and values are bytes; `exporter.bpf.maps` gives them names.

    Args:
        library: libbpf.
        handle: its bpf_map.
        path: the object, for error messages.
    """

    def __init__(self, library: Library, handle: int, path: str) -> None:
        call = library.call
        self._library = library
        self.name: str = call["bpf_map__name"](handle).decode()
        self.path = f"{path} map {self.name}"
        self.fd: int = call["bpf_map__fd"](handle)
        self.kind: int = call["bpf_map__type"](handle)
        self.key_size: int = call["bpf_map__key_size"](handle)
        self.value_size: int = call["bpf_map__value_size"](handle)
        self.max_entries: int = call["bpf_map__max_entries"](handle)
        self.filled: int | None = None  # entries when it was last read as a whole
        self.per_cpu = self.kind in _PER_CPU
        self.cpus = library.cpus if self.per_cpu else 1
        # What one lookup gives: for per-CPU maps every CPU's value, each padded to 8 bytes.
        self.entry_size = (self.value_size + 7 & ~7) * self.cpus if self.per_cpu else self.value_size

    def _check(self, code: int, wanted: str) -> None:
        if code < 0:
            raise SourceError(self.path, wanted, self._library.reason(code))

    def lookup(self, key: bytes) -> bytes | None:
        """Value of a key, `entry_size` bytes; None when absent. Raises SourceError."""
        value = ctypes.create_string_buffer(self.entry_size)
        code = self._library.call["bpf_map_lookup_elem"](self.fd, key, value)
        if code == -errno.ENOENT:
            return None
        self._check(code, "a value")
        return value.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Set the value of a key, `entry_size` bytes. Raises SourceError, for example when the map is full."""
        if (len(key), len(value)) != (self.key_size, self.entry_size):
            raise SourceError(self.path, f"{self.key_size} and {self.entry_size} bytes", (len(key), len(value)))
        self._check(self._library.call["bpf_map_update_elem"](self.fd, key, value, 0), "room for a key")

    def delete(self, key: bytes) -> bool:
        """Forget a key; whether it was there. Raises SourceError."""
        code = self._library.call["bpf_map_delete_elem"](self.fd, key)
        if code != -errno.ENOENT:
            self._check(code, "to delete a key")
        return bool(code == 0)

    def read(self) -> tuple[int, bytes, bytes]:
        """All entries: how many, their keys end to end, their values (`entry_size` each) end to end.

        Read in batches, one system call for many entries, where the kernel can. Raises SourceError.
        """
        chunk = max(16, min(self.max_entries, _BATCH_BYTES // (self.key_size + self.entry_size)))
        token = ctypes.create_string_buffer(max(self.key_size, 8))
        count, first = uint32(), True
        keys, values, total = [], [], 0
        key_buffer = ctypes.create_string_buffer(self.key_size * chunk)
        value_buffer = ctypes.create_string_buffer(self.entry_size * chunk)
        while True:
            count.value = chunk
            code = self._library.call["bpf_map_lookup_batch"](
                self.fd, None if first else token, token, key_buffer, value_buffer, ctypes.byref(count), None
            )
            if first and code in {-errno.EINVAL, -_ENOTSUPP}:  # no batches for this kind of map before Linux 5.13
                return self._read_one_by_one()
            if code == -errno.ENOSPC:  # a bucket holds more than the buffer
                chunk *= 2
                key_buffer = ctypes.create_string_buffer(self.key_size * chunk)
                value_buffer = ctypes.create_string_buffer(self.entry_size * chunk)
                continue
            if code != -errno.ENOENT:
                self._check(code, "a batch of entries")
            first = False
            total += count.value
            keys.append(ctypes.string_at(key_buffer, count.value * self.key_size))
            values.append(ctypes.string_at(value_buffer, count.value * self.entry_size))
            if code:
                self.filled = total
                return total, b"".join(keys), b"".join(values)

    def _read_one_by_one(self) -> tuple[int, bytes, bytes]:
        found = [(key, value) for key in self._keys() if (value := self.lookup(key)) is not None]
        self.filled = len(found)
        return len(found), b"".join(key for key, _ in found), b"".join(value for _, value in found)

    def _keys(self) -> Iterator[bytes]:
        key: bytes | None = None
        for _ in range(self.max_entries):  # a key deleted meanwhile makes the kernel start over
            following = ctypes.create_string_buffer(self.key_size)
            code = self._library.call["bpf_map_get_next_key"](self.fd, key, following)
            if code == -errno.ENOENT:
                return
            self._check(code, "the next key")
            key = following.raw
            yield key

    def mapped(self) -> mmap.mmap:
        """An array with BPF_F_MMAPABLE as memory; the caller closes it. Raises SourceError for other maps."""
        size = (self.value_size + 7 & ~7) * self.max_entries
        try:
            return mmap.mmap(self.fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        except OSError as error:
            raise SourceError(self.path, "an array with BPF_F_MMAPABLE", error.strerror) from error
