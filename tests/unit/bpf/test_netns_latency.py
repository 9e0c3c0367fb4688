from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.histogram import TIME_BUCKETS, Hist
from exporter.bpf.netns_latency import Given, NetnsLatency, TimeMetrics, options, uncounted
from exporter.bpf.netns_times import Measured
from exporter.bpf.times import Slow, Times
from exporter.errors import SourceError
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.pod import Pod
from exporter.model.snapshot import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OTHER = Pod("shop", "cart-0", 4026532001)


def metric(name: str, kind: Kind = Kind.COUNTER) -> Metric:
    return Metric(
        probe="latency",
        name=name,
        kind=kind,
        unit=Unit.SECONDS if kind is Kind.HISTOGRAM else Unit.PACKETS,
        help="A sentence.",
        scope=Scope.NETNS,
        source="test",
        buckets=TIME_BUCKETS if kind is Kind.HISTOGRAM else (),
    )


RX = TimeMetrics(metric("rxslow"), metric("rxslow100ms"), metric("rx_seconds", Kind.HISTOGRAM))
TX = TimeMetrics(metric("txslow"), metric("txslow100ms"), metric("tx_seconds", Kind.HISTOGRAM))
LOST = uncounted("latency", "test")


class FixedBpf:
    """Stands for a loaded object: it only has an enum of kinds."""

    path = "latency.bpf.o"

    def __init__(self) -> None:
        self.btf = self
        self.closed = False

    def enum(self, name: str) -> Mapping[str, int]:
        return {"kind": {"KIND_RX": 0, "KIND_TX": 5}}[name]

    def close(self) -> None:
        self.closed = True


class FixedTimes:
    """Stands for the map: what it holds is given."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def read(self) -> Measured:
        return self._measured

    def close(self) -> None:
        """Nothing was opened."""


@pytest.fixture
def tables_of(
    monkeypatch: pytest.MonkeyPatch, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> Callable[..., Any]:
    def show(measured: Measured, **given: object) -> object:
        monkeypatch.setattr("exporter.bpf.netns_latency.NetnsTimes", lambda _: FixedTimes(measured))
        probe = NetnsLatency(FixedBpf(), {"KIND_RX": RX, "KIND_TX": TX}, LOST)  # type: ignore[arg-type]
        return values_of(probe.collect(fake_cycle(**given)))

    return show


FAULTS = {"fault_map_full": 3, "fault_lost": 0, "fault_suppressed": 0, "fault_unfinished": 5}
LONG = Times(Hist((2, 3, *[0] * 29, 1), 3_000_000_000, 6), Slow(2, 1))
IDLE = {"rxslow": 0, "rxslow100ms": 0, "rx_seconds": None, "txslow": 0, "txslow100ms": 0, "tx_seconds": None}


def test_each_namespace_has_its_counters_and_a_histogram_of_what_happened(
    tables_of: Callable[..., Any], host: Pod
) -> None:
    measured = Measured(frozenset({host.netns, OTHER.netns}), {OTHER.netns: {5: LONG}}, {0: LONG}, FAULTS)

    found = tables_of(measured, pids={host: (1,), OTHER: (7,)})

    assert found == {
        (host,): IDLE,
        (OTHER,): IDLE
        | {"txslow": 2, "txslow100ms": 1, "tx_seconds": Histogram((2, 3, *[0] * 19, 1), pytest.approx(3.0))},
        (host, "map_full"): {"uncounted_total": 3},
        (host, "unfinished"): {"uncounted_total": 5},
        (host, "unattributed"): {"uncounted_total": 6},
    }


def test_a_namespace_that_ended_has_nothing(tables_of: Callable[..., Any], host: Pod) -> None:
    found = tables_of(Measured(frozenset({host.netns}), {}, {}, FAULTS), pids={host: (1,), OTHER: (7,)})

    assert [pod for pod, *labels in found if not labels] == [host]


def test_a_kind_that_the_object_lacks_is_told_and_the_object_closed() -> None:
    bpf = FixedBpf()

    with pytest.raises(SourceError, match=r"latency.bpf.o enum kind: expected KIND_IP.*KIND_RX, KIND_TX"):
        NetnsLatency(bpf, {"KIND_IP": RX}, LOST)  # type: ignore[arg-type]
    assert bpf.closed


def test_options_become_nanoseconds_and_sizes(env_of: Callable[..., Any]) -> None:
    env = replace(env_of("6.18-x86_64-two-pods"), options={"latency": {"slow_ms": 3, "entries": 77}})
    declared = options(slow_ms=10, very_slow_ms=100)

    assert Given.read(env, "latency", declared) == Given(
        {"slow_ms": 3, "very_slow_ms": 100, "entries": 77},
        {"slow_ns": 3_000_000, "very_slow_ns": 100_000_000},
        {"netns_times": 77},
    )
