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


def sections(content: bytes, path: str) -> dict[str, bytes]:
    """Content of each section by name. Raises SourceError when this is no 64-bit little-endian ELF or cut short."""
    if not content.startswith(_IDENT):
        raise SourceError(path, "a 64-bit little-endian ELF object", content[:16])
    try:
        header = _HEADER.unpack_from(content)
        at, size, count, names = header[6], header[11], header[12], header[13]
        entries = [_SECTION.unpack_from(content, at + size * number) for number in range(count)]
        texts = entries[names][4]
        found = {}
        for entry in entries:
            start = texts + entry[0]
            name = content[start : content.index(0, start)].decode("ascii", "replace")
            found[name] = content[entry[4] : entry[4] + entry[5]]
    except (struct.error, IndexError, ValueError) as error:
        raise SourceError(path, "a whole table of sections", str(error)) from error
    return found


def read_btf(path: Path) -> Btf:
    """The types of an object file, with nothing loaded. Raises OSError, SourceError.

    Offsets of global variables are not in the file: the loader fills them in from the table of symbols.
    """
    found = sections(path.read_bytes(), str(path)).get(".BTF")
    if found is None:
        raise SourceError(str(path), "a section .BTF (was it compiled with clang -g?)")
    return Btf(found, str(path))
