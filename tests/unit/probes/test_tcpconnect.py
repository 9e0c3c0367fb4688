from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.histogram import Hist
from exporter.bpf.netns_times import Measured
from exporter.bpf.times import Slow, Times
from exporter.errors import UnsupportedError
from exporter.model.pod import Pod
from exporter.model.snapshot import Histogram
from exporter.probes import tcpconnect as probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS = {"KIND_CONNECTED": 0} | {f"KIND_{reason.upper()}": 1 + at for at, reason in enumerate(probe.REASON.values)}
GONE = Pod("shop", "cart-0", 4026532999)


class FixedBpf:
    """Stands for a loaded object: it only has an enum of kinds."""

    def __init__(self, kinds: Mapping[str, int]) -> None:
        self.btf = self
        self.kinds = kinds
        self.closed = False

    def enum(self, _name: str) -> Mapping[str, int]:
        return self.kinds

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


def test_each_namespace_has_its_times_and_the_reasons_that_occurred(
    monkeypatch: pytest.MonkeyPatch,
    fake_cycle: Callable[..., Any],
    values_of: Callable[..., Any],
    host: Pod,
    web: Pod,
) -> None:
    measured = Measured(
        frozenset({host.netns, web.netns}),
        {
            web.netns: {0: times((2, 3), 4000), 1: times((1 << 63,), 5), 5: times((7,), 5)},
            GONE.netns: {2: times((1,), 1)},
        },
        {},
        {"fault_map_full": 11},
    )
    monkeypatch.setattr("exporter.probes.tcpconnect.NetnsTimes", lambda _: FixedTimes(measured))
    bpf = FixedBpf(KINDS)
    opened = probe.TcpConnect(bpf)  # type: ignore[arg-type]

    found = values_of(opened.collect(fake_cycle({}, pids={host: (1,), web: (7,), GONE: (9,)})))
    opened.close()

    assert found == {
        (web,): {"seconds": Histogram((2, 3, *[0] * 20), 4e-06)},
        (web, "refused"): {"failures_total": 1 << 63},
        (web, "abandoned"): {"failures_total": 7},
        (host,): {"uncounted_total": 11},
    }
    assert bpf.closed


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))
