"""BTF, the kernel's description of its own types: what is in an object file or in a running kernel.

Two readers, for two sizes. An object holds some hundred types and all are decoded (`Btf`). A kernel holds 120,000,
which takes 0.2 s and 50 MiB as Python objects, and of which a dozen are asked for: these are found by searching
the bytes for the name (`exporter.bpf.kernel_btf`).

https://docs.kernel.org/bpf/btf.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER: Final = struct.Struct("<HBBIIIII")
MAGIC: Final = 0xEB9F
RECORD: Final = struct.Struct("<III")  # name, info, size or type


class BtfKind(IntEnum):
    """Kinds of types, by their number in the format."""

    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


# Bytes after the record: once, and for each of its members.
_EXTRA: Final = {
    BtfKind.INT: (4, 0),
    BtfKind.ARRAY: (12, 0),
    BtfKind.STRUCT: (0, 12),
    BtfKind.UNION: (0, 12),
    BtfKind.ENUM: (0, 8),
    BtfKind.FUNC_PROTO: (0, 8),
    BtfKind.VAR: (4, 0),
    BtfKind.DATASEC: (0, 12),
    BtfKind.DECL_TAG: (4, 0),
    BtfKind.ENUM64: (0, 12),
}
_QUALIFIERS: Final = frozenset({BtfKind.TYPEDEF, BtfKind.VOLATILE, BtfKind.CONST, BtfKind.RESTRICT, BtfKind.TYPE_TAG})
_INT_SIGNED: Final = 1
_POINTER: Final = 8  # bytes, in eBPF


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union.

    Args:
        name: its name, empty for an anonymous struct.
        type_id: its type.
        bit_offset: from the start of the struct.
        bit_size: width of a bit field, else 0.
    """

    name: str
    type_id: int
    bit_offset: int
    bit_size: int


@dataclass(frozen=True, slots=True)
class Type:
    """One type.

    Args:
        kind: what it is.
        name: its name, empty where it has none.
        size: in bytes, of those that have a size.
        target: what it points to, wraps or repeats.
        count: elements of an array.
        signed: whether an integer or enum is.
        members: of a struct or union.
        values: of an enum, by name.
        variables: of a section of variables: type, offset and size of each.
    """

    kind: BtfKind
    name: str
    size: int = 0
    target: int = 0
    count: int = 0
    signed: bool = False
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    variables: tuple[tuple[int, int, int], ...] = ()


VOID: Final = Type(BtfKind.FWD, "void")


def split(raw: bytes, path: str) -> tuple[memoryview, memoryview]:
    """The type section and the string section. Raises SourceError when this is not BTF."""
    if len(raw) < HEADER.size:
        raise SourceError(path, "BTF", raw[:16])
    magic, _, _, header, type_at, type_size, string_at, string_size = HEADER.unpack_from(raw)
    if magic != MAGIC:
        raise SourceError(path, f"BTF of this byte order, which begins with {MAGIC:#x}", raw[:8])
    if header + max(type_at + type_size, string_at + string_size) > len(raw):
        raise SourceError(path, f"BTF of at least {header + string_at + string_size} bytes", f"{len(raw)} bytes")
    view = memoryview(raw)
    types = view[header + type_at : header + type_at + type_size]
    return types, view[header + string_at : header + string_at + string_size]


