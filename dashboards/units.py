"""Grafana's unit ids, and which of them belongs to what a metric counts."""

from __future__ import annotations

from enum import Enum

from exporter.model.metric import Kind, Metric, Unit


class Show(Enum):
    """Unit ids that exist in every Grafana from 7.0 to 13; anything else would be drawn as a bare suffix."""

    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    PACKETS_PER_SECOND = "pps"
    PER_SECOND = "cps"
    CALLS_PER_SECOND = "ops"
    REQUESTS_PER_SECOND = "reqps"
    SECONDS = "s"
    MILLISECONDS = "ms"
    SHARE = "percentunit"
    NUMBER = "short"
    COUNT = "locale"
    AGO = "dateTimeFromNow"


_PER_SECOND = {
    Unit.BYTES: Show.BYTES_PER_SECOND,
    Unit.WORDS: Show.BYTES_PER_SECOND,
    Unit.PACKETS: Show.PACKETS_PER_SECOND,
    Unit.SEGMENTS: Show.PACKETS_PER_SECOND,
    Unit.DATAGRAMS: Show.PACKETS_PER_SECOND,
    Unit.FRAGMENTS: Show.PACKETS_PER_SECOND,
    Unit.CALLS: Show.CALLS_PER_SECOND,
    Unit.REQUESTS: Show.REQUESTS_PER_SECOND,
    Unit.SECONDS: Show.SHARE,
    Unit.MILLISECONDS: Show.SHARE,
}
SCALE = {Unit.WORDS: 4.0, Unit.MILLISECONDS: 0.001}  # factor that brings a counter's rate to the unit above
_AS_IT_IS = {
    Unit.BYTES: Show.BYTES,
    Unit.SECONDS: Show.SECONDS,
    Unit.MILLISECONDS: Show.MILLISECONDS,
    Unit.RATIO: Show.SHARE,
}


def of(metric: Metric) -> Show:
    """Unit in which a metric is drawn: per second for a counter, as it is for a gauge."""
    if metric.kind is Kind.COUNTER:
        return _PER_SECOND.get(metric.unit, Show.PER_SECOND)
    return _AS_IT_IS.get(metric.unit, Show.NUMBER)


def total_of(metric: Metric) -> Show:
    """Unit of a counter's increase over a stretch of time, or of a gauge in a table."""
    return _AS_IT_IS.get(metric.unit, Show.COUNT)
