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
from exporter.model.event import Buffering, Deliveries, Reopening
from exporter.runtime.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from exporter.model.event import Named, Sink
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

QUEUE_FULL: Final = "queue_full"
FAILED: Final = "failed"
STOPPED: Final = "stopped"
_BATCH: Final = 1000  # events handed over at once; what fails is lost by the batch
_CLOSE_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 5.0  # what waits for a sink that is no longer wanted


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


class Nowhere:
    """The sink of an outlet until its own is open: what waits then is lost, and told so."""

    def send(self, events: Sequence[Named]) -> None:
        """Raise SinkError."""
        raise SinkError(f"{len(events)} events came while it could not be opened", reason=FAILED)

    def close(self) -> None:
        """Nothing was opened."""


class Outlet(threading.Thread):
    """The queue and the thread of one sink.

    What finds the queue full is lost, not what waits in it: the first events of a burst tell how it began.

    Args:
        name: of the sink, for people and metrics.
        sink: gets the events; may be replaced before the start.
        room: most events that wait.
        losses: where they are counted.
        ending: set when the sink should not wait for anything any longer.
    """

    def __init__(self, name: str, sink: Sink, room: int, losses: Losses, ending: threading.Event | None = None) -> None:
        super().__init__(name=f"sink {name}", daemon=True)
        self.sink_name = name
        self.losses = losses
        self.ending = ending or threading.Event()
        self.sent = 0
        self.room = room
        self.sink = sink
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
            accepted = min(len(events), self.room - len(self._queue))
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
        return self.sink.deliveries() if isinstance(self.sink, Buffering) else None

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
            if reopen and isinstance(self.sink, Reopening):
                self._try(self.sink.reopen, 0)
            if last:
                break
            if batch:
                self._try(lambda batch=batch: self.sink.send(batch), len(batch))  # type: ignore[misc]
            if self._overrun and not self._queue:
                self._overrun = False
                log.info("sink %s has caught up; %d events were lost to it so far", self.sink_name, self.losses.total())
        self.losses.count(STOPPED, len(batch) + len(self._queue))
        self._try(self.sink.close, 0)

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
    """

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self._outlets = tuple(outlets)
        self._leaving: tuple[Outlet, ...] = ()
        self._left: dict[str, Deliveries] = {}  # of those that have ended, by name; as many as ever ran at a time
        self._accounting = threading.Lock()

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

    def add(self, outlet: Outlet) -> None:
        """Another one, which is started by whoever made it."""
        with self._accounting:
            self._outlets = (*self._outlets, outlet)

    def remove(self, outlets: Collection[Outlet], seconds: float = _DRAIN_SECONDS) -> None:
        """Hand nothing more to these, deliver what waits, for so long at most, and close them."""
        with self._accounting:
            self._outlets = tuple(each for each in self._outlets if each not in outlets)
            self._leaving = tuple(outlets)
        deadline = time.monotonic() + seconds
        for outlet in outlets:
            outlet.end(deadline)
        for outlet in outlets:
            outlet.join(max(deadline - time.monotonic(), 0.0))
        self._end(outlets, _CLOSE_SECONDS)
        with self._accounting:
            for outlet in outlets:
                self._left[outlet.sink_name] = self._total(outlet.sink_name, outlets)
            self._leaving = ()

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Deliver what waits, for so long at most; a sink that hangs is left behind."""
        self._end(self._outlets, seconds)

    def _end(self, outlets: Collection[Outlet], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for outlet in outlets:
            outlet.ending.set()
            outlet.end(deadline)
        for outlet in outlets:
            if outlet.ident is not None:
                outlet.join(max(deadline + seconds / 2 - time.monotonic(), 0.0))
            left = outlet.losses.by_reason().get(STOPPED, 0) + (len(outlet) if outlet.is_alive() else 0)
            if left:
                log.warning("sink %s: %d events were not delivered before the end", outlet.sink_name, left)

    def samples(self) -> Mapping[Metric, Samples]:
        """The books, for the self-metrics."""
        with self._accounting:
            there = (*self._outlets, *self._leaving)
            totals = {each.sink_name: self._total(each.sink_name, there) for each in there}
            buffering = [each.sink_name for each in there if each.deliveries is not None]
            waiting: Counter[str] = Counter()
            for each in there:
                waiting[each.sink_name] += len(each)
        return {
            health.EVENTS_SENT: {(name,): books.sent for name, books in totals.items()},
            health.EVENT_BACKLOG: {(name,): totals[name].waiting for name in buffering},
            health.EVENT_RETRIES: {(name,): totals[name].retries for name in buffering},
            health.EVENTS_FOLDED: {(name,): totals[name].folded for name in buffering},
            health.EVENTS_LOST: {
                (each.sink_name, reason): count for each in there for reason, count in each.losses.by_reason().items()
            },
            health.EVENT_QUEUE: {(name,): count for name, count in waiting.items()},
        }

    def _total(self, name: str, outlets: Collection[Outlet]) -> Deliveries:
        """What all sinks of a name have done, as a counter must not fall when one takes the place of another."""
        found = self._left.get(name, Deliveries(0, 0))._replace(waiting=0)
        for outlet in outlets:
            if outlet.sink_name == name:
                books = outlet.deliveries or Deliveries(outlet.sent, 0)
                found = Deliveries(*(mine + more for mine, more in zip(found, books, strict=True)))
        return found
