"""One thread that takes events from all probes, has them named, and hands them on."""

from __future__ import annotations

import logging
import os
import selectors
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from exporter.errors import CollectError
from exporter.model import health
from exporter.runtime.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.model.event import Event, EventSource, EventType, Named
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

# After each round, so that events come by the handful: a wake-up costs as much as ten of them.
_GATHER_SECONDS: Final = 0.005
_STOP_SECONDS: Final = 1.0


class EventLoop(threading.Thread):
    """Waits for events of any source.

    Each source that has some is asked once in a round, and gives a bounded number, so none keeps the others waiting.
    One that fails is told of and left out until the next start.

    Args:
        sources: by probe, or why there is none.
        types: all that they may tell.
        name: finds out whom events happened to.
        publish: hands them on.
    """

    def __init__(
        self,
        sources: Mapping[str, EventSource | CollectError],
        types: Iterable[EventType],
        name: Callable[[Sequence[Event]], Sequence[Named]],
        publish: Callable[[Sequence[Named]], None],
    ) -> None:
        super().__init__(name="events", daemon=True)
        self._sources: dict[str, EventSource] = {}
        self._active = dict.fromkeys(sources, False)
        self._taken: Counter[EventType] = Counter(dict.fromkeys(types, 0))
        self._name = name
        self._publish = publish
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._ending = threading.Event()
        self._taking = threading.Lock()
        self._lost = 0  # for a defect in naming
        self._add(sources)

    def change(self, sources: Mapping[str, EventSource | CollectError], types: Iterable[EventType]) -> None:
        """Take events of these sources from now on; those that were there already are not touched.

        When this returns, nobody asks the others any more.
        """
        with self._taking:
            gone = [name for name, each in self._sources.items() if sources.get(name) is not each]
            for name in gone:
                source = self._sources.pop(name)
                if self._active[name]:
                    self._selector.unregister(source.fileno())
            self._active = {name: active for name, active in self._active.items() if name in self._sources}
            for each in types:
                self._taken.setdefault(each, 0)
            self._add({name: each for name, each in sources.items() if name not in self._sources})

    def _add(self, sources: Mapping[str, EventSource | CollectError]) -> None:
        for probe, source in sources.items():
            self._active[probe] = False
            failure = source if isinstance(source, CollectError) else attempt(self._watch, probe, source)
            if isinstance(failure, CollectError):
                log.warning("no events of probe %s: %s", probe, failure)
            else:
                self._active[probe] = True

    def _watch(self, probe: str, source: EventSource) -> None:
        self._selector.register(source.fileno(), selectors.EVENT_READ, probe)
        self._sources[probe] = source

    def run(self) -> None:
        """Take events until stopped."""
        while not self._ending.is_set():
            ready = [key for key, _ in self._selector.select() if key.data is not None]
            with self._taking:
                for key in ready:
                    if self._selector.get_map().get(key.fd) is key:  # else it was replaced meanwhile
                        self._take(key)
            self._ending.wait(_GATHER_SECONDS)

    def _take(self, key: selectors.SelectorKey) -> None:
        taken = attempt(self._sources[key.data].take)
        if isinstance(taken, CollectError):
            log.error("no more events of probe %s: %s", key.data, taken)
            self._active[key.data] = False
            self._selector.unregister(key.fileobj)
            return
        self._taken.update(event.type for event in taken)
        named = attempt(self._name, taken)
        if isinstance(named, CollectError):
            if not self._lost:
                log.error("events of probe %s are lost: %s", key.data, named)
            self._lost += len(taken)
        elif named:
            self._publish(named)

    def stop(self) -> None:
        """End after the round under way; safe to repeat."""
        self._ending.set()
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)
        if self.ident is not None:
            self.join(_STOP_SECONDS)
        if not self.is_alive() and self._wake >= 0:
            self._selector.close()
            os.close(self._wake)
            self._wake = -1  # the number is soon somebody else's

    def samples(self) -> Mapping[Metric, Samples]:
        """The books, for the self-metrics."""
        counts: Counter[tuple[str, ...]] = Counter()
        for each, count in tuple(self._taken.items()):  # types that only the other family tells apart share a name
            counts[(each.name,)] += count
        return {
            health.EVENTS: dict(counts),
            health.EVENT_SOURCE_ACTIVE: {(probe,): active for probe, active in self._active.items()},
        }
