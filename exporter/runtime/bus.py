"""From the event loop to the sinks: a bounded queue and a thread for each, so that one never waits for another."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from exporter.errors import SinkError
from exporter.model import health
from exporter.model.event import Buffering, Reopening
from exporter.runtime.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.model.event import Deliveries, Named, Sink
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

QUEUE_FULL: Final = "queue_full"
FAILED: Final = "failed"
STOPPED: Final = "stopped"
_BATCH: Final = 1000  # events handed over at once; what fails is lost by the batch
_CLOSE_SECONDS: Final = 1.0


class Losses:
    """What a sink has lost, by reason. Several threads count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter({QUEUE_FULL: 0, FAILED: 0})  # from the start, so that the first is an increase

    def count(self, reason: str, events: int) -> None:
        """Add."""
        with self._lock:
            self._counts[reason] += events

    def by_reason(self) -> dict[str, int]:
        """All there have been."""
        with self._lock:
            return dict(self._counts)

    def total(self) -> int:
        """All of them."""
        return sum(self.by_reason().values())


class Outlet(threading.Thread):
    """The queue and the thread of one sink.

    What finds the queue full is lost, not what waits in it: the first events of a burst tell how it began.

    Args:
        name: of the sink, for people and metrics.
        sink: gets the events.
        room: most events that wait.
        losses: where they are counted.
    """

    def __init__(self, name: str, sink: Sink, room: int, losses: Losses) -> None:
        super().__init__(name=f"sink {name}", daemon=True)
        self.sink_name = name
        self.losses = losses
        self.sent = 0
        self._sink = sink
        self._room = room
        self._queue: deque[Named] = deque()
        self._changed = threading.Condition()
        self._reopen = False
        self._deadline: float | None = None  # when to stop delivering
        self._overrun = False  # told that the queue is full
        self._failing = False  # told that delivering fails

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, events: Sequence[Named]) -> None:
        """Queue what there is room for."""
        with self._changed:
            accepted = min(len(events), self._room - len(self._queue))
            self._queue.extend(islice(events, accepted))
            self._changed.notify()
        if accepted < len(events):
            self.losses.count(QUEUE_FULL, len(events) - accepted)
            if not self._overrun:
                self._overrun = True
                log.warning("sink %s is slower than events come: what exceeds event.queue is lost", self.sink_name)

    @property
    def deliveries(self) -> Deliveries | None:
        """The sink's own books where it has some."""
        return self._sink.deliveries() if isinstance(self._sink, Buffering) else None

    def reopen(self) -> None:
        """Have the sink open anew what it writes to."""
        with self._changed:
            self._reopen = True
            self._changed.notify()

    def end(self, deadline: float) -> None:
        """Deliver what waits until `deadline` of the monotonic clock, then close the sink."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify()

    def run(self) -> None:
        """Deliver until told to end."""
        while True:
            with self._changed:
                while not (self._queue or self._reopen or self._deadline is not None):
                    self._changed.wait()
                reopen, self._reopen = self._reopen, False
                batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
                last = self._deadline is not None and (not batch or time.monotonic() > self._deadline)
            if reopen and isinstance(self._sink, Reopening):
                self._try(self._sink.reopen, 0)
            if last:
                break
            if batch:
                self._try(lambda batch=batch: self._sink.send(batch), len(batch))  # type: ignore[misc]
            if self._overrun and not self._queue:
                self._overrun = False
                log.info("sink %s has caught up; %d events were lost to it so far", self.sink_name, self.losses.total())
        self.losses.count(STOPPED, len(batch) + len(self._queue))
        self._try(self._sink.close, 0)

    def _try(self, act: Callable[[], None], events: int) -> None:
        """Do it and count what is delivered and lost. Says once that it fails, and once that it does no more."""
        failure = attempt(_outcome, act)
        if failure is None:
            self.sent += events
            if self._failing and events:
                self._failing = False
                lost = self.losses.total()
                log.info("sink %s delivers again; %d events were lost to it so far", self.sink_name, lost)
            return
        reason, lost = FAILED, events
        if isinstance(failure, SinkError):
            reason, lost = failure.reason, events if failure.lost is None else failure.lost
        self.losses.count(reason, lost)
        self.sent += events - lost
        if not self._failing:
            self._failing = True
            log.warning("sink %s: %s", self.sink_name, failure)


def _outcome(act: Callable[[], None]) -> SinkError | None:
    try:
        act()
    except SinkError as error:
        return error.with_traceback(None)
    return None


class Bus:
    """All sinks.

    Args:
        outlets: one for each.
        ending: set when closing begins, for sinks that wait.
    """

    def __init__(self, outlets: Sequence[Outlet], ending: threading.Event) -> None:
        self._outlets = tuple(outlets)
        self._ending = ending

    def start(self) -> None:
        """Start the threads."""
        for outlet in self._outlets:
            outlet.start()

    def publish(self, events: Sequence[Named]) -> None:
        """Hand events to all sinks; never waits."""
        for outlet in self._outlets:
            outlet.put(events)

    def reopen(self) -> None:
        """Have sinks open anew what they write to."""
        for outlet in self._outlets:
            outlet.reopen()

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Deliver what waits, for so long at most; a sink that hangs is left behind."""
        deadline = time.monotonic() + seconds
        self._ending.set()
        for outlet in self._outlets:
            outlet.end(deadline)
        for outlet in self._outlets:
            if outlet.ident is not None:
                outlet.join(max(deadline + seconds / 2 - time.monotonic(), 0.0))
            left = outlet.losses.by_reason().get(STOPPED, 0) + (len(outlet) if outlet.is_alive() else 0)
            if left:
                log.warning("sink %s: %d events were not delivered before the end", outlet.sink_name, left)

    def samples(self) -> Mapping[Metric, Samples]:
        """The books, for the self-metrics."""
        buffering = {(each.sink_name,): books for each in self._outlets if (books := each.deliveries) is not None}
        sent: Samples = {(each.sink_name,): each.sent for each in self._outlets}
        sent |= {sink: books.sent for sink, books in buffering.items()}
        return {
            health.EVENTS_SENT: sent,
            health.EVENT_BACKLOG: {sink: books.waiting for sink, books in buffering.items()},
            health.EVENT_RETRIES: {sink: books.retries for sink, books in buffering.items()},
            health.EVENTS_FOLDED: {sink: books.folded for sink, books in buffering.items()},
            health.EVENTS_LOST: {
                (each.sink_name, reason): count
                for each in self._outlets
                for reason, count in each.losses.by_reason().items()
            },
            health.EVENT_QUEUE: {(each.sink_name,): len(each) for each in self._outlets},
        }
