"""Sections of an object file: just enough ELF to find the BTF in it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from exporter.bpf.btf import Btf
from exporter.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_IDENT: Final = b"\x7fELF\x02\x01"  # 64 bits, little endian
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")


def section(content: bytes, name: str, path: str) -> bytes:
    """Content of a section. Raises SourceError when this is no 64-bit little-endian ELF or lacks the section."""
    if not content.startswith(_IDENT):
        raise SourceError(path, "a 64-bit little-endian ELF object", content[:16])
    try:
        header = _HEADER.unpack_from(content)
        at, size, count, names = header[6], header[11], header[12], header[13]
        sections = [_SECTION.unpack_from(content, at + size * number) for number in range(count)]
        texts = sections[names][4]
        for entry in sections:
            start = texts + entry[0]
            if content[start : content.index(0, start)] == name.encode():
                found = content[entry[4] : entry[4] + entry[5]]
                if len(found) == entry[5]:
                    return found
                raise SourceError(path, f"{entry[5]} bytes in section {name}", f"{len(found)} bytes")
    except (struct.error, IndexError, ValueError) as error:
        raise SourceError(path, "a whole table of sections", str(error)) from error
    raise SourceError(path, f"a section {name} (was it compiled with clang -g?)")


def read_btf(path: Path) -> Btf:
    """The types of an object file, with nothing loaded. Raises OSError, SourceError.

    Offsets of global variables are not in the file: the loader fills them in from the table of symbols.
    """
    return Btf(section(path.read_bytes(), ".BTF", str(path)), str(path))
