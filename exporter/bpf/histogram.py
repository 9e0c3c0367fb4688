"""Histograms of times that programs keep: the user side of hist_add_time in bpf/include/hist.h."""

from __future__ import annotations

from typing import Final, NamedTuple

from exporter.model.snapshot import Histogram

# Seconds; the upper bounds of the first slots, from a microsecond to about one second.
TIME_BUCKETS: Final = tuple(2**level / 1_000_000 for level in range(21))


class Hist(NamedTuple):
    """As struct hist, filled by hist_add_time.

    Args:
        slots: times above 2^(i-1) and up to 2^i microseconds; the last one has everything above.
        sum: nanoseconds.
        count: of all slots.
    """

    slots: tuple[int, ...]
    sum: int
    count: int  # type: ignore[assignment]  # the name in C; it hides tuple.count


def of_times(hist: Hist) -> Histogram:
    """A histogram over `TIME_BUCKETS`, in seconds."""
    last = len(TIME_BUCKETS)
    return Histogram((*hist.slots[:last], sum(hist.slots[last:])), hist.sum / 1_000_000_000)
