"""Types made from the kernel's headers, against those that it tells itself: the same offsets, widths and values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from exporter.bpf import headers_btf, objects, wanted
from exporter.bpf.btf import Btf, BtfKind
from exporter.bpf.elf import read_types
from exporter.bpf.kernel_btf import VMLINUX
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.bpf.btf import Type
    from exporter.bpf.wanted import Field

COMPOSITE = {BtfKind.STRUCT, BtfKind.UNION}
ALIKE = {BtfKind.UNION: BtfKind.STRUCT, BtfKind.ENUM: BtfKind.INT, BtfKind.ENUM64: BtfKind.INT}
POINTER = 64  # bits
# Some kernels define them in source files rather than in headers.
HIDDEN = {"prot_inuse", "bpf_iter__task", "bpf_iter__task_file"}


class Place(NamedTuple):
    """Where a member is: bits from the start of the outermost struct, and how many; and what it is."""

    offset: int
    width: int
    kind: BtfKind = BtfKind.STRUCT


@pytest.fixture(scope="module")
def asked() -> wanted.Wanted:
    return wanted.by(objects.every())


@pytest.fixture(scope="module")
def told() -> Btf:
    """What the kernel says."""
    if not VMLINUX.exists():
        pytest.skip("this kernel tells no types to compare with")
    return Btf(read_types(VMLINUX), "the kernel")


@pytest.fixture(scope="module")
def made(asked: wanted.Wanted) -> Btf:
    """What its headers say."""
    modules = Path("/lib/modules") / os.uname().release
    source = modules / "source" if (modules / "source").exists() else modules / "build"
    try:
        return Btf(headers_btf.make(asked, source), "its headers")
    except UnsupportedError as error:
        pytest.skip(str(error))


def places(types: Btf, within: Type, members: dict[str, Field], above: str, base: int) -> Iterator[tuple[str, Place]]:
    """Place of each of the members that there are, by path."""
    for member in within.members:
        found, offset = types.resolve(member.type_id), base + member.bit_offset
        if not member.name:
            yield from places(types, found, members, above, offset)
        elif (field := members.get(member.name)) is not None:
            path = f"{above}.{member.name}"
            width = member.bit_size or types.size_of(member.type_id) * 8
            kind = ALIKE.get(found.kind, found.kind)
            if kind is BtfKind.ARRAY and width == POINTER and not field.arrays:
                kind = BtfKind.PTR  # the compiler does not tell them apart, and no object takes it for either
            yield path, Place(offset, width, kind)
            if found.kind is BtfKind.ARRAY:
                found = types.resolve(found.target)
            if found.kind in COMPOSITE:
                yield from places(types, found, field.members, path, offset)


def all_places(types: Btf, asked: wanted.Wanted) -> dict[str, dict[str, Place]]:
    """By struct and path; structs that there are not are left out."""
    found = {}
    for name, members in asked.structs.items():
        try:
            within = types.find(BtfKind.STRUCT, name)
        except SourceError:
            continue
        found[name] = {"": Place(0, within.size * 8), **dict(places(types, within, members, "", 0))}
    return found


def test_every_member_is_where_the_kernel_has_it(told: Btf, made: Btf, asked: wanted.Wanted) -> None:
    kernel, headers = all_places(told, asked), all_places(made, asked)

    assert len(kernel) > 50  # that many are asked for
    assert kernel.keys() - headers.keys() <= HIDDEN
    assert {name: headers[name] for name in kernel.keys() & headers.keys()} == {
        name: kernel[name] for name in kernel.keys() & headers.keys()
    }


def test_every_value_of_an_enum_is_the_kernels(told: Btf, made: Btf, asked: wanted.Wanted) -> None:
    names = {*asked.enums, "skb_drop_reason", "sk_rst_reason"}
    kernel, headers = ({name: enum_of(types, name) for name in names} for types in (told, made))

    for name in names:
        assert headers[name].items() <= kernel[name].items(), name
        assert (name in asked.enums and not headers[name]) == (name in asked.enums and not kernel[name]), name


def enum_of(types: Btf, name: str) -> dict[str, int]:
    """Values by name; empty when there is no such enum."""
    try:
        return types.enum(name)
    except SourceError:
        return {}
