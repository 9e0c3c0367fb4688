from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import GoneError, NoDataError, SourceError, UnsupportedError
from exporter.model.pod import Pod
from exporter.model.scan import Answer, Part, compare
from exporter.runtime.kernel_scan import KernelScan

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Netns

PROC = Path("/proc")
OWN = os.stat("/proc/self/ns/net").st_ino
A, B = Pod("standalone", "ns101", 101), Pod("standalone", "ns102", 102)


def read_number(_netns: Netns) -> int:
    """Says 7 everywhere."""
    return 7


def read_other(_netns: Netns) -> int:
    """Another reader, which is not supported."""
    raise UnsupportedError("no such file")


class Rows:
    """A scan that finds what the test puts into `rows`.

    Args:
        rows: number by inode.
        breaks_at: the run that fails.
    """

    def __init__(self, rows: dict[int, int], breaks_at: int = -1) -> None:
        self.rows = rows
        self.over_capacity = 2
        self.runs = 0
        self.closed = False
        self._breaks_at = breaks_at

    def scan(self) -> None:
        self.runs += 1
        if self.runs == self._breaks_at:
            raise SourceError("the kernel scan", "a scan that ends well", 1)

    def row(self, inode: int) -> int | None:
        return self.rows.get(inode)

    def close(self) -> None:
        self.closed = True


def part(rows: Rows, take: Callable[[int], Any] = int, name: str = "numbers") -> Part[Any]:
    return Part(name, lambda: rows, (Answer(read_number, take),))


def scan_of(rows: dict[int, int], **options: Any) -> tuple[KernelScan, Rows]:  # noqa: ANN401 -- as Rows takes them
    made = Rows({OWN: 7} | rows, **options)
    return KernelScan(PROC, [part(made)]), made


def run(scan: KernelScan, *readers: Any) -> list[str]:  # noqa: ANN401 -- readers of any type
    return list(scan.run(readers or (read_number,)))


def test_an_answer_is_believed_in_the_namespaces_where_it_was_checked() -> None:
    scan, _ = scan_of({101: 7, 102: 7})
    run(scan)
    before = scan.doubted(read_number, {101, 102})
    scan.judge(read_number, A, 7, 7)
    assert (before, scan.doubted(read_number, {101, 102})) == ({101, 102}, {102})
    assert scan.believed(read_number, [A, B]) == {A: 7}


def test_so_many_namespaces_are_checked_per_cycle_and_they_take_turns() -> None:
    inodes = set(range(1, 251))
    scan, _ = scan_of(dict.fromkeys(inodes, 7))
    turns = []
    for _ in range(3):
        run(scan)
        turns.append(scan.doubted(read_number, inodes))
    assert [len(turn) for turn in turns] == [100, 100, 100]
    assert set.union(*turns) == inodes


def test_a_namespace_without_a_row_is_neither_doubted_nor_answered_for() -> None:
    scan, rows = scan_of({101: 7})
    scan.judge(read_number, A, 7, 7)
    del rows.rows[101]
    assert (scan.doubted(read_number, {101}), scan.believed(read_number, [A])) == (set(), {})


def test_a_namespace_that_ended_is_checked_anew_when_its_inode_comes_back() -> None:
    scan, _ = scan_of({101: 7})
    scan.judge(read_number, A, 7, 7)
    scan.forget({102})
    assert (scan.doubted(read_number, {101}), scan.believed(read_number, [A])) == ({101}, {})


def test_only_five_differences_in_a_row_end_a_part(caplog: pytest.LogCaptureFixture) -> None:
    scan, rows = scan_of({101: 8})
    for _ in range(4):
        scan.judge(read_number, A, 7, 7)
    rows.rows[101] = 7
    scan.judge(read_number, A, 7, 7)  # agrees
    rows.rows[101] = 8
    for _ in range(4):
        scan.judge(read_number, A, 7, 7)
    still = (scan.parts[0].active, rows.closed)
    scan.judge(read_number, A, 7, 7)
    assert still == (True, False)
    assert (scan.parts[0].active, scan.parts[0].disagreements, rows.closed) == (False, 1, True)
    reason = (
        f"the scan disagrees with what it replaces on Linux {os.uname().release}, namespace ns101: "
        "the source has 7, the scan 8"
    )
    assert scan.parts[0].reason == reason
    assert caplog.messages == [f"kernel scan of numbers is not used, namespaces are visited for them: {reason}"]
    assert (scan.doubted(read_number, {101}), scan.believed(read_number, [A]), run(scan)) == (set(), {}, [])


