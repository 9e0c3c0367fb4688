"""Write BTF: just the kinds of types that describe where members of the kernel's structs are."""

from __future__ import annotations

import struct

from exporter.bpf.btf import HEADER, MAGIC, RECORD, BtfKind

_WITH_BITS = 1 << 31  # members of the struct say offset and width in one word


class BtfWriter:
    """Types, numbered from 1 in the order in which they are added."""

    def __init__(self) -> None:
        self._types = bytearray()
        self._texts = bytearray(b"\0")
        self._count = 0
        self._integers: dict[int, int] = {}
        self._pointer = 0

    def _text(self, text: str) -> int:
        if not text:
            return 0
        self._texts += text.encode() + b"\0"
        return len(self._texts) - len(text) - 1

    def _add(self, name: str, info: int, size: int, *words: int) -> int:
        self._types += RECORD.pack(self._text(name), info, size) + struct.pack(f"<{len(words)}I", *words)
        self._count += 1
        return self._count

    def integer(self, size: int) -> int:
        """An unsigned integer of so many bytes; above 8, which no integer has, an array of bytes."""
        if size not in (1, 2, 4, 8, 16):
            return self.array(self.integer(1), size)
        if size not in self._integers:
            self._integers[size] = self._add(f"u{size * 8}", BtfKind.INT << 24, size, size * 8)
        return self._integers[size]

    def pointer(self) -> int:
        """A pointer to something that does not matter."""
        self._pointer = self._pointer or self._add("", BtfKind.PTR << 24, 0)
        return self._pointer

    def array(self, element: int, count: int) -> int:
        """So many elements of a type."""
        return self._add("", BtfKind.ARRAY << 24, 0, element, self.integer(4), count)

    def enum(self, name: str, values: dict[str, int]) -> int:
        """An enum of 32 bits."""
        words = [word for text, value in values.items() for word in (self._text(text), value & 0xFFFFFFFF)]
        return self._add(name, BtfKind.ENUM << 24 | len(values), 4, *words)

    def struct(self, name: str, size: int, members: list[tuple[str, int, int, int]]) -> int:
        """A struct whose members are name, type, offset in bits, and width in bits where it is a bit field."""
        words = [
            word for text, kind, offset, width in members for word in (self._text(text), kind, width << 24 | offset)
        ]
        return self._add(name, _WITH_BITS | BtfKind.STRUCT << 24 | len(members), size, *words)

    def content(self) -> bytes:
        """Everything added so far, as a file of its own."""
        head = HEADER.pack(MAGIC, 1, 0, HEADER.size, 0, len(self._types), len(self._types), len(self._texts))
        return head + bytes(self._types) + bytes(self._texts)
