"""The last events, for the page."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.event import Named

MOST: Final = 1000


class RecentEvents:
    """A sink that keeps the last `MOST` events in memory."""

    def __init__(self, most: int = MOST) -> None:
        self._events: deque[Named] = deque(maxlen=most)
        self._lock = threading.Lock()

    def send(self, events: Sequence[Named]) -> None:
        """Keep them in the stead of the oldest."""
        with self._lock:
            self._events.extend(events)

    def latest(self, limit: int, wanted: Callable[[Named], bool]) -> list[Named]:
        """Those that are wanted, the newest first, `limit` at most."""
        with self._lock:
            events = list(self._events)
        found: list[Named] = []
        for named in reversed(events):
            if len(found) >= limit:
                break
            if wanted(named):
                found.append(named)
        return found

    def close(self) -> None:
        """Nothing was opened."""