def test_what_changed_while_it_was_checked_proves_nothing() -> None:
    assert (compare(7, 7, 7), compare(7, 9, 8)) == ("", "")
    assert compare(7, 9, 7) == "the source has 7, the scan 9"


@pytest.mark.parametrize("failure", [GoneError("/proc/1"), UnsupportedError("no such file")])
def test_an_answer_that_the_source_does_not_give_cannot_be_checked(failure: Exception) -> None:
    scan, _ = scan_of({101: 8})
    for _ in range(9):
        scan.judge(read_number, A, failure, failure)
    assert (scan.parts[0].active, scan.believed(read_number, [A])) == (True, {})


def test_an_answer_may_be_the_error_that_the_reader_ends_in() -> None:
    def refuse(_row: int) -> int:
        raise NoDataError("nothing there")

    scan = KernelScan(PROC, [part(Rows({101: 0}), refuse)])
    scan.judge(read_number, A, NoDataError("nothing there"), NoDataError("nothing there"))
    assert {pod: str(error) for pod, error in scan.believed(read_number, [A]).items()} == {A: "nothing there"}


def test_none_leaves_a_namespace_to_the_reader() -> None:
    scan = KernelScan(PROC, [part(Rows({OWN: 7, 101: 3, 102: 7}), lambda row: row if row == 7 else None)])
    for pod in (A, B):
        scan.judge(read_number, pod, 7, 7)
    assert (scan.believed(read_number, [A, B]), scan.doubted(read_number, {101})) == ({B: 7}, set())


def test_a_row_that_makes_no_sense_ends_the_part() -> None:
    def stumble(row: int) -> int:
        raise SourceError("the kernel scan", "a row", row)

    rows = Rows({101: 3})
    scan = KernelScan(PROC, [part(rows, stumble)])
    assert (scan.doubted(read_number, {101}), scan.parts[0].active, rows.closed) == (set(), False, True)
    assert scan.parts[0].reason == "the kernel scan: expected a row, found 3"


@pytest.mark.parametrize(
    "error", [UnsupportedError("the programs were not built; run: make bpf"), SourceError("netns_scan.bpf.o", "ELF")]
)
def test_a_part_that_cannot_be_had_is_one_line_in_the_log_and_the_others_live(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> Any:  # noqa: ANN401 -- never returns
        raise error

    lost = Part("others", refuse, (Answer(read_other, int),))
    with caplog.at_level(logging.INFO):
        scan = KernelScan(PROC, [lost, part(Rows({OWN: 7}))])
        for _ in range(3):
            run(scan, read_number, read_other)

    assert [(each.name, each.active, each.reason) for each in scan.parts] == [
        ("others", False, str(error)),
        ("numbers", True, ""),
    ]
    assert caplog.messages == [f"kernel scan of others is not used, namespaces are visited for them: {error}"]


def test_the_tree_of_another_machine_is_not_scanned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows({101: 7})
    with caplog.at_level(logging.INFO):
        scan = KernelScan(tmp_path, [part(rows)])
    assert [each.reason for each in scan.parts] == [f"{tmp_path} is not the procfs of the running kernel"]
    assert (caplog.messages, rows.runs) == ([], 0)


def test_a_scan_that_disagrees_here_is_given_up_before_the_first_cycle() -> None:
    rows = Rows({OWN: 9})
    scan = KernelScan(PROC, [part(rows)])
    assert (scan.parts[0].active, scan.parts[0].disagreements, rows.runs) == (False, 1, 5)
    assert scan.parts[0].reason.endswith("namespace of the host: the source has 7, the scan 9")


def test_a_scan_that_agrees_here_runs_once_before_the_first_cycle() -> None:
    assert scan_of({})[1].runs == 1


def test_a_scan_that_fails_later_is_closed_and_over() -> None:
    scan, rows = scan_of({}, breaks_at=2)
    active = scan.parts[0].active
    run(scan)
    assert (active, scan.parts[0].active, rows.closed) == (True, False, True)
    assert scan.parts[0].reason == "the kernel scan: expected a scan that ends well, found 1"


def test_a_part_that_nobody_wants_anything_of_is_not_run_and_what_does_not_fit_is_counted() -> None:
    scan, rows = scan_of({})
    assert (run(scan, read_other), rows.runs, scan.parts[0].over_capacity) == ([], 1, 2)
    assert (run(scan), rows.runs, scan.parts[0].over_capacity) == (["kernel_scan.numbers"], 2, 4)