class Btf:
    """All types of one object.

    Args:
        raw: content of its .BTF section.
        path: where it came from, for error messages.

    Raises:
        SourceError: the content is no BTF or is cut short.
    """

    def __init__(self, raw: bytes, path: str) -> None:
        self.path = path
        types, strings = split(raw, path)
        self._strings = bytes(strings)
        self.types: list[Type] = [VOID]
        try:
            self.types.extend(self._decode(bytes(types)))
        except (struct.error, ValueError, IndexError) as error:
            raise SourceError(path, "whole BTF types", str(error)) from error
        self._by_name = {(found.kind, found.name): number for number, found in enumerate(self.types) if found.name}

    def _text(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(0, offset)].decode("ascii", "replace")

    def _decode(self, raw: bytes) -> Iterator[Type]:
        place = 0
        while place < len(raw):
            name, info, size = RECORD.unpack_from(raw, place)
            kind, length, flag = BtfKind(info >> 24 & 0x1F), info & 0xFFFF, info >> 31
            once, each = _EXTRA.get(kind, (0, 0))
            place += RECORD.size
            end = place + once + each * length
            if end > len(raw):
                raise ValueError(f"type {self._text(name)!r} reaches beyond the end")
            words = struct.unpack_from(f"<{(end - place) // 4}I", raw, place)
            yield self._one(kind, self._text(name), size, words, flag)
            place = end

    def _one(self, kind: BtfKind, name: str, size: int, words: tuple[int, ...], flag: int) -> Type:
        match kind:
            case BtfKind.INT:
                return Type(kind, name, size=size, signed=bool(words[0] >> 24 & _INT_SIGNED))
            case BtfKind.ARRAY:
                return Type(kind, name, target=words[0], count=words[2])
            case BtfKind.STRUCT | BtfKind.UNION:
                return Type(kind, name, size=size, members=tuple(self._members(words, flag)))
            case BtfKind.ENUM | BtfKind.ENUM64:
                values = enum_values(words, wide=kind is BtfKind.ENUM64, signed=bool(flag))
                named = tuple((self._text(text), value) for text, value in values)
                return Type(kind, name, size=size, signed=bool(flag), values=named)
            case BtfKind.DATASEC:
                return Type(
                    kind, name, size=size, variables=tuple(zip(words[::3], words[1::3], words[2::3], strict=True))
                )
            case _:  # one word, which is a size or a type
                return Type(kind, name, size=size, target=size)

    def _members(self, words: tuple[int, ...], flag: int) -> Iterator[Member]:
        for name, type_id, offset in zip(words[::3], words[1::3], words[2::3], strict=True):
            if flag:  # bit fields in this struct: the offset shares its word with the width
                yield Member(self._text(name), type_id, offset & 0xFFFFFF, offset >> 24)
            else:
                yield Member(self._text(name), type_id, offset, 0)

    def resolve(self, type_id: int) -> Type:
        """The type behind typedefs and qualifiers."""
        for _ in self.types:  # a chain cannot be longer, unless damage bent it into a ring
            if type_id >= len(self.types):
                break
            found = self.types[type_id]
            if found.kind not in _QUALIFIERS:
                return found
            type_id = found.target
        raise SourceError(self.path, "a type that ends in something other than itself", type_id)

    def size_of(self, type_id: int) -> int:
        """Bytes that a value of this type takes."""
        count = 1
        for _ in self.types:
            found = self.resolve(type_id)
            if found.kind is not BtfKind.ARRAY:
                return count * (_POINTER if found.kind is BtfKind.PTR else found.size)
            count *= found.count
            type_id = found.target
        raise SourceError(self.path, "an array of something other than itself", type_id)

    def find(self, kind: BtfKind, name: str) -> Type:
        """A type by kind and name. Raises SourceError when there is none."""
        number = self._by_name.get((kind, name))
        if number is None:
            raise SourceError(self.path, f"a {kind.name.lower()} {name} in its BTF")
        return self.types[number]

    def struct(self, name: str) -> Type:
        """A struct by name, or by the name of a typedef for it. Raises SourceError when there is none."""
        if (number := self._by_name.get((BtfKind.TYPEDEF, name))) is not None:
            found = self.resolve(number)
            if found.kind is BtfKind.STRUCT:
                return found
        return self.find(BtfKind.STRUCT, name)

    def enum(self, name: str) -> dict[str, int]:
        """Values of an enum by name. Raises SourceError when there is none."""
        kind = BtfKind.ENUM64 if (BtfKind.ENUM64, name) in self._by_name else BtfKind.ENUM
        return dict(self.find(kind, name).values)

    def has_variable(self, name: str) -> bool:
        """Whether there is a global variable of this name."""
        return (BtfKind.VAR, name) in self._by_name

    def variable(self, name: str) -> tuple[str, int, Type]:
        """Section, offset and type of a global variable. Raises SourceError when there is none.

        Offsets are right in what libbpf opened; in the file they are filled in by the table of symbols.
        """
        wanted = self._by_name.get((BtfKind.VAR, name))
        for section in self.types:
            for number, offset, _ in section.variables:
                if number == wanted:
                    return section.name, offset, self.resolve(self.types[number].target)
        raise SourceError(self.path, f"a global variable {name}")


def enum_values(words: tuple[int, ...], *, wide: bool, signed: bool) -> Iterator[tuple[int, int]]:
    """Name offset and value of each member of an enum."""
    if wide:
        for name, low, high in zip(words[::3], words[1::3], words[2::3], strict=True):
            value = high << 32 | low
            yield name, value - (1 << 64) if signed and high >> 31 else value
    else:
        for name, value in zip(words[::2], words[1::2], strict=True):
            yield name, value - (1 << 32) if signed and value >> 31 else value
