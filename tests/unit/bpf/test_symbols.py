"""Names of addresses, from tables that are made up and from the running kernel's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import bcc
from exporter.bpf.drop_places import DropPlaces
from exporter.bpf.kallsyms import KALLSYMS
from exporter.bpf.symbols import KallsymsTable, Symbol
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TABLE = """\
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000100 T first
ffffffff81000180 t second
ffffffff81000180 T __alias_of_second
ffffffff81000190 d data
ffffffff82000000 T last
ffffffffc0001000 t out\t[ip_vs]
ffffffffc0000000 t init\t[ip_vs]
ffffffffc0002000 t bpf_prog_6deef7357e7b4530\t[bpf]
"""


@pytest.fixture
def table_of(tmp_path: Path) -> Iterator[Callable[[str], KallsymsTable]]:
    """A table with this content."""
    made: list[KallsymsTable] = []

    def make(content: str = TABLE) -> KallsymsTable:
        (tmp_path / "kallsyms").write_text(content)
        made.append(table := KallsymsTable(tmp_path / "kallsyms"))
        return table

    yield make
    for table in made:
        table.close()


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (0xFFFFFFFF81000100, Symbol("first", "", 0)),
        (0xFFFFFFFF8100017F, Symbol("first", "", 0x7F)),
        (0xFFFFFFFF81000195, Symbol("__alias_of_second", "", 0x15)),  # data is no place for code
        (0xFFFFFFFF82000001, Symbol("last", "", 1)),
        (0xFFFFFFFFC0000FFF, Symbol("init", "ip_vs", 0xFFF)),  # modules come in no order
        (0xFFFFFFFFC0001000, Symbol("out", "ip_vs", 0)),
    ],
)
def test_an_address_is_in_the_function_that_begins_before_it(
    address: int, place: Symbol, table_of: Callable[..., KallsymsTable]
) -> None:
    assert table_of().at([address]) == {address: place}
    assert table_of().at_lower_halves([address & 0xFFFFFFFF]) == {address & 0xFFFFFFFF: place}


def test_what_is_in_no_function_is_left_out(table_of: Callable[..., KallsymsTable]) -> None:
    assert table_of().at([0, 0xFFFFFFFF80FFFFFF, 0xFFFFFFFF83000000, 0xFFFFFFFFFFFFFFFF]) == {}
    assert table_of().at([]) == {}


def test_modules_above_and_below_the_kernel_are_reached_by_lower_halves(
    table_of: Callable[..., KallsymsTable],
) -> None:
    table = table_of("ffff8000f0000000 T _stext\nffff80016fffff00 t above\t[m]\nffff800080000000 t below\t[m]\n")
    expected = {0x6FFFFF10: Symbol("above", "m", 0x10), 0x80000010: Symbol("below", "m", 0x10)}
    assert table.at_lower_halves(expected) == expected


def test_people_read_function_offset_and_module() -> None:
    assert str(Symbol("nf_hook_slow", "", 61)) == "nf_hook_slow+0x3d"
    assert str(Symbol("out", "ip_vs", 0)) == "out+0x0 [ip_vs]"


def test_a_module_that_is_loaded_later_is_found(tmp_path: Path, table_of: Callable[..., KallsymsTable]) -> None:
    table = table_of()
    address = 0xFFFFFFFFC0100010
    before = table.at([address])
    with (tmp_path / "kallsyms").open("a") as stream:
        stream.write("ffffffffc0100000 t late\t[later]\n")
    assert (before, table.at([address])) == ({}, {address: Symbol("late", "later", 0x10)})


@pytest.mark.parametrize("content", ["0000000000000000 T _text\n0000000000000000 t first\n", "", "garbage\n"])
def test_hidden_addresses_are_unsupported(content: str, table_of: Callable[..., KallsymsTable]) -> None:
    with pytest.raises(UnsupportedError, match=r"shows no addresses; needs CAP_SYSLOG .* kernel\.kptr_restrict"):
        table_of(content).at([1])


def test_a_kernel_without_a_table_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_KALLSYMS"):
        KallsymsTable(tmp_path / "none")


def test_places_of_drops_are_functions_and_read_together(
    tmp_path: Path, table_of: Callable[..., KallsymsTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    table_of()
    asked: list[set[int]] = []
    real = KallsymsTable.at_lower_halves
    monkeypatch.setattr(
        KallsymsTable, "at_lower_halves", lambda self, halves: (asked.append(set(halves)), real(self, halves))[1]
    )
    names = DropPlaces(tmp_path / "kallsyms")
    assert not names.told
    for _ in range(2):
        names.learn([0x81000101, 0xC0001004, 0x81000101, 0x10])
    assert asked == [{0x81000101, 0xC0001004, 0x10}]
    names.close()
    assert [names[number] for number in (0x81000101, 0xC0001004, 0x10, 0x20)] == ["first", "out", "unknown", "unknown"]


def test_places_stay_unknown_where_addresses_are_hidden_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kallsyms").write_text("0000000000000000 T _text\n")
    names = DropPlaces(tmp_path / "kallsyms")
    names.learn([1])
    names.close()
    assert names[1] == "unknown"
    assert "CAP_SYSLOG" in caplog.text


def running() -> dict[int, str]:
    """Some functions of the running kernel by address."""
    if os.geteuid() != 0 or not KALLSYMS.exists():
        pytest.skip("only root sees the kernel's addresses")
    lines = KALLSYMS.read_text().splitlines()
    code = [line.split() for line in lines if line.split()[1] == "T" and "[" not in line]
    found = {int(address, 16): name for address, _, name in code}
    if not any(found):
        pytest.skip("kernel.kptr_restrict hides addresses even from root")
    return dict(list(found.items())[:: len(found) // 97])


def test_the_running_kernels_functions_are_found_where_they_begin() -> None:
    functions = running()
    table = KallsymsTable()
    places = table.at(functions)
    table.close()
    starts = {address: place for address, place in places.items() if place.offset == 0}
    assert starts.keys() == functions.keys()
    assert sum(starts[address].function == name for address, name in functions.items()) > len(functions) * 0.9


def test_bcc_gives_the_same_names() -> None:
    functions = running()
    try:
        theirs = bcc.BccTable().at(functions)
    except UnsupportedError as error:
        pytest.skip(str(error))
    table = KallsymsTable()
    ours = table.at(functions)
    table.close()
    same = sum(ours[address] == theirs.get(address) for address in functions)
    assert same > len(functions) * 0.9  # of several names for the same code each takes another
    assert bcc.opinions().keys() == {"fentry", "raw tracepoints"}


def test_without_bcc_there_is_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UnsupportedError, match="nothing needs it; on Debian: apt install python3-bpfcc"):
        bcc.package(tmp_path)


def test_a_bcc_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc/__init__.py").write_text("raise OSError('libbcc.so.0: no such file')")
    with pytest.raises(UnsupportedError, match=r"bcc cannot be imported: libbcc\.so\.0: no such file"):
        bcc.package(tmp_path)
