from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from exporter.bpf.block_times import BlockRequests, BlockTimes, Measured
from exporter.bpf.histogram import Hist
from exporter.bpf.times import Slow
from exporter.errors import UnsupportedError
from exporter.model.probe import Env
from exporter.model.snapshot import Histogram
from exporter.probes import biolatency as probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle

NOTHING = Hist((0,) * 32, 0, 0)
THREE = Hist((0, 2, 0, 1, *(0,) * 28), 11_000, 3)


@dataclass
class Requests:
    """Measured requests, given by the test."""

    measured: Measured
    closed: bool = False

    def read(self) -> Measured:
        return self.measured

    def close(self) -> None:
        self.closed = True


def test_each_device_and_operation_has_a_row_of_the_node(
    fake_cycle: type[FakeCycle], host: Pod, values_of: Callable[..., object]
) -> None:
    times = {
        ("sda", "read"): BlockTimes(THREE, THREE, Slow(2, 1)),
        ("nvme0n1", "flush"): BlockTimes(NOTHING, THREE, Slow(0, 0)),
    }
    requests = Requests(Measured(times, {"fault_map_full": 5, "fault_unfinished": 7, "fault_lost": 0}))
    running = probe.BioLatency(cast("BlockRequests", requests))
    shown = Histogram((0, 2, 0, 1, *(0,) * 18), 11e-6)
    assert values_of(running.collect(fake_cycle())) == {
        (host, "sda", "read"): {
            "slow_total": 2,
            "very_slow_total": 1,
            "queue_seconds": shown,
            "device_seconds": shown,
        },
        (host, "nvme0n1", "flush"): {
            "slow_total": 0,
            "very_slow_total": 0,
            "queue_seconds": None,
            "device_seconds": shown,
        },
        (host, "map_full"): {"uncounted_total": 5},
        (host, "unfinished"): {"uncounted_total": 7},
    }
    running.close()
    assert requests.closed


def test_a_captured_tree_has_no_programs(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.PROBE.open(Env(tmp_path, tmp_path, tmp_path, "node-a"))
