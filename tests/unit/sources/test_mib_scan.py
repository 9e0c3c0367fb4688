from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import UnsupportedError
from exporter.sources import mib_scan, snmp, snmp6

if TYPE_CHECKING:
    from collections.abc import Mapping


class Found:
    """A row made of columns."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers

    def covers(self, _name: str) -> bool:
        return bool(self._numbers)

    def pick(self, *columns: Any) -> tuple[int | None, ...]:  # noqa: ANN401 -- with a section before them or not
        return tuple(map(self._numbers.get, columns[-1]))


def udp(received: int, sent: int) -> snmp.Sections:
    return snmp.parse(f"Udp: InDatagrams OutDatagrams New\nUdp: {received} {sent} 0\n".encode(), "snmp")


def judged(found: Mapping[str, int], before: Any, after: Any, name: str = "snmp") -> str:  # noqa: ANN401 -- parsed files
    return mib_scan.difference(name, before, Found(found), after)


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


def test_a_kernel_without_ipv6_has_no_ipv6_counters() -> None:
    with pytest.raises(UnsupportedError, match=r"IPv6 is off; .*ipv6\.disable=1"):
        mib_scan.take6(Found({}))  # type: ignore[arg-type] # stands in for a row
