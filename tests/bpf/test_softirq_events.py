"""Soft interrupts that were slow are told with type, CPU and process, as often as they are counted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from exporter.probes.softirq import RUN_SLOW, RUN_VERY_SLOW, WAIT_SLOW, WAIT_VERY_SLOW
from tests.bpf.test_softirq import send_one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

HOUR = 3_600_000  # ms; on a busy machine a run may wait for longer than by default
EACH = {"sample_one_in": 1, "types": ("net_rx",), "slow_ms": 0, "very_slow_ms": HOUR}
CPUS = os.cpu_count() or 1
MANY = 100_000  # events each second: none is suppressed


def test_each_run_and_each_wait_is_told_with_what_it_interrupted(
    pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("softirq", EACH, events_per_second=MANY)
    send_one_by_one(pair, 97)
    watched.of()

    waits = [event.values for event in watched.told if event.type is WAIT_SLOW]
    runs = [event.values for event in watched.told if event.type is RUN_SLOW]
    assert len(watched.told) == len(waits) + len(runs)
    assert min(len(waits), len(runs)) >= 97
    assert {values[0] for values in (*waits, *runs)} == {"net_rx"}
    assert {int(values[-2]) for values in (*waits, *runs)} <= set(range(CPUS))
    assert os.getpid() in {values[-1] for values in runs}  # who sends receives on the same CPU
    assert {event.connection for event in watched.told} == {None}


@pytest.mark.parametrize("rate", [1, MANY])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_slow(
    rate: int, pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("softirq", EACH, events_per_second=rate)
    send_one_by_one(pair, 499)
    slow_before = watched.counted("schedslow", "excuteslow")
    watched.of()
    known = len(watched.told) + watched.counted("events_suppressed_total")
    slow_after = watched.counted("schedslow", "excuteslow")

    assert slow_before >= 2 * 499
    assert watched.counted("events_lost_total") == 0
    assert slow_before <= known <= slow_after
    assert (len(watched.told) == known) == (rate > 1)


def test_what_is_above_the_higher_threshold_has_a_type_of_its_own(
    pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("softirq", {**EACH, "very_slow_ms": 0}, events_per_second=MANY)
    send_one_by_one(pair, 13)
    watched.of()

    assert {event.type for event in watched.told} == {WAIT_VERY_SLOW, RUN_VERY_SLOW}


def test_with_stacks_a_run_tells_where_it_came_between(pair: Pair, watch_events: Callable[..., Watched]) -> None:
    watched = watch_events("softirq", EACH, enable_stack=True)
    send_one_by_one(pair, 13)
    watched.of()

    assert {len(event.stack) > 1 for event in watched.told} == {True}
