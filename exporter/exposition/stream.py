"""A connection's bytes under deadlines: a client that is slow on purpose holds nothing for long."""

from __future__ import annotations

import io
import time
from http.client import LineTooLong
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

    from _typeshed import ReadableBuffer, WriteableBuffer

IDLE_SECONDS: Final = 120.0  # between requests; longer than scrapers pause
HEAD_SECONDS: Final = 10.0  # from the first byte of a request to its last
ANSWER_SECONDS: Final = 30.0  # for a whole answer
MOST_HEAD_BYTES: Final = 16 * 1024  # request line and all headers
_CHUNK_BYTES: Final = 256 * 1024


class TruncatedError(Exception):
    """The client ended in the middle of a request."""


class Incoming(io.RawIOBase):
    """What the client sends; a request has a deadline as a whole, whatever trickles in."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = 0.0
        self._began = False

    def expect(self) -> None:
        """A request may begin from now on."""
        self._began = False
        self._deadline = time.monotonic() + IDLE_SECONDS

    @property
    def began(self) -> bool:
        """Whether anything has come since."""
        return self._began

    def readable(self) -> bool:
        """Part of the interface."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for bytes. Raises TimeoutError when the deadline has passed."""
        self._connection.settimeout(remaining(self._deadline))
        count = self._connection.recv_into(buffer)
        if not self._began:
            self._began = True
            self._deadline = time.monotonic() + HEAD_SECONDS
        return count


class Head(io.BufferedReader):
    """Lines of a request's head, no more of them than memory is meant for."""

    _room = MOST_HEAD_BYTES

    def renew(self) -> None:
        """The next request has room of its own."""
        self._room = MOST_HEAD_BYTES

    def readline(self, size: int | None = -1) -> bytes:
        """One line. Raises LineTooLong beyond the room, TruncatedError for a line without its end."""
        wanted = self._room + 1 if size is None or size < 0 else min(size, self._room + 1)
        line = super().readline(wanted)
        self._room -= len(line)
        if self._room < 0:
            raise LineTooLong("head")
        if line and not line.endswith(b"\n") and len(line) < wanted:
            raise TruncatedError
        return line


class Outgoing(io.BufferedIOBase):
    """What the client gets, each answer within its deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = 0.0

    def begin(self) -> None:
        """An answer begins now."""
        self._deadline = time.monotonic() + ANSWER_SECONDS

    def writable(self) -> bool:
        """Part of the interface."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Send all of it. Raises TimeoutError when the deadline has passed."""
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                self._connection.settimeout(remaining(self._deadline))
                sent += self._connection.send(view[sent : sent + _CHUNK_BYTES])
            return sent


def remaining(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
