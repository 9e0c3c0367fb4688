"""What an object asks of the kernel's types: the CO-RE relocations that clang left in its section .BTF.ext."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf.btf import MAGIC, Btf, split
from exporter.bpf.elf import sections
from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER: Final = struct.Struct("<HBBIIIIIII")  # begins as BTF's; places of functions, lines, relocations
_SECTION: Final = struct.Struct("<II")  # name of the section, relocations in it
_RELOCATION: Final = struct.Struct("<IIII")  # instruction, type, access, kind


class Kind(IntEnum):
    """What is asked, by the number in the format (enum bpf_core_relo_kind)."""

    FIELD_OFFSET = 0
    FIELD_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LEFT_SHIFT = 4
    FIELD_RIGHT_SHIFT = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUM_VALUE_EXISTS = 10
    ENUM_VALUE = 11
    TYPE_MATCHES = 12


class Relocation(NamedTuple):
    """One question.

    Args:
        type_id: a type in the object's own BTF.
        access: for a field the places of the members that lead to it, the first being an index; for a value of an
            enum its place.
        kind: what is asked.
    """

    type_id: int
    access: tuple[int, ...]
    kind: Kind


def read(path: Path) -> tuple[Btf, tuple[Relocation, ...]]:
    """The types of an object and what it asks, each once. Raises OSError, SourceError."""
    found = sections(path.read_bytes(), str(path))
    types, extension = found.get(".BTF"), found.get(".BTF.ext")
    if types is None or extension is None:
        raise SourceError(str(path), "sections .BTF and .BTF.ext (was it compiled with clang -g?)")
    texts = bytes(split(types, str(path))[1])
    try:
        asked = tuple(dict.fromkeys(_relocations(extension, texts)))
    except (struct.error, ValueError) as error:
        raise SourceError(str(path), "whole relocations in .BTF.ext", str(error)) from error
    return Btf(types, str(path)), asked


def _relocations(raw: bytes, texts: bytes) -> Iterator[Relocation]:
    magic, _, _, header, *_, start, size = _HEADER.unpack_from(raw)
    if magic != MAGIC:
        raise ValueError(f"magic {magic:#x}")
    place, end = header + start, header + start + size
    place += 4 if size else 0  # the size of a record, which has not changed
    while place < end:
        _, count = _SECTION.unpack_from(raw, place)
        place += _SECTION.size
        for _ in range(count):
            _, type_id, access, kind = _RELOCATION.unpack_from(raw, place)
            text = texts[access : texts.index(0, access)].decode("ascii")
            yield Relocation(type_id, tuple(map(int, text.split(":"))), Kind(kind))
            place += _RELOCATION.size
