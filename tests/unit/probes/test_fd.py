from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.errors import NoDataError, UnsupportedError
from exporter.model.metric import Naming
from exporter.probes import fd as probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod
    from exporter.model.snapshot import Table
    from tests.conftest import FakeCycle


def collect(cycle: FakeCycle) -> list[Table]:
    """Open the probe, collect once and close it."""
    with closing(probe.PROBE.open(cycle.env)) as running:
        return running.collect(cycle)


@pytest.fixture
def cycle_of(fake_cycle: type[FakeCycle], tmp_path: Path) -> Callable[..., FakeCycle]:
    """A cycle in which processes have descriptors that refer to the targets given."""

    def make(pids: dict[Pod, tuple[int, ...]], targets: dict[int, tuple[str, ...]]) -> FakeCycle:
        for pid, links in targets.items():
            directory = tmp_path / str(pid) / "fd"
            directory.mkdir(parents=True)
            for number, target in enumerate(links):
                os.symlink(target, directory / str(number))
        world = fake_cycle(pids=pids)
        world.env = replace(world.env, proc=tmp_path)
        return world

    return make


def test_descriptors_of_a_pod_s_processes_add_up_and_ended_ones_are_left_out(
    cycle_of: Callable[..., FakeCycle], host: Pod, web: Pod, dns: Pod, values_of: Callable[..., object]
) -> None:
    cycle = cycle_of(
        {host: (1,), web: (10, 11), dns: (12,)},
        {1: (), 10: ("/dev/null", "socket:[5]"), 11: ("socket:[6]", "socket:[7]", "pipe:[8]")},
    )
    assert values_of(collect(cycle)) == {
        (host,): {"openfd": 0, "opensocket": 0},
        (web,): {"openfd": 5, "opensocket": 3},
    }


def test_without_any_process_there_is_no_data(cycle_of: Callable[..., FakeCycle], web: Pod) -> None:
    with pytest.raises(NoDataError, match="no process"):
        collect(cycle_of({web: (10,)}, {}))


def test_where_no_process_may_be_read_the_reason_is_told(
    cycle_of: Callable[..., FakeCycle], web: Pod, tmp_path: Path
) -> None:
    cycle = cycle_of({web: (10,)}, {})
    (tmp_path / "10").mkdir()
    with pytest.raises(UnsupportedError, match="10/fd"):
        collect(cycle)


def test_a_real_process_shows_each_socket_it_opens(fake_cycle: type[FakeCycle], web: Pod) -> None:
    cycle = fake_cycle(pids={web: (os.getpid(),)})
    before = collect(cycle)[0].rows[0].values
    opened = [socket.socketpair() for _ in range(5)]
    after = collect(cycle)[0].rows[0].values
    for pair in opened:
        for each in pair:
            each.close()
    growth = [new - old for old, new in zip(before, after, strict=True) if old is not None and new is not None]
    assert growth == [10, 10]


def test_the_probe_is_on_by_default_and_its_names_are_known() -> None:
    names = [metric.name_in(Naming.INSPECTOR) for metric in probe.METRICS]
    assert (probe.PROBE.default, names) == (True, ["inspector_pod_fdopenfd", "inspector_pod_fdopensocket"])
