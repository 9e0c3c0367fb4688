from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from exporter.bpf.command_times import CommandTimes, Measured
from exporter.bpf.histogram import Hist
from exporter.bpf.times import Slow, Times
from exporter.errors import UnsupportedError
from exporter.model.probe import Env
from exporter.model.snapshot import Histogram
from exporter.probes import virtcmdlatency as probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle


@dataclass
class Commands:
    """Measured commands, given by the test."""

    measured: Measured
    closed: bool = False

    def read(self) -> Measured:
        return self.measured

    def close(self) -> None:
        self.closed = True


def test_the_node_has_one_row(fake_cycle: type[FakeCycle], host: Pod, values_of: Callable[..., object]) -> None:
    slots = (*(0,) * 16, 3, *(0,) * 14, 2)  # the last is beyond the buckets that are shown
    commands = Commands(Measured(Times(Hist(slots, 9_000_000_000, 5), Slow(5, 2)), {"fault_unfinished": 1}))
    running = probe.VirtCmdLatency(cast("CommandTimes", commands))
    assert values_of(running.collect(fake_cycle())) == {
        (host,): {
            "latency": 5,
            "latency100ms": 2,
            "seconds": Histogram((*(0,) * 16, 3, *(0,) * 4, 2), 9.0),
            "uncounted_total": 1,
        }
    }
    running.close()
    assert commands.closed


def test_a_captured_tree_has_no_programs(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.PROBE.open(Env(tmp_path, tmp_path, tmp_path, "node-a"))
