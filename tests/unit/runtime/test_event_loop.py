from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError
from exporter.model.event import Event, Named
from exporter.runtime.event_loop import EventLoop
from tests.unit.events.made_events import LOSS, NODE, POD, RESET, TIME
from tests.unit.runtime.event_sources import LIMIT, Breaks, Fed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.model.event import EventSource

SOON = 5.0


class _Collected:
    """What was published."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = threading.Condition()

    def publish(self, named: Sequence[Named]) -> None:
        with self._more:
            self.events += [each.event for each in named]
            self._more.notify_all()

    def wait_for(self, count: int) -> list[Event]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.events) >= count, SOON)
            return list(self.events)


def _events(count: int, kind: object = RESET) -> list[Event]:
    return [Event(kind, TIME + number, POD.netns) for number in range(count)]  # type: ignore[arg-type]


def _name(events: Sequence[Event]) -> list[Named]:
    return [Named(event, NODE, POD) for event in events]


@contextmanager
def _running(sources: Mapping[str, EventSource], collected: _Collected) -> Iterator[EventLoop]:
    loop = EventLoop(sources, (RESET, LOSS), _name, collected.publish)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()
        assert not loop.is_alive()


def _books(loop: EventLoop) -> dict[str, dict[tuple[str, ...], float]]:
    return {metric.name: dict(samples) for metric, samples in loop.samples().items()}


def test_events_of_all_sources_arrive_each_in_its_order_and_are_counted_by_type() -> None:
    resets, losses, collected = Fed(), Fed(), _Collected()
    with _running({"tcpreset": resets, "packetloss": losses}, collected) as loop:
        resets.feed(_events(7))
        losses.feed(_events(3, LOSS))
        resets.feed(_events(4))
        found = collected.wait_for(14)
        assert [event.time - TIME for event in found if event.type is RESET] == [*range(7), *range(4)]
        assert [event.time - TIME for event in found if event.type is LOSS] == [*range(3)]
        assert _books(loop) == {
            "events_total": {("TCPRESET_NOSOCK",): 11, ("PacketLoss",): 3},
            "event_source_active": {("tcpreset",): True, ("packetloss",): True},
        }


def test_a_flood_of_one_source_does_not_keep_another_waiting() -> None:
    flood, other, collected = Fed(), Fed(), _Collected()
    flood.feed(_events(100 * LIMIT))
    other.feed(_events(1, LOSS))
    with _running({"tcpreset": flood, "packetloss": other}, collected):
        found = collected.wait_for(100 * LIMIT + 1)
    assert [event.type for event in found].index(LOSS) <= LIMIT
    assert set(flood.takes) == {LIMIT}


@pytest.mark.parametrize("error", [SourceError("ring", "records", "nonsense"), ZeroDivisionError("a slip")])
def test_a_source_that_fails_is_told_of_once_and_the_others_go_on(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    broken, good, collected = Breaks(error), Fed(), _Collected()
    with _running({"tcpreset": broken, "packetloss": good}, collected) as loop:
        broken.feed(_events(1))
        good.feed(_events(2))
        collected.wait_for(2)
        deadline = time.monotonic() + SOON
        while _books(loop)["event_source_active"][("tcpreset",)] and time.monotonic() < deadline:
            time.sleep(0.001)
        broken.feed(_events(1))
        good.feed(_events(3))
        collected.wait_for(5)
        assert _books(loop)["event_source_active"] == {("tcpreset",): False, ("packetloss",): True}
    assert len([text for text in caplog.messages if text.startswith("no more events of probe tcpreset: ")]) == 1


def test_a_source_whose_descriptor_cannot_be_waited_for_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    good, closed, collected = Fed(), Fed(), _Collected()
    os.close(closed.fileno())
    with _running({"tcpreset": closed, "packetloss": good}, collected) as loop:
        good.feed(_events(1))
        collected.wait_for(1)
        assert _books(loop)["event_source_active"] == {("tcpreset",): False, ("packetloss",): True}
    assert caplog.messages[0].startswith("no events of probe tcpreset: ")


def test_a_source_that_has_nothing_after_all_does_not_take_all_of_a_processor() -> None:
    class _Idle(Fed):
        def take(self) -> list[Event]:
            self.takes.append(0)
            return []

    idle, good, collected = _Idle(), Fed(), _Collected()
    with _running({"tcpreset": idle, "packetloss": good}, collected):
        idle.feed(_events(1))
        while len(idle.takes) < 20:
            time.sleep(0.001)
        before = time.process_time()
        rounds = len(idle.takes)
        while len(idle.takes) < rounds + 20:
            time.sleep(0.001)
        assert time.process_time() - before < 0.1  # twenty rounds of 5 ms
        good.feed(_events(1))
        collected.wait_for(1)


def test_a_slip_in_naming_loses_the_events_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    source, collected = Fed(), _Collected()
    slips = [ZeroDivisionError("a slip"), ZeroDivisionError("another")]

    def name(events: Sequence[Event]) -> list[Named]:
        if slips:
            raise slips.pop()
        return _name(events)

    loop = EventLoop({"tcpreset": source}, (RESET,), name, collected.publish)
    loop.start()
    while slips:
        source.feed(_events(1))
        time.sleep(0.001)
    source.feed(_events(1))
    collected.wait_for(1)
    loop.stop()
    assert len([text for text in caplog.messages if "are lost" in text]) == 1


def test_stopping_is_possible_before_the_start_and_twice() -> None:
    loop = EventLoop({}, (), _name, _Collected().publish)
    loop.stop()
    loop.stop()
    with _running({}, _Collected()) as running:
        running.stop()
