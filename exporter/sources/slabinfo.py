"""/proc/slabinfo: the kernel's object caches; readable by root alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError
from exporter.sources import procfs

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_VERSION = b"slabinfo - version: 2."
_COLUMNS_LINE = b"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
_SLABDATA = b": slabdata"


class Cache(NamedTuple):
    """One cache, in the words of the file."""

    active_objs: int
    num_objs: int
    objsize: int  # bytes
    objperslab: int
    pagesperslab: int
    num_slabs: int


def read(proc: Path, names: Collection[str]) -> dict[str, Cache]:
    """The named caches. Raises UnsupportedError where the file may not be read or the kernel has none."""
    path = proc / "slabinfo"
    return parse(procfs.read(path), str(path), names)


def parse(content: bytes, path: str, names: Collection[str]) -> dict[str, Cache]:
    """Rows of the named caches; one that is missing does not exist or is merged with another of its size."""
    lines = content.split(b"\n")
    if not lines[0].startswith(_VERSION) or len(lines) == 1 or not lines[1].startswith(_COLUMNS_LINE):
        raise SourceError(path, "slabinfo version 2", lines[0], line=1)
    wanted = {name.encode(): name for name in names}
    found: dict[str, Cache] = {}
    for number, line in enumerate(lines[2:], start=3):
        key = line[: line.find(b" ")]
        if key in wanted:
            found[wanted[key]] = _cache(line, path, number)
    return found


def _cache(line: bytes, path: str, number: int) -> Cache:
    objects, _, slabs = line.partition(_SLABDATA)
    try:
        active, total, size, per_slab, pages = map(int, objects.split()[1:6])
        return Cache(active, total, size, per_slab, pages, int(slabs.split()[1]))
    except (ValueError, IndexError) as error:
        raise SourceError(path, f"five numbers and `{_SLABDATA.decode()}`", line, line=number) from error
