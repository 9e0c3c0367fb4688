"""Types for a kernel that does not tell them: found in a file, or made from its headers, where the loader looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from exporter.bpf import headers_btf, objects, wanted
from exporter.bpf.btf_search import Machine, search
from exporter.bpf.kernel_btf import PROVIDED
from exporter.errors import CollectError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULES = Path("lib/modules")


class Types(NamedTuple):
    """Where programs learn the kernel's structures.

    Args:
        source: the kernel, a file, or headers; empty where there are none.
        path: the file; empty where there is none.
        lacking: why there is none, and what to do.
    """

    source: str
    path: str
    lacking: str = ""


def provide(  # noqa: PLR0913 -- the last three are for tests
    sys: Path,
    folder: Path | None = None,
    *,
    headers: bool = True,
    machine: Machine | None = None,
    place: Path = PROVIDED,
    make: Callable[[wanted.Wanted, Path], bytes] = headers_btf.make,
) -> Types:
    """Find the kernel's types, or make them, and leave them where the loader looks for those that are not its own.

    Args:
        sys: root of its sysfs.
        folder: further files, or an archive, see `btf_search`.
        headers: whether to make them from headers when no file has them, which takes seconds.
        machine: which kernel; the running one.
        place: where the loader looks.
        make: makes them from headers.
    """
    machine = machine or Machine.this()
    found = search(machine, sys, folder, place)
    target = place / f"{machine.release}.btf"
    if found.is_kernels_own:
        return Types("kernel", str(found.path))
    try:
        if found.path is not None:
            _link(found.path, target)
            return Types("file", str(found.path))
        if not headers:
            return Types("", "", found.advice)
        release = machine.root / _MODULES / machine.release
        source = release / "source" if (release / "source").exists() else release / "build"
        _write(make(wanted.by(objects.every()), source), target)
    except CollectError as error:
        return Types("", "", f"{error}; {found.advice}")
    except OSError as error:
        return Types("", "", f"{error.filename} cannot be written: {error.strerror}; {found.advice}")
    return Types("headers", str(target))


def _link(path: Path, target: Path) -> None:
    if path == target:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path)
    fresh.replace(target)


def _write(content: bytes, target: Path) -> None:
    if not content:
        raise SourceError("the kernel's headers", "types")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(target)
