from __future__ import annotations

import pytest

from exporter.bpf.histogram import TIME_BUCKETS, Hist, of_times
from exporter.model.snapshot import Histogram


def test_bounds_go_from_a_microsecond_to_about_a_second() -> None:
    assert (TIME_BUCKETS[0], TIME_BUCKETS[10], TIME_BUCKETS[-1]) == (1e-06, 0.001024, 1.048576)


@pytest.mark.parametrize(("slot", "bucket"), [(0, 0), (20, 20), (21, 21), (31, 21)])
def test_slots_above_a_second_share_the_bucket_without_bound(slot: int, bucket: int) -> None:
    slots, counts = [0] * 32, [0] * 22
    slots[slot] = counts[bucket] = 1 << 63

    assert of_times(Hist(tuple(slots), 2_500_000_000, 1 << 63)) == Histogram(tuple(counts), 2.5)


def test_nothing_is_lost_when_slots_are_joined() -> None:
    assert of_times(Hist(tuple(range(32)), 0, sum(range(32)))) == Histogram((*range(21), sum(range(21, 32))), 0.0)
