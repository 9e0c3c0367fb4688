from __future__ import annotations

import logging
import tempfile
import tracemalloc
from collections import Counter, deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sinks.loki.backlog import Backlog
from exporter.sinks.loki.delivery import Delivery
from exporter.sinks.loki.protocol import Answer, Entry
from exporter.sinks.loki.retry import Backoff
from exporter.sinks.loki.spill import Spill
from tests.unit.sinks.loki.receiver import decoded, faults, lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

TIME = 1_700_000_000_000_000_000
STREAMS = tuple((("pod", f"web-{number}"),) for number in range(3))
GOOD = Answer(204, "No Content")
BUSY = Answer(429, "ingestion rate limit exceeded")
BROKEN = Answer(500, "no space left")
AWAY = Answer(0, "Connection refused")
TOO_OLD = Answer(400, "entry too far behind")
WRONG = Answer(401, "invalid credentials")
AMBIGUOUS = Answer(0, "kept, but nobody said so")


class World:
    """A backlog, its delivery, and a Loki that answers as told; time passes only when somebody says so."""

    def __init__(self, *answers: Answer, room: int = 1 << 20, batch: int = 10_000, spill: Spill | None = None) -> None:
        self.now = 0.0
        self.answers = deque(answers)
        self.otherwise = GOOD
        self.attempts: list[float] = []
        self.arrived: list[int] = []
        self.lost: Counter[str] = Counter()
        self.made = 0
        self.backlog = Backlog(room, batch, 1.0, clock=lambda: self.now, lost=self._count, spill=spill)
        backoff = Backoff(lambda: 0.0, lambda: self.now)
        self.delivery = Delivery(self.backlog, self._push, "http://loki", backoff, lambda: self.now)

    def put(self, count: int, times: Iterable[int] = ()) -> None:
        """Make events; each says its number."""
        offsets = list(times) or [self.made + number for number in range(count)]
        self.backlog.put(
            [Entry(STREAMS[number % 3], TIME + offset, str(number)) for number, offset in enumerate(offsets, self.made)]
        )
        self.made += len(offsets)

    def run(self, seconds: float) -> None:
        """Let time pass, as the thread of the sink would."""
        end = self.now + seconds
        while self.now < end:
            pause = self.delivery.step()
            self.now = end if pause is None else min(end, self.now + pause)

    def _push(self, body: bytes) -> Answer:
        self.attempts.append(self.now)
        content = decoded(body)
        assert faults(content) == []
        answer = self.answers.popleft() if self.answers else self.otherwise
        if answer in (GOOD, AMBIGUOUS):
            self.arrived += [int(line) for line in lines(content)]
        return answer

    def _count(self, reason: str, events: int) -> None:
        self.lost[reason] += events


def test_a_failed_batch_is_sent_again_after_growing_pauses_until_it_arrives() -> None:
    world = World(BUSY, BROKEN, AWAY, BUSY)
    world.put(7)
    world.run(60)
    assert world.attempts == [1.0, 1.5, 2.5, 4.5, 8.5]
    assert sorted(world.arrived) == list(range(7))
    assert (world.backlog.sent, world.backlog.waiting, world.delivery.retries, world.lost) == (7, 0, 4, {})


def test_retry_after_delays_the_next_attempt_even_in_a_hurry() -> None:
    world = World(Answer(429, "", "20"))
    world.put(7)
    world.run(2)
    assert world.delivery.step(hurry=True) == 19.0
    world.run(30)
    assert world.attempts == [1.0, 21.0]


def test_after_a_success_pauses_begin_anew() -> None:
    world = World(BUSY, BUSY, GOOD, BUSY)
    world.put(1)
    world.run(10)
    world.put(1)
    world.run(10)
    assert world.attempts == [1.0, 1.5, 2.5, 11.0, 11.5]


def test_in_a_hurry_a_batch_that_is_not_full_goes_at_once() -> None:
    world = World()
    world.put(1)
    assert (world.delivery.step(), world.delivery.step(hurry=True)) == (1.0, 0.0)
    assert world.arrived == [0]


def test_what_loki_refuses_is_not_tried_again_counted_and_said_once_in_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(*[TOO_OLD] * 5)
    for _ in range(5):
        world.put(3)
        world.run(2)
    world.put(3)
    world.run(2)
    assert (world.lost, world.backlog.sent, world.delivery.retries) == ({"refused": 15}, 3, 0)
    (record,) = caplog.records
    assert record.getMessage() == (
        "Loki at http://loki refused 3 events, which are lost (400 entry too far behind); further ones are only counted"
    )


