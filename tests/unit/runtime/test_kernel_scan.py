from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.runtime.kernel_scan import KernelScan, disagreement
from exporter.sources import snmp, snmp6

if TYPE_CHECKING:
    from collections.abc import Mapping

PROC = Path("/proc")


class Found:
    """A row made of columns."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers

    def pick(self, _section: str, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        return tuple(map(self._numbers.get, columns))


def udp(received: int, sent: int) -> snmp.Sections:
    return snmp.parse(f"Udp: InDatagrams OutDatagrams New\nUdp: {received} {sent} 0\n".encode(), "snmp")


def judged(found: Mapping[str, int], before: Any, after: Any, name: str = "snmp") -> str:  # noqa: ANN401 -- parsed files
    return disagreement(Found(found), name, before, after)  # type: ignore[arg-type] # stands in for a row


def test_a_number_between_two_readings_agrees_and_new_columns_do_not_count() -> None:
    assert [judged({"InDatagrams": at, "OutDatagrams": 7}, udp(3, 7), udp(5, 7)) for at in (3, 4, 5)] == [""] * 3


@pytest.mark.parametrize("number", [2, 6, 2**64 - 1])
def test_a_number_outside_is_named_with_all_three_readings(number: int) -> None:
    found = judged({"InDatagrams": number, "OutDatagrams": 7}, udp(3, 7), udp(5, 7))
    assert found == f"snmp Udp InDatagrams: procfs 3, then scan {number}, then procfs 5"


def test_a_counter_that_procfs_prints_and_the_kernels_enum_lacks_is_a_disagreement() -> None:
    found = judged({"InDatagrams": 3}, udp(3, 7), udp(3, 7))
    assert found == "snmp Udp OutDatagrams: procfs 7, then scan None, then procfs 7"


def test_numbers_that_may_fall_are_not_compared() -> None:
    before, after = (snmp.parse(f"Tcp: CurrEstab\nTcp: {number}\n".encode(), "snmp") for number in (5, 5))
    assert judged({"CurrEstab": 9}, before, after) == ""


def test_all_of_snmp6_is_compared() -> None:
    before, after = (snmp6.parse(f"Ip6InReceives {number}\n".encode(), "snmp6") for number in (5, 6))
    assert judged({"Ip6InReceives": 4}, before, after, "snmp6") == (
        "snmp6 snmp6 Ip6InReceives: procfs 5, then scan 4, then procfs 6"
    )


@pytest.mark.parametrize(
    "error", [UnsupportedError("the programs were not built; run: make bpf"), SourceError("netns_scan.bpf.o", "ELF")]
)
def test_a_scan_that_cannot_be_had_is_one_line_in_the_log(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> Any:  # noqa: ANN401 -- never returns
        raise error

    with caplog.at_level(logging.INFO):
        scan = KernelScan(PROC, refuse)
        for _ in range(3):
            scan.run()

    assert (scan.active, scan.reason, scan.row(1), scan.disagreements) == (False, str(error), None, 0)
    assert caplog.messages == [f"counters of namespaces are read from procfs, without kernel scan: {error}"]


def test_the_tree_of_another_machine_is_not_scanned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        scan = KernelScan(tmp_path)
    assert scan.reason == f"{tmp_path} is not the procfs of the running kernel"
    assert caplog.messages == []


class Failing:
    """A scan that works once, for the check at the start, and then fails."""

    over_capacity = 0
    closed = False
    runs = 0

    def scan(self) -> None:
        self.runs += 1
        if self.runs > 1:
            raise SourceError("the kernel scan", "a scan that ends well", 1)

    def row(self, _inode: int) -> Any:  # noqa: ANN401 -- a row that covers nothing
        class Nothing:
            def covers(self, _name: str) -> bool:
                return False

        return Nothing()

    def close(self) -> None:
        self.closed = True


def test_a_scan_that_fails_later_is_closed_and_over() -> None:
    failing = Failing()
    scan = KernelScan(PROC, lambda: failing)  # type: ignore[arg-type,return-value] # stands in for the program
    active = scan.active
    scan.run()
    assert (active, scan.active, failing.closed, scan.row(1)) == (True, False, True, None)
    assert scan.reason == "the kernel scan: expected a scan that ends well, found 1"
