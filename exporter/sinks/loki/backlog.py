"""What waits for Loki: bounded, the oldest go first and the oldest are lost first; every event is accounted for."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exporter.sinks.loki.protocol import Entry, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.sinks.loki.spill import Spill, Stored

OVERFLOW: Final = "overflow"  # Loki was away for longer than the buffer lasts
REFUSED: Final = "refused"  # Loki does not want them
DISK: Final = "disk"  # could not be written or read back
CLOSED: Final = "closed"  # the exporter ended before they were delivered
REASONS: Final = (OVERFLOW, REFUSED, DISK, CLOSED)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Events under way; the backlog is told what became of them.

    Args:
        count: how many.
        entries: the events of a batch from memory.
        stored: the file of a batch from disk.
    """

    count: int
    entries: tuple[Entry, ...] = ()
    stored: Stored | None = None


class Backlog:
    """Filled by one thread, emptied by another. Events put = sent + lost + waiting, at any time.

    Args:
        room: most bytes that waiting events take in memory; a batch under way comes on top.
        batch: bytes at which a batch is full.
        linger: seconds that an event waits for others before its batch goes.
        clock: seconds, of any origin.
        lost: told how many events are lost and by which reason.
        spill: takes what memory has no room for; None loses it.
    """

    def __init__(  # noqa: PLR0913 - each is a setting
        self,
        room: int,
        batch: int,
        linger: float,
        *,
        clock: Callable[[], float],
        lost: Callable[[str, int], None],
        spill: Spill | None = None,
    ) -> None:
        self.sent = 0
        self._room = room
        self._batch = batch
        self._linger = linger
        self._clock = clock
        self._lost = lost
        self._spill = spill
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._since = 0.0  # when the batch that is to go next began
        self._out: Batch | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Events in memory, on disk and under way."""
        with self._lock:
            out = 0 if self._out is None else len(self._out.entries)  # a file under way is still among the files
            return len(self._entries) + out + (0 if self._spill is None else self._spill.events)

    def put(self, entries: Iterable[Entry]) -> None:
        """Add the newest."""
        with self._lock:
            if not self._entries:
                self._since = self._clock()
            for entry in entries:
                self._entries.append(entry)
                self._size += entry.size
            self._make_room()

    def due(self) -> float | None:
        """Seconds until a batch should go; 0 for now, None while there is nothing."""
        with self._lock:
            if self._size >= self._batch or (self._spill is not None and self._spill.oldest()):
                return 0.0
            return max(0.0, self._since + self._linger - self._clock()) if self._entries else None

    def take(self) -> tuple[Batch, bytes] | None:
        """The oldest events, due or not, and their body. Their fate must be told before the next are taken."""
        while batch := self._next():
            # Without the lock: encoding takes milliseconds, in which events may come.
            if batch.stored is None or self._spill is None:
                return batch, encode(batch.entries)
            try:
                return batch, self._spill.body(batch.stored)
            except OSError:
                self._finish(batch, DISK, batch.count)
        return None

    def delivered(self, batch: Batch) -> None:
        """Loki has them."""
        self._finish(batch, "", 0)

    def refused(self, batch: Batch, count: int) -> None:
        """Loki will never have so many of them."""
        self._finish(batch, REFUSED, count)

    def keep(self, batch: Batch) -> None:
        """They were not delivered and wait again, as the oldest."""
        with self._lock:
            if self._out is batch:
                self._take_back(batch)
                self._since = -math.inf  # not to linger once more
                self._make_room()

    def close(self) -> None:
        """Nobody takes any more: what waits goes to disk or is lost. A batch under way counts as not delivered."""
        with self._lock:
            self._closed = True
            if self._out is not None:
                self._take_back(self._out)
            self._make_room()

    def _next(self) -> Batch | None:
        with self._lock:
            stored = None if self._spill is None else self._spill.oldest()
            if stored is not None:
                self._out = Batch(stored.events, stored=stored)
            elif self._entries:
                entries = self._pop()
                self._out = Batch(len(entries), entries)
                self._since = self._clock()
            return self._out

    def _finish(self, batch: Batch, reason: str, lost: int) -> None:
        with self._lock:
            if self._out is not batch:  # the backlog was closed meanwhile
                return
            self._out = None
            if batch.stored is not None and self._spill is not None:
                self._spill.remove(batch.stored)
            self.sent += batch.count - lost
            if lost:
                self._lost(reason, lost)

    def _take_back(self, batch: Batch) -> None:
        self._out = None
        self._entries.extendleft(reversed(batch.entries))
        self._size += sum(entry.size for entry in batch.entries)

    def _make_room(self) -> None:
        room = -1 if self._closed else self._room
        if self._spill is not None:
            while self._entries and self._size > room:
                self._to_disk(self._spill)
            return
        before = len(self._entries)
        while self._entries and self._size > room:
            self._size -= self._entries.popleft().size
        if before > len(self._entries):
            self._lost(CLOSED if self._closed else OVERFLOW, before - len(self._entries))

    def _to_disk(self, spill: Spill) -> None:
        entries = self._pop()
        try:
            spill.add(encode(entries), len(entries))
        except OSError:
            self._lost(DISK, len(entries))
            return
        under_way = None if self._out is None else self._out.stored
        while excess := spill.excess(under_way):
            spill.remove(excess)
            self._lost(OVERFLOW, excess.events)

    def _pop(self) -> tuple[Entry, ...]:
        """The oldest in memory, as many as fill a batch."""
        entries: list[Entry] = []
        size = 0
        while self._entries and (not entries or size + self._entries[0].size <= self._batch):
            entry = self._entries.popleft()
            size += entry.size
            entries.append(entry)
        self._size -= size
        return tuple(entries)
