from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import NoDataError, UnsupportedError
from exporter.sources.io_readings import IoFiles
from exporter.sources.process_io import Ledger

if TYPE_CHECKING:
    from exporter.model.pod import Pod

WRITER = """
import os, sys
null = os.open("/dev/null", os.O_WRONLY)
for _ in range(23):
    os.write(null, b"1234567")
os.write(1, b"r")
os.read(0, 1)
"""


@dataclass
class Proc:
    """A procfs of our own making, in which processes live, wait and end as the test says."""

    root: Path
    written: dict[int, int] = field(default_factory=dict)

    def show(self, pid: int, calls: int, *, parent: int = 1, started: int = 100) -> None:
        """Process `pid` has made so many write calls of 7 bytes."""
        directory = self.root / str(pid)
        directory.mkdir(exist_ok=True)
        (directory / "stat").write_text(f"{pid} (sh) S {parent} {'0 ' * 17}{started} 0\n")
        # A new file each time, as the kernel may show the same process by another inode.
        (directory / "next").write_text(f"wchar: {calls * 7}\nsyscr: 0\nsyscw: {calls}\n")
        (directory / "next").rename(directory / "io")

    def end(self, pid: int) -> None:
        """Process `pid` is no longer to be seen."""
        for name in ("stat", "io"):
            (self.root / str(pid) / name).unlink()
        (self.root / str(pid)).rmdir()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.fixture
def ledger(proc: Proc) -> Ledger:
    return Ledger(IoFiles(str(proc.root)))


def calls(ledger: Ledger) -> dict[str, int]:
    return {pod.name: total["syscw"] for pod, total in ledger.totals.items()}


def test_processes_of_a_pod_add_up(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 3)
    proc.show(11, 4)
    ledger.update({web: (10, 11)})
    assert ledger.totals == {web: {"wchar": 49, "syscr": 0, "syscw": 7}}


def test_the_sum_stays_when_a_process_ends_and_nobody_waits(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 3)
    proc.show(11, 4)
    ledger.update({web: (10, 11)})
    proc.end(11)
    for _ in range(4):
        ledger.update({web: (10,)})
        assert calls(ledger) == {"web-0": 7}


def test_what_a_parent_inherits_by_waiting_is_not_counted_twice(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 3)
    proc.show(11, 4, parent=10)
    ledger.update({web: (10, 11)})
    proc.end(11)
    proc.show(10, 3 + 6 + 1)  # the child made 2 further calls before it ended, the parent one
    ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 10}


def test_a_parent_that_was_read_before_it_waited_inherits_in_the_next_round(
    proc: Proc, ledger: Ledger, web: Pod
) -> None:
    proc.show(10, 3)
    proc.show(11, 4, parent=10)
    ledger.update({web: (10, 11)})
    proc.end(11)
    ledger.update({web: (10,)})
    proc.show(10, 3 + 4)
    ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 7}


def test_a_parent_of_another_pod_does_not_get_what_its_child_was_counted_for(
    proc: Proc, ledger: Ledger, host: Pod, web: Pod
) -> None:
    proc.show(10, 3)
    proc.show(11, 400, parent=10)
    ledger.update({host: (10,), web: (11,)})
    proc.end(11)
    proc.show(10, 3 + 400)
    ledger.update({host: (10,), web: ()})
    assert calls(ledger) == {"": 3, "web-0": 400}


def test_an_ancestor_inherits_when_parent_and_child_end_together(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 1)
    proc.show(11, 2, parent=10)
    proc.show(12, 4, parent=11)
    ledger.update({web: (10, 11, 12)})
    proc.end(11)
    proc.end(12)
    proc.show(10, 1 + 2 + 4)
    ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 7}


