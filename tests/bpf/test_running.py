"""What loaded objects tell about themselves, against what was made to happen and what bpftool says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import running
from exporter.bpf.loader import BpfObject
from exporter.bpf.running import Fill, Program, RunCounting, Running, State

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def bpf(probe_object: Path) -> Iterator[BpfObject]:
    """An opened object."""
    with BpfObject(probe_object) as opened:
        yield opened


@pytest.fixture
def rename() -> Iterator[None]:
    """The name of this process is the same after the test."""
    comm = Path("/proc/self/comm")
    before = comm.read_bytes()
    yield
    comm.write_bytes(before.strip())


def call_it(times: int) -> None:
    """Set the name of this process, to which the program is attached."""
    for _ in range(times):
        Path("/proc/self/comm").write_text("ab")


def run_it(bpf: BpfObject, times: int) -> None:
    """Run a program that only runs on demand, so that nobody else makes it run."""
    for _ in range(times):
        bpf.run("fill", bytearray(8))


def loaded(*, counted: bool = False) -> tuple[Running, ...]:
    """The loaded objects of these tests."""
    return tuple(each for each in running.survey(counted=counted) if each.name.startswith("probe"))


def programs(*, counted: bool = False) -> dict[str, Program]:
    """Those of the only loaded object, by name."""
    (only,) = loaded(counted=counted)
    return {each.name: each for each in only.programs}


def test_an_object_is_on_the_list_from_loading_to_closing(bpf: BpfObject) -> None:
    before = loaded()
    bpf.load()
    (only,) = loaded()
    bpf.close()
    assert (before, only.name, loaded()) == ((), "probe", ())


def test_the_same_object_twice_has_two_names(bpf: BpfObject, probe_object: Path) -> None:
    bpf.load()
    with BpfObject(probe_object) as second:
        second.load()
        assert [each.name for each in loaded()] == ["probe", "probe-2"]


def test_an_object_that_nobody_closed_is_not_kept(probe_object: Path) -> None:
    forgotten = BpfObject(probe_object)
    forgotten.load()
    del forgotten
    assert loaded() == ()


def test_each_program_tells_its_hook_and_how_it_stands(bpf: BpfObject) -> None:
    bpf.load()
    link = bpf.attach("on_rename")
    before = {name: (each.hook, each.state) for name, each in programs().items()}
    link.close()
    after = programs()["on_rename"].state
    assert before.items() >= {
        ("fill", ("syscall", State.ON_DEMAND)),
        ("on_rename", ("tp_btf/task_rename", State.ATTACHED)),
        ("on_connect", ("fentry/tcp_v4_connect", State.NOT_LOADED)),
    }
    assert after is State.DETACHED


def test_runs_are_counted_exactly_while_they_are_to_be_counted(bpf: BpfObject) -> None:
    bpf.load()
    run_it(bpf, 5)
    assert (programs()["fill"].runs, programs(counted=True)["fill"].runs) == (None, 0)

    counting = RunCounting()
    run_it(bpf, 41)
    counting.close()
    counting.close()
    run_it(bpf, 7)

    found = programs()["fill"]
    lines = Path(f"/proc/self/fdinfo/{bpf.program_fd('fill')}").read_text().splitlines()
    witness = dict(line.split(":\t") for line in lines)
    assert (found.runs, found.skipped) == (int(witness["run_cnt"]), 0) == (41, 0)
    assert found.seconds == pytest.approx(int(witness["run_time_ns"]) * 1e-9) != 0


@pytest.mark.usefixtures("rename")
def test_faults_are_told_of_every_object_that_counts_them(bpf: BpfObject) -> None:
    bpf.set_variable("only_tgid", os.getpid())
    bpf.set_variable("event_copies", 200)
    bpf.set_variable("events_per_second", 0)
    bpf.load()
    bpf.attach("on_rename")
    call_it(1)
    (only,) = loaded()
    assert only.faults == {"map_full": 0, "lost": 0, "suppressed": 200, "unfinished": 0}


def test_a_map_that_is_read_as_a_whole_tells_how_full_it_is(bpf: BpfObject) -> None:
    bpf.load()
    plain = bpf.map("plain")
    for number in range(13):
        plain.update(number.to_bytes(4, "little"), bytes(8))
    (before,) = loaded()
    plain.read()
    bpf.map("rows").read()  # an array is always full
    (after,) = loaded()
    assert (before.maps, after.maps) == ((), (Fill("plain", 13, plain.max_entries),))


def test_counting_runs_is_refused_without_privileges_and_says_what_it_takes() -> None:
    script = "from exporter.bpf.running import RunCounting; RunCounting()"
    dropped = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--"]
    done = subprocess.run([*dropped, sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "exporter.errors.UnsupportedError: runs of eBPF programs are not counted (Operation not permitted); "
        "it takes CAP_SYS_ADMIN and Linux 5.8"
    )


@pytest.mark.parametrize("wanted", [True, False])
def test_the_exporter_tells_runs_only_when_asked_to_have_them_counted(wanted: bool, tmp_path: Path) -> None:  # noqa: FBT001
    settings = tmp_path / "config.yaml"
    settings.write_text(f"metrics: {{kernelScan: false, probes: [softirq], ebpfStats: {str(wanted).lower()}}}\n")
    command = [sys.executable, "-m", "exporter", "once", "--config", str(settings)]
    body = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in body.splitlines() if line.startswith("kubeskoop_exporter_ebpf_")]
    names = {line.partition("{")[0].removeprefix("kubeskoop_exporter_ebpf_") for line in lines}
    counted = {"program_runs_total", "program_run_seconds_total"}
    assert names == {"program_state", "program_skipped_runs_total", "faults_total"} | (counted if wanted else set())
    states = [line for line in lines if "program_state{" in line]
    assert {line.partition('hook="')[2].partition('"')[0] for line in states if 'state="attached"' in line} == {
        "tp_btf/softirq_raise",
        "tp_btf/softirq_entry",
        "tp_btf/softirq_exit",
    }