def test_where_loki_says_how_many_it_refused_only_these_are_lost() -> None:
    text = (
        "ignored, reason: 'entry too far behind' for stream: {a}, user 'x', total ignored: 2 out of 7 for stream: {a}"
    )
    world = World(Answer(400, text))
    world.put(7)
    world.run(2)
    assert (world.lost, world.backlog.sent, world.backlog.waiting) == ({"refused": 2}, 5, 0)


def test_wrong_credentials_are_said_once_tried_slowly_and_lose_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World(*[WRONG] * 10)
    world.put(3)
    world.run(3600)
    assert world.attempts == [1.0 + 60 * number for number in range(11)]
    assert (sorted(world.arrived), world.lost) == ([0, 1, 2], {})
    (record,) = caplog.records
    assert record.getMessage() == (
        "Loki at http://loki refuses these credentials (401 invalid credentials): correct `username`, the password or "
        "`tenant`; events wait"
    )


def test_an_outage_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(*[AWAY] * 50)
    world.put(3)
    world.run(3600)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Loki at http://loki takes no events (Connection refused); they wait and are sent again"),
        ("INFO", "Loki at http://loki answers again, after 50 attempts"),
    ]


def test_words_of_a_server_cannot_forge_the_log(caplog: pytest.LogCaptureFixture) -> None:
    world = World(Answer(400, "a\r\nb\x1b[31m" + "c" * 1000))
    world.put(1)
    world.run(2)
    message = caplog.records[0].getMessage()
    assert "(400 a??b?[31mccc" in message
    assert len(message) < 500


def test_events_out_of_order_are_sorted_within_their_stream() -> None:
    world = World()
    world.put(9, times=[30, 30, 30, 10, 20, 10, 20, 20, 20])
    world.run(2)
    assert world.arrived == [3, 6, 0, 4, 7, 1, 5, 8, 2]


def test_ten_minutes_without_loki_leave_memory_flat_and_then_the_newest_arrive() -> None:
    world = World(room=1 << 20, batch=1 << 17)
    world.otherwise = AWAY
    sizes = []
    tracemalloc.start()
    try:
        for _ in range(600):
            world.put(100)
            world.run(1)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(sizes[100:]) < 1.1 * min(sizes[100:])
    assert max(sizes) < 3 << 20
    assert len(world.attempts) < 40
    waiting = world.backlog.waiting
    assert world.lost == {"overflow": 60_000 - waiting}
    assert waiting > 4000
    world.otherwise = GOOD
    world.run(60)
    assert sorted(world.arrived) == list(range(60_000 - waiting, 60_000))
    assert (world.backlog.sent, world.backlog.waiting) == (waiting, 0)


STEPS = st.one_of(
    st.integers(1, 30).map(lambda count: ("put", count)),
    st.floats(0.1, 40).map(lambda seconds: ("run", seconds)),
    st.sampled_from((BUSY, BROKEN, AWAY, TOO_OLD, WRONG, AMBIGUOUS)).map(lambda answer: ("answer", answer)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from((2500, 6000, 1 << 20)), st.sampled_from((0, 1500)))
def test_whatever_fails_every_event_arrives_or_is_counted_as_lost(
    steps: list[tuple[str, int | float | Answer]], room: int, on_disk: int
) -> None:
    """Twice only after an attempt whose answer got lost."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory()) if on_disk else ""
        world = World(room=room, batch=2100, spill=Spill(folder, on_disk) if on_disk else None)
        ambiguous = False
        for _kind, value in steps:
            if isinstance(value, Answer):
                world.answers.append(value)
                ambiguous |= value is AMBIGUOUS
            elif isinstance(value, int):
                world.put(value)
            else:
                world.run(value)
            assert world.made == world.backlog.sent + world.backlog.waiting + world.lost.total()
        world.answers.clear()
        world.run(100)
        world.backlog.close()
        kept = world.backlog.waiting
        arrived = set(world.arrived)
        assert kept == 0
        assert world.made == world.backlog.sent + world.lost.total()
        if ambiguous:
            assert world.backlog.sent <= len(arrived) <= world.made
        else:
            assert len(world.arrived) == len(arrived) == world.backlog.sent
