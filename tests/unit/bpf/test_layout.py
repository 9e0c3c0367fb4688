"""Structs of a compiled program as tuples."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from exporter.bpf.elf import read_btf
from exporter.bpf.layout import LayoutMismatchError, bind

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.bpf.btf import Btf


class Key(NamedTuple):
    tgid: int
    zero: int
    name: bytes


class Row(NamedTuple):
    values: tuple[int, ...]
    netns: int


class Renames(NamedTuple):
    twice: int
    count: int


class Mixed(NamedTuple):
    small: int
    kind: int
    big: int
    yes: int


class KeyAndMore(NamedTuple):
    tgid: int
    name: bytes
    colour: int


class WrongKey(NamedTuple):
    tgid: bytes
    zero: int
    name: bytes


class One(NamedTuple):
    a: int


class Two(NamedTuple):
    a: int
    b: int


@pytest.fixture
def btf(probe_object: Path) -> Btf:
    return read_btf(probe_object)


@pytest.fixture
def structs(objects_folder: Path) -> Btf:
    return read_btf(objects_folder / "layouts.bpf.o")


def test_the_order_of_fields_is_that_of_python(btf: Btf) -> None:
    raw = struct.pack("<I4x4Q", 7, 1, 2, 3, (1 << 64) - 1)
    row = Row((1, 2, 3, (1 << 64) - 1), 7)
    layout = bind(btf, "row", Row)
    assert (layout.size, layout.unpack(raw), layout.pack(row)) == (40, row, raw)
    assert list(layout.iter_unpack(raw + raw)) == [row, row]
    assert layout.unpack(bytes(8) + raw, 8) == row


def test_bytes_stay_bytes(btf: Btf) -> None:
    layout = bind(btf, "key", Key)
    assert layout.unpack(bytes([1, 0, 0, 0, 2, 0, 97, 98])) == Key(1, 2, b"ab")
    assert not layout.summable


def test_numbers_of_all_cpus_are_summed_field_by_field(btf: Btf) -> None:
    layout = bind(btf, "renames", Renames)
    assert layout.summable
    assert layout.total(struct.pack("<6Q", 1, 10, 2, 20, 1 << 63, 30)) == Renames(60, (1 << 63) + 3)


def test_signs_widths_and_enums_come_from_c(structs: Btf) -> None:
    layout = bind(structs, "mixed", Mixed)
    assert layout.unpack(struct.pack("<qIhBx", -5, 2, -3, 1)) == Mixed(-3, 2, -5, 1)


def test_a_field_that_one_side_lacks_is_named_with_both_sides(btf: Btf) -> None:
    with pytest.raises(
        LayoutMismatchError,
        match=r"probe\.bpf\.o struct key: expected the fields of KeyAndMore: zero only in C, colour only in KeyAndMore",
    ):
        bind(btf, "key", KeyAndMore)


def test_a_field_of_another_type_is_named(btf: Btf) -> None:
    with pytest.raises(LayoutMismatchError, match=r"struct key: expected tgid to be <class 'int'> as in C"):
        bind(btf, "key", WrongKey)


@pytest.mark.parametrize(
    ("name", "cls", "said"),
    [
        ("hole_inside", Two, r"no hole of 4 bytes before b; name it pad"),
        ("hole_at_end", Two, r"no hole of 3 bytes at its end; name it pad"),
        ("with_pointer", One, r"numbers or arrays of numbers, but a is a PTR"),
        ("with_bits", Two, r"numbers or arrays of numbers, but a is a bit field"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    structs: Btf, name: str, cls: type[tuple[object, ...]], said: str
) -> None:
    with pytest.raises(LayoutMismatchError, match=rf"struct {name}: expected {said}"):
        bind(structs, name, cls)
