from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.bpf.stacks import Stacks
from exporter.bpf.symbols import Symbol
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

KERNEL, MODULE, UNKNOWN = 0xFFFFFFFF81000010, 0xFFFFFFFFC0000012, 0xFFFFFFFFC0000999


class _Table:
    """Knows what a test says; asking takes as long as it says."""

    def __init__(self) -> None:
        self.places = {KERNEL: Symbol("tcp_v4_rcv", "", 0x1B2), MODULE: Symbol("ip_vs_out", "ip_vs", 0x12)}
        self.asked: list[set[int]] = []
        self.now = 1000.0
        self.takes = 0.0
        self.error: UnsupportedError | None = None
        self.closed = False

    def at(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        wanted = set(addresses)
        self.asked.append(wanted)
        self.now += self.takes
        if self.error:
            raise self.error
        return {address: self.places[address] for address in wanted if address in self.places}

    def known(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        return {address: self.places[address] for address in addresses if address in self.places} if self.asked else {}

    def close(self) -> None:
        self.closed = True

    def stacks(self) -> Stacks:
        return Stacks(lambda: self, lambda: self.now)


def test_functions_are_named_with_offset_and_module_and_what_has_no_name_is_a_number() -> None:
    found = _Table().stacks().named([(KERNEL, MODULE), (UNKNOWN, KERNEL)])
    assert found == {KERNEL: "tcp_v4_rcv+0x1B2", MODULE: "ip_vs_out+0x12[ip_vs]", UNKNOWN: "0xffffffffc0000999"}


def test_the_table_is_asked_once_for_what_it_knows() -> None:
    table = _Table()
    stacks = table.stacks()
    for _ in range(3):
        stacks.named([(KERNEL,)])
    assert table.asked == [{KERNEL}]


def test_nothing_is_asked_before_there_is_a_stack() -> None:
    table = _Table()
    assert table.stacks().named([]) == {}
    assert table.asked == []


def test_a_module_that_is_loaded_later_gets_its_name_and_one_that_has_gone_loses_it() -> None:
    table = _Table()
    stacks = table.stacks()
    stacks.named([(UNKNOWN, MODULE)])
    table.places = {UNKNOWN: Symbol("nft_do_chain", "nf_tables", 0x10)}
    table.now += 4.9
    assert stacks.named([(UNKNOWN,)]) == {UNKNOWN: "0xffffffffc0000999"}
    table.now += 0.2
    assert stacks.named([(UNKNOWN, MODULE)])[UNKNOWN] == "nft_do_chain+0x10[nf_tables]"
    table.now += 60
    assert stacks.named([(MODULE,)]) == {MODULE: "0xffffffffc0000012"}
    assert table.asked == [{UNKNOWN, MODULE}, {UNKNOWN}, {MODULE}]


def test_reading_takes_a_tenth_of_the_time_at_most_and_meanwhile_the_last_one_serves() -> None:
    table = _Table()
    table.takes = 0.07
    stacks = table.stacks()
    stacks.named([(KERNEL,)])
    assert stacks.named([(MODULE, UNKNOWN)]) == {MODULE: "ip_vs_out+0x12[ip_vs]", UNKNOWN: hex(UNKNOWN)}
    assert len(table.asked) == 1
    table.now += 0.71
    stacks.named([(MODULE, UNKNOWN)])
    assert table.asked == [{KERNEL}, {MODULE, UNKNOWN}]


def test_hidden_addresses_are_told_of_once_and_stay_numbers(caplog: pytest.LogCaptureFixture) -> None:
    table = _Table()
    table.error = UnsupportedError("/proc/kallsyms shows no addresses; needs CAP_SYSLOG")
    stacks = table.stacks()
    for _ in range(2):
        assert stacks.named([(KERNEL,)]) == {KERNEL: "0xffffffff81000010"}
    assert caplog.messages == [
        "stacks of events are numbers: /proc/kallsyms shows no addresses; needs CAP_SYSLOG",
    ]
    assert table.closed


def test_without_a_table_stacks_are_numbers(caplog: pytest.LogCaptureFixture) -> None:
    def none() -> _Table:
        raise UnsupportedError("no table")

    stacks = Stacks(none)
    assert stacks.named([(KERNEL,)]) == {KERNEL: "0xffffffff81000010"}
    stacks.close()
    assert caplog.messages == ["stacks of events are numbers: no table"]
