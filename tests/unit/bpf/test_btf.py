"""Types of a compiled object, and of the same bytes damaged."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.bpf.btf import Btf, BtfKind, Member, split
from exporter.bpf.elf import read_btf, sections
from exporter.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def raw(probe_object: Path) -> bytes:
    """The .BTF section of the compiled probe.bpf.c."""
    return sections(probe_object.read_bytes(), str(probe_object))[".BTF"]


def test_a_struct_has_its_members_where_c_put_them(probe_object: Path) -> None:
    btf = read_btf(probe_object)
    row = btf.struct("row")
    assert (row.kind, row.size) == (BtfKind.STRUCT, 40)
    assert [(one.name, one.bit_offset, one.bit_size) for one in row.members] == [
        ("netns", 0, 0),
        ("pad", 32, 0),
        ("values", 64, 0),
    ]
    netns, _, values = (one.type_id for one in row.members)
    assert btf.types[netns].name == "netns_ino"
    assert (btf.resolve(netns).name, btf.size_of(netns)) == ("unsigned int", 4)
    assert (btf.resolve(values).kind, btf.resolve(values).count, btf.size_of(values)) == (BtfKind.ARRAY, 4, 32)


def test_enums_have_their_values(probe_object: Path) -> None:
    expected = {"FAULT_MAP_FULL": 0, "FAULT_LOST": 1, "FAULT_SUPPRESSED": 2, "FAULT_UNFINISHED": 3, "FAULTS": 4}
    assert read_btf(probe_object).enum("fault") == expected


def test_variables_have_a_section_and_a_type(probe_object: Path) -> None:
    section, _, kind = read_btf(probe_object).variable("only_tgid")
    assert (section, kind.size, kind.signed) == (".rodata", 8, False)


@pytest.mark.parametrize("ask", [Btf.struct, Btf.enum, Btf.variable])
def test_what_is_not_there_is_named(probe_object: Path, ask: object) -> None:
    with pytest.raises(SourceError, match=re.escape(str(probe_object)) + ".*nowhere"):
        ask(read_btf(probe_object), "nowhere")  # type: ignore[operator]


def _made(*types: tuple[int, ...], strings: bytes = b"\0a\0b\0") -> bytes:
    body = b"".join(struct.pack(f"<{len(words)}I", *words) for words in types)
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(strings)) + body + strings


def test_bit_fields_share_their_word_with_the_width() -> None:
    number = (0, BtfKind.INT << 24, 4, 32)
    bits = (1, 1 << 31 | BtfKind.STRUCT << 24 | 1, 4, 3, 1, 5 << 24 | 7)
    assert Btf(_made(number, bits), "made").struct("a").members == (Member("b", 1, 7, 5),)


def test_signed_and_wide_enums_keep_their_values() -> None:
    signed = (1, 1 << 31 | BtfKind.ENUM << 24 | 1, 4, 3, (1 << 32) - 2)
    assert Btf(_made(signed), "made").enum("a") == {"b": -2}
    wide = (1, BtfKind.ENUM64 << 24 | 1, 8, 3, 5, 1 << 31)
    assert Btf(_made(wide), "made").enum("a") == {"b": 1 << 63 | 5}
    signed_wide = (1, 1 << 31 | BtfKind.ENUM64 << 24 | 1, 8, 3, (1 << 32) - 1, (1 << 32) - 1)
    assert Btf(_made(signed_wide), "made").enum("a") == {"b": -1}


def test_a_type_that_is_itself_is_an_error() -> None:
    ring = Btf(_made((1, BtfKind.TYPEDEF << 24, 2), (3, BtfKind.TYPEDEF << 24, 1)), "made")
    with pytest.raises(SourceError, match=r"made: expected a type that ends in something other than itself"):
        ring.resolve(1)
    nested = Btf(_made((0, BtfKind.ARRAY << 24, 0, 1, 1, 2)), "made")
    with pytest.raises(SourceError, match=r"made: expected an array of something other than itself"):
        nested.size_of(1)


def test_text_is_not_btf() -> None:
    for content in (b"", b"short", b"\xeb\x9f" + bytes(30), b"a long text that is not any BTF at all"):
        with pytest.raises(SourceError, match=r"made: expected BTF"):
            Btf(content, "made")


def test_every_cut_is_an_error(raw: bytes) -> None:
    for end in range(0, len(raw) - 1, 61):
        with pytest.raises(SourceError):
            split(raw[:end], "cut")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(place=st.integers(0), value=st.integers(0, 255), data=st.data())
def test_a_wrong_byte_is_an_error_or_another_type_but_nothing_else(
    raw: bytes, place: int, value: int, data: st.DataObject
) -> None:
    damaged = bytearray(raw)
    damaged[place % len(raw)] = value
    try:
        btf = Btf(bytes(damaged), "damaged")
        number = data.draw(st.integers(0, len(btf.types) + 3))
        btf.size_of(number)
        btf.variable("factor")
    except SourceError as error:
        assert str(error).startswith("damaged")  # noqa: PT017 -- that there is an error is not the point
