"""The limit of requests."""

from __future__ import annotations

import pytest

from exporter.exposition.web import rate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(rate.time, "monotonic", lambda: now[0])
    return now


def test_a_burst_is_let_through_and_then_one_at_each_interval(clock: list[float]) -> None:
    bucket = rate.Bucket(2.0, 3)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock[0] += 1.9
    assert bucket.take() is False
    clock[0] += 0.2
    assert [bucket.take(), bucket.take()] == [True, False]


def test_a_pause_fills_no_more_than_the_burst(clock: list[float]) -> None:
    bucket = rate.Bucket(1.0, 2)
    clock[0] += 1000
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_without_an_interval_there_is_no_limit(clock: list[float]) -> None:
    bucket = rate.Bucket(0, 0)
    assert all(bucket.take() for _ in range(1000))
    assert clock == [100.0]