def test_the_process_that_took_an_orphan_over_inherits(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(1, 1, parent=0)
    proc.show(10, 2, parent=1)
    proc.show(11, 4, parent=10)
    proc.show(12, 8, parent=11)
    ledger.update({web: (1, 10, 11, 12)})
    proc.end(11)
    proc.show(10, 2 + 4)
    ledger.update({web: (1, 10, 12)})
    proc.end(12)  # an orphan by now, so process 1 waits for it, not process 10
    proc.show(1, 1 + 8)
    ledger.update({web: (1, 10)})
    assert calls(ledger) == {"web-0": 15}


def test_a_zombie_that_shows_no_namespace_keeps_its_last_values_until_it_is_waited_for(
    proc: Proc, ledger: Ledger, web: Pod
) -> None:
    proc.show(10, 3)
    proc.show(11, 4, parent=10)
    ledger.update({web: (10, 11)})
    proc.show(11, 5, parent=10)
    for _ in range(4):
        ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 8}
    proc.end(11)
    proc.show(10, 3 + 5)
    ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 8}


def test_a_process_that_moves_is_counted_once(proc: Proc, ledger: Ledger, host: Pod, web: Pod) -> None:
    proc.show(10, 3)
    ledger.update({host: (10,), web: ()})
    proc.show(10, 5)
    ledger.update({host: (), web: (10,)})
    assert calls(ledger) == {"": 3, "web-0": 2}


def test_a_reused_number_is_another_process(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 5)
    ledger.update({web: (10,)})
    proc.show(10, 9, started=200)
    ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 14}


def test_a_file_shown_by_another_inode_is_still_the_same_process(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 5)
    ledger.update({web: (10,)})
    proc.show(10, 9)
    ledger.update({web: (10,)})
    assert calls(ledger) == {"web-0": 9}


def test_nothing_is_kept_of_a_pod_that_is_gone(proc: Proc, ledger: Ledger, host: Pod, web: Pod) -> None:
    proc.show(1, 1)
    proc.show(10, 5)
    ledger.update({host: (1,), web: (10,)})
    proc.end(10)
    for _ in range(2):
        ledger.update({host: (1,)})
    assert (calls(ledger), list(ledger._known), ledger._legacies) == ({"": 1}, [1], [])


def test_names_that_a_kernel_lacks_are_missing(proc: Proc, ledger: Ledger, web: Pod) -> None:
    proc.show(10, 5)
    ledger.update({web: (10,)})
    assert "read_bytes" not in ledger.totals[web]


def test_without_any_process_there_is_no_data(ledger: Ledger, web: Pod) -> None:
    with pytest.raises(NoDataError, match="no process"):
        ledger.update({web: ()})


def test_where_no_process_may_be_read_the_reason_is_told(proc: Proc, ledger: Ledger, web: Pod) -> None:
    (proc.root / "10").mkdir()
    with pytest.raises(UnsupportedError, match="CONFIG_TASK_IO_ACCOUNTING"):
        ledger.update({web: (10,)})


def test_a_real_child_s_calls_are_exact_and_stay_after_it_was_waited_for(host: Pod, web: Pod) -> None:
    ledger = Ledger(IoFiles("/proc"))
    parent = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.read(1)
print(child.pid, flush=True)
sys.stdin.readline()
child.communicate(b"x")
print("waited", flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent, WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        child = int(process.stdout.readline())
        _until_asleep(child, process.pid)
        ledger.update({host: (process.pid,), web: (child,)})
        own, shown = ledger.totals[host]["syscw"], _calls(process.pid)
        while_alive = (ledger.totals[web]["syscw"], ledger.totals[web]["wchar"])
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "waited\n"
        _until_asleep(process.pid)
        ledger.update({host: (process.pid,), web: ()})
        after = (ledger.totals[web]["syscw"], ledger.totals[web]["wchar"])
        growth = ledger.totals[host]["syscw"] - own
        shown_growth = _calls(process.pid) - shown
        process.communicate("\n")
    # 23 calls of 7 bytes and the one byte that tells, which the kernel then shows as the parent's.
    assert (while_alive, after, growth) == ((24, 162), (24, 162), shown_growth - 24)


def _calls(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("syscw:"))


def _until_asleep(*pids: int) -> None:
    """A call is counted when it returns, which may be after the other side has read what it wrote."""
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S" for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
