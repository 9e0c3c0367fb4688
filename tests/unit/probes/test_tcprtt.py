from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.histogram import Hist
from exporter.bpf.netns_times import Measured
from exporter.bpf.times import Slow, Times
from exporter.errors import UnsupportedError
from exporter.model.pod import Pod
from exporter.model.snapshot import Histogram
from exporter.probes import tcprtt as probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


GONE = Pod("shop", "cart-0", 4026532999)


class FixedBpf:
    """Stands for a loaded object: it only has an enum of kinds."""

    def __init__(self) -> None:
        self.btf = self
        self.closed = False

    def enum(self, _name: str) -> Mapping[str, int]:
        return {"KIND_SMOOTHED": 3, "KIND_LOWEST": 1}

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


def times(slots: tuple[int, ...], nanoseconds: int) -> Times:
    return Times(Hist((*slots, *[0] * (32 - len(slots))), nanoseconds, sum(slots)), Slow(0, 0))


def test_each_namespace_that_had_samples_has_both_histograms(
    monkeypatch: pytest.MonkeyPatch,
    fake_cycle: Callable[..., Any],
    values_of: Callable[..., Any],
    host: Pod,
    web: Pod,
) -> None:
    measured = Measured(
        frozenset({host.netns, web.netns}),
        {web.netns: {3: times((0, 5), 10_000), 1: times((5,), 5_000)}, GONE.netns: {3: times((1,), 1)}},
        {},
        {"fault_map_full": 2},
    )
    monkeypatch.setattr("exporter.probes.tcprtt.NetnsTimes", lambda _: FixedTimes(measured))
    bpf = FixedBpf()
    opened = probe.TcpRtt(bpf)  # type: ignore[arg-type]

    found = values_of(opened.collect(fake_cycle({}, pids={host: (1,), web: (7,), GONE: (9,)})))
    opened.close()

    assert found == {
        (web,): {
            "seconds": Histogram((0, 5, *[0] * 20), 1e-05),
            "min_seconds": Histogram((5, *[0] * 21), 5e-06),
        },
        (host,): {"uncounted_total": 2},
    }
    assert bpf.closed


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))
