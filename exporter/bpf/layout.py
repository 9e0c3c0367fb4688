"""Structs of C as named tuples of Python, matched by field name through the object's own BTF.

    class Row(NamedTuple):
        netns: int               # any integer, enum or bool
        saddr: bytes             # an array of bytes
        slots: tuple[int, ...]   # an array of integers

    rows = layout.bind(btf, "row", Row)
    for row in rows.iter_unpack(memory): ...

The order of the fields is C's business. A field that only one side has, one of another type, and a hole that the
compiler left between members are errors: a hole holds whatever was on the stack, and makes equal keys unequal.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar, get_type_hints

from exporter.bpf.btf import BtfKind
from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.bpf.btf import Btf, Member

_CODES: Final = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q",
                 (1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q"}  # fmt: skip
_NUMBERS: Final = frozenset({BtfKind.INT, BtfKind.ENUM, BtfKind.ENUM64})

T = TypeVar("T", bound=tuple[object, ...])


class LayoutMismatchError(SourceError):
    """A struct in an object and the tuple that is to hold it do not fit; the text names both."""


class _Field(NamedTuple):
    """Where a member is found in the flat result of struct.unpack, and what it becomes.

    Args:
        name: of the member.
        code: its part of the format.
        width: how many numbers the format gives.
        annotation: the Python type it decodes to.
    """

    name: str
    code: str
    width: int
    annotation: object


class Layout(Generic[T]):
    """Decoder and encoder of one struct.

    Args:
        cls: the named tuple.
        size: bytes of the struct.
        fields: its members in the order of C, without padding.
        code: format of the whole.
    """

    def __init__(self, cls: type[T], size: int, fields: list[_Field], code: str) -> None:
        self.cls = cls
        self.size = size
        self._codec = struct.Struct(code)
        self._fields = fields
        starts, at = {}, 0
        for field in fields:
            starts[field.name] = at, at + field.width
            at += field.width
        names = _field_names(cls)
        self._from: Callable[[Iterable[object]], T] = cls._make  # type: ignore[attr-defined]  # a NamedTuple has it
        arrays = {field.name for field in fields if field.annotation == tuple[int, ...]}
        # Where C and Python agree in order, and nothing is an array, what struct gives is the tuple.
        self._direct = not arrays and [field.name for field in fields] == list(names)
        self._slices = tuple((*starts[name], name in arrays) for name in names)

    def _make(self, flat: tuple[object, ...]) -> T:
        if self._direct:
            return self._from(flat)
        return self._from([flat[start:end] if array else flat[start] for start, end, array in self._slices])

    def unpack(self, raw: bytes | memoryview, offset: int = 0) -> T:
        """One struct."""
        return self._make(self._codec.unpack_from(raw, offset))

    def iter_unpack(self, raw: bytes | memoryview) -> Iterator[T]:
        """Structs end to end; the length must be a multiple of `size`."""
        return map(self._make, self._codec.iter_unpack(raw))

    def total(self, raw: bytes) -> T:
        """Sum, number by number, of the structs in `raw`; arrays of bytes cannot be summed."""
        return self._make(tuple(map(sum, zip(*self._codec.iter_unpack(raw), strict=True))))

    @property
    def summable(self) -> bool:
        """Whether all fields are numbers."""
        return all(field.annotation is not bytes for field in self._fields)

    def pack(self, value: T) -> bytes:
        """The struct of a tuple, padding zero."""
        flat: list[object] = []
        by_name = dict(zip(_field_names(self.cls), value, strict=True))
        for field in self._fields:
            one = by_name[field.name]
            flat.extend(one if isinstance(one, tuple) else (one,))
        return self._codec.pack(*flat)


def _field_names(cls: type[T]) -> tuple[str, ...]:
    names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]  # a NamedTuple has it
    return names


def bind(btf: Btf, name: str, cls: type[T]) -> Layout[T]:
    """Match struct `name` with the named tuple `cls`. Raises LayoutMismatchError, SourceError."""
    found = btf.struct(name)
    place = f"{btf.path} struct {name}"
    hints = get_type_hints(cls)
    members = [member for member in found.members if not member.name.startswith("pad")]
    in_c, in_python = {member.name for member in members}, set(_field_names(cls))
    if in_c != in_python:
        only = [*(f"{one} only in C" for one in sorted(in_c - in_python)),
                *(f"{one} only in {cls.__name__}" for one in sorted(in_python - in_c))]  # fmt: skip
        raise LayoutMismatchError(place, f"the fields of {cls.__name__}: {', '.join(only)}")
    fields, code, end = [], "<", 0
    for member in found.members:
        offset = member.bit_offset // 8
        if offset != end:
            raise LayoutMismatchError(place, f"no hole of {offset - end} bytes before {member.name}; name it pad")
        size = btf.size_of(member.type_id)
        if member.name.startswith("pad"):
            code += f"{size}x"
        else:
            field = _field(btf, member, hints[member.name], place)
            fields.append(field)
            code += field.code
        end = offset + size
    if end != found.size:
        raise LayoutMismatchError(place, f"no hole of {found.size - end} bytes at its end; name it pad")
    return Layout(cls, found.size, fields, code)


def _field(btf: Btf, member: Member, annotation: object, place: str) -> _Field:
    kind = btf.resolve(member.type_id)
    element = btf.resolve(kind.target) if kind.kind is BtfKind.ARRAY else kind
    if member.bit_size or element.kind not in _NUMBERS:
        what = "bit field" if member.bit_size else element.kind.name
        raise LayoutMismatchError(place, f"numbers or arrays of numbers, but {member.name} is a {what}")
    wanted: object
    code = _CODES[element.size, element.signed]
    width = 1
    if kind is element:
        wanted = int
    elif element.size == 1:
        wanted, code = bytes, f"{kind.count}s"
    else:
        wanted, code, width = tuple[int, ...], f"{kind.count}{code}", kind.count
    if annotation != wanted:
        raise LayoutMismatchError(place, f"{member.name} to be {wanted} as in C", annotation)
    return _Field(member.name, code, width, annotation)
