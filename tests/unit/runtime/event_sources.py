"""Sources of events that do what a test says."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.event import Event

LIMIT: Final = 64


class Fed:
    """Gives what it is fed, at most `limit` at once; readable while there is more, as a ring buffer is."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._events: list[Event] = []
        self._limit = limit
        self._lock = threading.Lock()
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.takes: list[int] = []

    def feed(self, events: Sequence[Event]) -> None:
        """Have events ready."""
        with self._lock:
            self._events += events
            os.eventfd_write(self._ready, 1)

    def fileno(self) -> int:
        return self._ready

    def take(self) -> list[Event]:
        with self._lock:
            taken, self._events = self._events[: self._limit], self._events[self._limit :]
            if not self._events:
                os.eventfd_read(self._ready)
        self.takes.append(len(taken))
        return taken


class Breaks(Fed):
    """Raises when asked for events."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def take(self) -> list[Event]:
        raise self._error
