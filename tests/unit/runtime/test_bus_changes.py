"""Sinks come and go while events flow: what waits is delivered, counters do not fall, nothing is lost in silence."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from exporter.model import health
from exporter.model.event import Event, EventType, Named
from exporter.runtime.bus import Bus, Losses, Nowhere, Outlet
from tests.unit.events.made_events import tcp

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEN = EventType(probe="tcpreset", name="SEEN", help="A test.")
SOON = 60.0


class Held:
    """A sink that delivers when it is let."""

    def __init__(self) -> None:
        self.events: list[Named] = []
        self.closed = False
        self.go = threading.Event()

    def send(self, events: Sequence[Named]) -> None:
        assert self.go.wait(SOON)
        self.events += events

    def close(self) -> None:
        self.closed = True


def _events(count: int) -> list[Named]:
    return [Named(Event(SEEN, number, 7, tcp("10.0.0.1", 1, "10.0.0.2", 2)), "node-a", None) for number in range(count)]


def test_a_sink_that_leaves_delivers_what_it_was_given_and_its_successor_counts_on() -> None:
    first, second, losses = Held(), Held(), Losses()
    old = Outlet("file", first, 100, losses)
    bus = Bus([old])
    bus.start()
    bus.publish(_events(3))
    new = Outlet("file", Nowhere(), 100, losses)
    bus.add(new)
    leaving = threading.Thread(target=bus.remove, args=([old],))
    leaving.start()
    while old in bus._outlets:
        time.sleep(0.001)
    bus.publish(_events(4))
    first.go.set()
    leaving.join()
    assert (len(first.events), first.closed, old.ending.is_set()) == (3, True, True)
    new.sink = second
    second.go.set()
    new.start()
    bus.remove([new])
    assert len(second.events) == 4
    bus.add(Outlet("file", Held(), 100, losses))
    sent = bus.samples()[health.EVENTS_SENT]["file",]
    assert sent == 7
    assert losses.total() == 0


def test_what_came_for_a_sink_that_could_not_be_opened_is_counted_as_lost() -> None:
    losses = Losses()
    never = Outlet("file", Nowhere(), 100, losses)
    bus = Bus([])
    bus.add(never)
    bus.publish(_events(5))
    never.start()
    bus.remove([never])
    assert (losses.by_reason()["failed"], never.sent) == (5, 0)
    assert bus.samples()[health.EVENTS_SENT] == {}
