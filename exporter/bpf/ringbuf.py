"""Ring buffers: taking the records that programs sent, a bounded number at a time."""

from __future__ import annotations

import ctypes
import errno
from typing import TYPE_CHECKING, Final

from exporter.bpf.libbpf import RECEIVE
from exporter.errors import SourceError

if TYPE_CHECKING:
    from exporter.bpf.libbpf import Library
    from exporter.bpf.maps import Map

_FULL: Final = -errno.ECANCELED  # what our callback says when it has enough


class RingBuffer:
    """Consumer of a ring buffer. Used by one thread.

    Args:
        library: libbpf.
        ring: the map.

    Raises:
        SourceError: the map is no ring buffer.
    """

    def __init__(self, library: Library, ring: Map) -> None:
        self._library = library
        self._records: list[bytes] = []
        self._limit = 0
        self._receive = RECEIVE(self._take)  # must live as long as the handle
        handle = library.call["ring_buffer__new"](ring.fd, self._receive, None, None)
        if not handle:
            raise SourceError(ring.path, "a ring buffer", library.reason(ctypes.get_errno()))
        self._handle: int | None = handle
        self._path = ring.path

    def _take(self, _context: int | None, data: int, size: int) -> int:
        self._records.append(ctypes.string_at(data, size))
        return _FULL if len(self._records) >= self._limit else 0

    def fileno(self) -> int:
        """A descriptor that is readable when there are records, for a selector."""
        return int(self._library.call["ring_buffer__epoll_fd"](self._handle))

    def consume(self, limit: int = 4096) -> list[bytes]:
        """Take what is there, at most `limit` records, without waiting. Raises SourceError."""
        self._limit, self._records = limit, []
        code = self._library.call["ring_buffer__consume"](self._handle)
        if code < 0 and code != _FULL:
            raise SourceError(self._path, "records", self._library.reason(code))
        return self._records

    def close(self) -> None:
        """Stop consuming; safe to repeat."""
        if self._handle is not None:
            self._library.call["ring_buffer__free"](self._handle)
            self._handle = None
