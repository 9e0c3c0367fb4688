from __future__ import annotations

from exporter.runtime.recent_events import RecentEvents
from tests.unit.events.made_events import slow


def test_the_newest_come_first_and_the_oldest_are_forgotten() -> None:
    recent = RecentEvents(5)
    recent.send([slow(cpu=number) for number in range(4)])
    recent.send([slow(cpu=number) for number in range(4, 8)])
    assert [named.event.values[0] for named in recent.latest(10, lambda _: True)] == [7, 6, 5, 4, 3]


def test_those_that_are_wanted_are_told_up_to_a_limit() -> None:
    recent = RecentEvents(9)
    recent.send([slow(cpu=number) for number in range(9)])
    even = recent.latest(3, lambda named: named.event.values[0] % 2 == 0)  # type: ignore[operator]
    assert [named.event.values[0] for named in even] == [8, 6, 4]
