"""When cycles happen, and what the last ones found: collecting and serving never wait for each other."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from exporter.errors import CollectError
from exporter.runtime.attempt import attempt
from exporter.runtime.health import statuses

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.snapshot import Snapshot
    from exporter.runtime.collector import Collector
    from exporter.runtime.health import Health

log = logging.getLogger(__name__)

_STALE_INTERVALS = 3  # after so many missed cycles the numbers are a lie rather than a little late
_STOP_SECONDS = 1.0  # an orchestrator that asked to stop is not made to wait for a cycle that hangs
_STALE_GRACE = 10.0  # seconds on top, for probes that use up their deadlines


class Schedule(threading.Thread):
    """Runs a cycle at each interval and keeps the last two snapshots."""

    def __init__(self, collector: Collector, health: Health, interval: float) -> None:
        super().__init__(name="schedule", daemon=True)
        self.interval = interval
        self._cycling = threading.Lock()
        self._wake = threading.Event()
        self._collector = collector
        self._health = health
        self._ending = threading.Event()
        self._published = threading.Condition()
        self._snapshots: tuple[Snapshot | None, Snapshot | None] = (None, None)
        self._finished_at = 0.0
        self._complaints: frozenset[str] = frozenset()

    def run(self) -> None:
        """Cycle until stopped, at fixed times rather than with fixed pauses."""
        due = time.monotonic()
        while not self._ending.is_set():
            failure = attempt(self.cycle)
            if isinstance(failure, CollectError):  # of our own making; the last snapshot ages until it is refused
                log.error("no cycle: %s", failure)
            due = max(due + self.interval, time.monotonic())
            if self._wake.wait(due - time.monotonic()):
                self._wake.clear()
                due = time.monotonic()

    def change(self, interval: float, change: Callable[[], None]) -> None:
        """Change something while no cycle runs, and do the next cycle at once."""
        with self._cycling:
            change()
            self.interval = interval
        self._wake.set()

    def cycle(self) -> Snapshot:
        """Do one cycle and publish it."""
        with self._cycling:
            snapshot = self._collector.cycle()
        self._health.publish(snapshot)
        with self._published:
            self._snapshots = (snapshot, self._snapshots[0])
            self._finished_at = time.monotonic()
            self._published.notify_all()
        self._tell(snapshot)
        return snapshot

    def _tell(self, snapshot: Snapshot) -> None:
        """Log each complaint once, when it appears, and once when it is over."""
        complaints = frozenset(statuses(snapshot))
        for line in sorted(complaints - self._complaints):
            log.warning("probe %s", line)
        for line in sorted(self._complaints - complaints):
            log.info("no longer: probe %s", line)
        self._complaints = complaints

    def latest(self, wait: float = 0.0) -> Snapshot | None:
        """The last snapshot; None before the first one, or when it is too old to be true."""
        with self._published:
            if self._snapshots[0] is None and wait:
                self._published.wait(wait)
            too_old = time.monotonic() - self._finished_at > _STALE_INTERVALS * self.interval + _STALE_GRACE
            return None if too_old else self._snapshots[0]

    def last_two(self) -> tuple[Snapshot | None, Snapshot | None]:
        """The last snapshot and the one before, for rates."""
        with self._published:
            return self._snapshots

    def stop(self) -> None:
        """End after the running cycle and wait for that, but not for a cycle that hangs."""
        self._ending.set()
        self._wake.set()
        self.join(timeout=_STOP_SECONDS)
