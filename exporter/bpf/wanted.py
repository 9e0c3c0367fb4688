"""Which of the kernel's types objects look into: structs with the members they read, and values of enums."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from exporter.bpf import relocations
from exporter.bpf.btf import BtfKind
from exporter.bpf.relocations import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from exporter.bpf.btf import Btf, Type

_COMPOSITE: Final = frozenset({BtfKind.STRUCT, BtfKind.UNION})
_ENUMS: Final = frozenset({Kind.ENUM_VALUE, Kind.ENUM_VALUE_EXISTS})
_FLAVOUR: Final = "___"  # what follows it in a name is ours, to tell layouts of different kernels apart


@dataclass(slots=True)
class Field:
    """A member of a struct.

    Args:
        kind: what an object takes it for: an integer, a pointer, an array, or a struct.
        element: kind of what an array repeats.
        bits: whether it is a bit field.
        arrays: whether some object takes it for an array, as it is one on some kernels.
        members: of a struct, or of those that an array repeats, those that are read.
    """

    kind: BtfKind
    element: BtfKind = BtfKind.INT
    bits: bool = False
    arrays: bool = False
    members: dict[str, Field] = field(default_factory=dict)


@dataclass(slots=True)
class Wanted:
    """What a set of objects asks of the kernel.

    Args:
        structs: by name, the members that are read.
        enums: by name, the values that are asked for.
    """

    structs: dict[str, dict[str, Field]] = field(default_factory=lambda: defaultdict(dict))
    enums: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def by(objects: Iterable[Path]) -> Wanted:
    """What objects ask for. Raises OSError, SourceError."""
    wanted = Wanted()
    for path in objects:
        types, asked = relocations.read(path)
        for type_id, access, kind in asked:
            found = types.resolve(type_id)
            name = found.name.partition(_FLAVOUR)[0]
            if found.kind in _COMPOSITE:
                _follow(types, found, access[1:], wanted.structs[name])
            elif kind in _ENUMS:
                wanted.enums[name].add(found.values[access[0]][0].partition(_FLAVOUR)[0])
    return wanted


def _follow(types: Btf, found: Type, access: tuple[int, ...], members: dict[str, Field]) -> None:
    """Note the members on the way; an anonymous struct is no step, as C looks through it."""
    for place in access:
        if found.kind is BtfKind.ARRAY:
            found = types.resolve(found.target)  # the first element tells everything of the others
            continue
        if found.kind not in _COMPOSITE:
            return
        member = found.members[place]
        found = types.resolve(member.type_id)
        if not member.name:
            continue
        kind = BtfKind.STRUCT if found.kind in _COMPOSITE else found.kind
        element = types.resolve(found.target).kind if kind is BtfKind.ARRAY else BtfKind.INT
        element = BtfKind.STRUCT if element in _COMPOSITE else element
        known = members.setdefault(member.name, Field(kind, element, bool(member.bit_size)))
        if kind is BtfKind.ARRAY:
            known.arrays, known.element = True, element
        members = known.members
