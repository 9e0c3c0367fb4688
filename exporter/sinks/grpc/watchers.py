"""Those who watch the stream: each has a queue of its own, so whoever does not read misses only its own events."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from exporter.events.stream_messages import encode_event, encode_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.events.selection import Selection
    from exporter.events.stream_messages import Reply


class Watcher:
    """One client. Offered events by the sink's thread, takes them in its own.

    Args:
        selection: which events it wants.
        places: events that wait for it at most.
        hang_up: ends its call from outside, even while that is blocked in sending.
    """

    def __init__(self, selection: Selection, places: int, hang_up: Callable[[], object]) -> None:
        self.selection = selection
        self.hang_up = hang_up
        self._places = places
        self._queue: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._missed = 0  # since the last event in the queue
        self._read_at = time.monotonic()
        self._closed = False

    def offer(self, events: Sequence[bytes]) -> int:
        """Queue encoded events; returns how many found no place. After the end, nobody misses them."""
        lost = 0
        with self._changed:
            if self._closed:
                return 0
            if not self._queue:
                self._read_at = time.monotonic()  # so far there was nothing that it could have read
            for event in events:
                if len(self._queue) < self._places:
                    self._queue.append(event + encode_lost(self._missed))
                    self._missed = 0
                else:
                    self._missed += 1
                    lost += 1
            self._changed.notify()
        return lost

    def take(self) -> bytes | None:
        """Wait for the next event; None when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            self._read_at = time.monotonic()
            return self._queue.popleft() if self._queue else None

    def stuck(self) -> float:
        """Seconds for which it has read nothing although something waits."""
        with self._changed:
            return time.monotonic() - self._read_at if self._queue else 0.0

    def close(self) -> None:
        """No more events; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()


class Watchers:
    """All of them.

    Args:
        most: how many there may be.
        places: events that wait for each at most.
        patience: seconds for which one may read nothing while its queue is full.
    """

    def __init__(self, most: int, places: int, patience: float) -> None:
        self._most = most
        self._places = places
        self._patience = patience
        self._lock = threading.Lock()
        self._all: list[Watcher] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._all)

    def add(self, selection: Selection, hang_up: Callable[[], object]) -> Watcher | None:
        """A further one; None when there are too many."""
        watcher = Watcher(selection, self._places, hang_up)
        with self._lock:
            if len(self._all) >= self._most:
                return None
            self._all.append(watcher)
            if self._closed:
                watcher.close()
        return watcher

    def remove(self, watcher: Watcher) -> None:
        """Forget one whose call is over."""
        with self._lock:
            self._all.remove(watcher)

    def publish(self, replies: Sequence[tuple[object, Reply]]) -> tuple[int, int]:
        """Offer events, each with what tells its type, to everybody who wants them.

        Returns how many were lost, added over the clients, and how many clients were hung up on for reading nothing.
        """
        with self._lock:
            watchers = tuple(self._all)
        if not watchers:
            return 0, 0
        encoded = [(kind, reply.meta, encode_event(reply)) for kind, reply in replies]
        lost = hung_up = 0
        for watcher in watchers:
            wants = watcher.selection.wants
            missed = watcher.offer(
                [content for kind, meta, content in encoded if wants(kind, meta.pod, meta.namespace, meta.node)]
            )
            lost += missed
            if missed and watcher.stuck() > self._patience:
                watcher.hang_up()
                watcher.close()
                hung_up += 1
        return lost, hung_up

    def close(self) -> None:
        """Nobody gets further events, whoever comes later neither."""
        with self._lock:
            self._closed = True
            for watcher in self._all:
                watcher.close()
