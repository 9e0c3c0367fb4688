from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from exporter.errors import SinkError
from exporter.model import health
from exporter.model.event import Deliveries
from exporter.runtime.bus import Bus, Losses, Outlet
from tests.unit.events.made_events import slow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from exporter.model.event import Named

ROOM = 17
SOON = 5.0


class _Keeps:
    """Keeps what it gets; waits for a permit before each batch where told to."""

    def __init__(self, *, held: bool = False) -> None:
        self.got: list[Named] = []
        self.batches: list[int] = []
        self.entered = threading.Event()
        self.permit = threading.Event()
        self.closed = threading.Event()
        if not held:
            self.permit.set()

    def send(self, events: Sequence[Named]) -> None:
        self.entered.set()
        self.permit.wait(SOON)
        self.got += events
        self.batches.append(len(events))

    def close(self) -> None:
        self.closed.set()


class _Fails(_Keeps):
    """Raises what it is told to, once for each entry; then it keeps."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self._errors = list(errors)

    def send(self, events: Sequence[Named]) -> None:
        if self._errors:
            raise self._errors.pop(0)
        super().send(events)


class _Buffers(_Keeps):
    def deliveries(self) -> Deliveries:
        return Deliveries(sent=3, waiting=len(self.got) - 3, retries=2, folded=1)


class _Reopens(_Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.reopened = threading.Event()

    def reopen(self) -> None:
        self.reopened.set()


def _events(count: int) -> list[Named]:
    return [slow(cpu=number) for number in range(count)]


def _bus(*sinks: Any, room: int = ROOM) -> Bus:  # noqa: ANN401 - whatever a test makes
    outlets = [Outlet(f"s{number}", sink, room, Losses()) for number, sink in enumerate(sinks)]
    bus = Bus(outlets)
    bus.start()
    return bus


def _books(bus: Bus) -> dict[str, dict[tuple[str, ...], float]]:
    return {metric.name: dict(samples) for metric, samples in bus.samples().items()}


def test_every_sink_gets_every_event_in_order() -> None:
    first, second = _Keeps(), _Keeps()
    bus = _bus(first, second)
    events = _events(13)
    bus.publish(events[:5])
    bus.publish(events[5:])
    bus.close()
    assert first.got == second.got == events
    assert _books(bus) == {
        "events_sent_total": {("s0",): 13, ("s1",): 13},
        "events_lost_total": {
            (name, reason): 0 for name in ("s0", "s1") for reason in ("queue_full", "failed", "stopped")
        },
        "event_queue_length": {("s0",): 0, ("s1",): 0},
        "event_backlog_length": {},
        "event_delivery_retries_total": {},
        "events_folded_total": {},
    }


def test_of_a_sink_that_only_takes_events_over_its_own_books_are_told() -> None:
    bus = _bus(_Keeps(), _Buffers())
    bus.publish(_events(13))
    bus.close()
    books = _books(bus)
    assert books["events_sent_total"] == {("s0",): 13, ("s1",): 3}
    assert books["event_backlog_length"] == {("s1",): 10}
    assert books["event_delivery_retries_total"] == {("s1",): 2}
    assert books["events_folded_total"] == {("s1",): 1}


def _drained(bus: Bus, sink: str) -> None:
    """Wait until a sink's thread has taken everything."""
    deadline = time.monotonic() + SOON
    while _books(bus)["event_queue_length"][(sink,)]:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_sink_that_hangs_loses_what_its_queue_cannot_hold_and_no_other_notices(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hung, good = _Keeps(held=True), _Keeps()
    bus = _bus(hung, good, room=ROOM)
    first, *others = _events(1 + ROOM + 11)
    bus.publish([first])
    assert hung.entered.wait(SOON)
    bus.publish(others[: ROOM - 4])
    _drained(bus, "s1")
    bus.publish(others[ROOM - 4 :])  # four of fifteen find room
    books = _books(bus)
    assert books["events_lost_total"]["s0", "queue_full"] == 11
    assert books["event_queue_length"][("s0",)] == ROOM
    hung.permit.set()
    bus.close()
    assert hung.got == [first, *others[:ROOM]]
    assert [record.message for record in caplog.records if "slower" in record.message] == [
        "sink s0 is slower than events come: what exceeds event.queue is lost"
    ]


def test_batches_are_bounded() -> None:
    sink = _Keeps(held=True)
    bus = _bus(sink, room=5000)
    bus.publish(_events(1))
    assert sink.entered.wait(SOON)
    bus.publish(_events(2500))
    sink.permit.set()
    bus.close()
    assert sink.batches == [1, 1000, 1000, 500]


def test_what_a_sink_fails_to_deliver_is_counted_by_its_reason_and_it_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    sink = _Fails(
        SinkError("/x is full; make room", reason="no_space", lost=2),
        SinkError("/x is full; make room"),
        ZeroDivisionError("a slip"),
    )
    bus = _bus(sink)
    for sent in range(1, 5):
        bus.publish(_events(3))
        deadline = time.monotonic() + SOON
        while (
            sum(_books(bus)["events_sent_total"].values()) + sum(_books(bus)["events_lost_total"].values()) < 3 * sent
            and time.monotonic() < deadline
        ):
            time.sleep(0.001)
    books = _books(bus)
    bus.close()
    assert books["events_sent_total"] == {("s0",): 1 + 3}
    assert books["events_lost_total"] == {("s0", "queue_full"): 0, ("s0", "failed"): 6, ("s0", "no_space"): 2}
    told = [record.message for record in caplog.records]
    assert told == [
        "sink s0: /x is full; make room",
        "sink s0 delivers again; 8 events were lost to it so far",
    ]


def test_closing_takes_about_a_second_whatever_a_sink_does(caplog: pytest.LogCaptureFixture) -> None:
    hung, good = _Keeps(held=True), _Keeps()
    bus = _bus(hung, good)
    bus.publish(_events(1))
    assert hung.entered.wait(SOON)
    bus.publish(_events(7))
    before = time.monotonic()
    bus.close(0.2)
    assert time.monotonic() - before < SOON / 2
    assert (good.closed.is_set(), len(good.got), hung.closed.is_set()) == (True, 8, False)
    assert "sink s0: 7 events were not delivered before the end" in caplog.messages
    hung.permit.set()
    assert hung.closed.wait(SOON)
    assert _books(bus)["events_lost_total"]["s0", "stopped"] == 7


def test_sinks_that_wait_are_told_of_the_end() -> None:
    ending = threading.Event()

    class _Waits(_Keeps):
        def send(self, events: Sequence[Named]) -> None:
            self.entered.set()
            assert ending.wait(SOON)
            super().send(events)

    sink = _Waits()
    bus = Bus([Outlet("s0", sink, ROOM, Losses(), ending)])
    bus.start()
    bus.publish(_events(2))
    assert sink.entered.wait(SOON)
    bus.close()
    assert len(sink.got) == 2


def test_a_sink_is_reopened_by_its_own_thread_without_an_event() -> None:
    plain, reopening = _Keeps(), _Reopens()
    bus = _bus(plain, reopening)
    bus.reopen()
    assert reopening.reopened.wait(SOON)
    bus.close()
    assert _books(bus)["events_lost_total"]["s1", "failed"] == 0


def test_every_metric_of_the_books_is_declared() -> None:
    assert set(_bus().samples()) <= set(health.METRICS)
