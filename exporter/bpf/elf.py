"""Sections of an object file: just enough ELF to find the BTF in it."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Final

from exporter.bpf.btf import Btf
from exporter.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_MAKERS: Final = (
    "clang -g makes one in a program; of a kernel's debugging symbols pahole --btf_encode_detached=FILE makes BTF"
)
_IDENT: Final = b"\x7fELF\x02\x01"  # 64 bits, little endian
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")


def _table(content: bytes | mmap.mmap, path: str) -> dict[str, slice]:
    """Where each section is."""
    if content[: len(_IDENT)] != _IDENT:
        raise SourceError(path, "a 64-bit little-endian ELF object", content[:16])
    try:
        header = _HEADER.unpack_from(content)
        at, size, count, names = header[6], header[11], header[12], header[13]
        entries = [_SECTION.unpack_from(content, at + size * number) for number in range(count)]
        texts = entries[names][4]
        found = {}
        for entry in entries:
            start = texts + entry[0]
            end = content.find(b"\0", start)
            if end < 0:
                raise ValueError("a name without end")  # noqa: TRY301 -- told together with the others
            found[content[start:end].decode("ascii", "replace")] = slice(entry[4], entry[4] + entry[5])
    except (struct.error, IndexError, ValueError) as error:
        raise SourceError(path, "a whole table of sections", str(error)) from error
    return found


def sections(content: bytes, path: str) -> dict[str, bytes]:
    """Content of each section by name. Raises SourceError when this is no 64-bit little-endian ELF or cut short."""
    return {name: content[place] for name, place in _table(content, path).items()}


def read_types(path: Path) -> bytes:
    """The raw BTF in a file: all of it, or the section .BTF where it is an ELF object, such as a kernel's vmlinux.

    Of a kernel with debugging symbols, close to a gigabyte, only that section is read. Raises OSError, SourceError.
    """
    with path.open("rb") as file:
        if file.read(len(_IDENT)) != _IDENT:
            file.seek(0)
            return file.read()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = _table(content, str(path)).get(".BTF")
            if place is None:
                raise SourceError(str(path), f"a section .BTF ({_MAKERS})")
            return content[place]


def read_btf(path: Path) -> Btf:
    """The types of an object file, with nothing loaded. Raises OSError, SourceError.

    Offsets of global variables are not in the file: the loader fills them in from the table of symbols.
    """
    return Btf(read_types(path), str(path))
