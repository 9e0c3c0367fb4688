from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.model.metric import Kind, Naming
from exporter.probes import io as probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle

STAT = "10 (sh) S 1 " + "0 " * 17 + "100 0\n"
IO = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"


@pytest.fixture
def cycle(fake_cycle: type[FakeCycle], tmp_path: Path, web: Pod) -> FakeCycle:
    """A cycle that sees process 10 of one pod."""
    (tmp_path / "10").mkdir()
    (tmp_path / "10" / "stat").write_text(STAT)
    (tmp_path / "10" / "io").write_text(IO)
    world = fake_cycle(pids={web: (10,)})
    world.env = replace(world.env, proc=tmp_path)
    return world


def test_each_pod_has_a_row_of_what_its_processes_did(
    cycle: FakeCycle, web: Pod, values_of: Callable[..., object]
) -> None:
    running = probe.PROBE.open(cycle.env)
    expected = {"readsyscall": 3, "writesyscall": 4, "readbytes": 4096, "writebytes": 8192}
    for _ in range(2):
        assert values_of(running.collect(cycle)) == {(web,): expected}
    running.close()


def test_numbers_that_the_kernel_lacks_are_gaps(
    cycle: FakeCycle, web: Pod, values_of: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "10" / "io").write_text("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\n")
    assert values_of(probe.PROBE.open(cycle.env).collect(cycle)) == {
        (web,): {"readsyscall": 3, "writesyscall": 4, "readbytes": None, "writebytes": None}
    }


def test_two_openings_keep_separate_books(cycle: FakeCycle, values_of: Callable[..., object]) -> None:
    first, second = probe.PROBE.open(cycle.env), probe.PROBE.open(cycle.env)
    assert values_of(first.collect(cycle)) == values_of(second.collect(cycle))


def test_all_spellings_that_users_know_are_names() -> None:
    spellings = {name for metric in probe.METRICS for name in (metric.name_in(Naming.INSPECTOR), *metric.aliases)}
    assert spellings == {
        "inspector_pod_ioioreadsyscall",
        "inspector_pod_ioreadsyscall",
        "inspector_pod_ioiowritesyscall",
        "inspector_pod_iowritesyscall",
        "inspector_pod_ioioreadbytes",
        "inspector_pod_ioreadbytes",
        "inspector_pod_ioiowritebytes",
        "inspector_pod_iowritebytes",
        "inspector_pod_ioiowritebyres",
    }
    assert {metric.kind for metric in probe.METRICS} == {Kind.COUNTER}
