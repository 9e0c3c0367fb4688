"""Types for a kernel that does not tell them: found in a file, or made from its headers, where the loader looks."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import headers_btf, kernel_btf, objects, wanted
from exporter.bpf.btf import BtfKind
from exporter.bpf.btf_search import Machine, search
from exporter.bpf.kernel_btf import PROVIDED, KernelBtf
from exporter.errors import CollectError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger(__name__)

_SYS: Final = Path("/sys")
_MODULES: Final = Path("lib/modules")
_CONFIGURATION: Final = ("generated/autoconf.h", "generated/utsrelease.h")


class Types(NamedTuple):
    """Where programs learn the kernel's structures.

    Args:
        source: the kernel, a file, or headers; empty where there are none.
        path: the file; empty where there is none.
        lacking: why there is none, or not the one asked for, and what to do.
    """

    source: str
    path: str
    lacking: str = ""


def provide(  # noqa: PLR0913 -- the last three are for tests
    sys: Path,
    folder: Path | None = None,
    *,
    headers: bool = True,
    distrust: bool = False,
    machine: Machine | None = None,
    place: Path = PROVIDED,
    make: Callable[[wanted.Wanted, Path], bytes] = headers_btf.make,
) -> Types:
    """Find the kernel's types, or make them, and leave them where the loader looks for those that are not its own.

    Args:
        sys: root of its sysfs.
        folder: further files, or an archive, see `btf_search`.
        headers: whether to make them from headers when no file has them, which takes seconds, but only once.
        distrust: whether to take those from headers and no others, from here on in this process.
        machine: which kernel; the running one.
        place: where the loader looks.
        make: makes them from headers.
    """
    if machine is None and sys != _SYS and not kernel_btf.is_told(sys):
        return Types("", "", f"{sys} is not that of the running kernel")
    machine = machine or Machine.this()
    kernel_btf.distrust(distrusted=False)
    found = search(machine, sys, folder, place)
    if found.is_kernels_own and not distrust:
        return Types("kernel", str(found.path))
    provided = _provided(machine, None if distrust else found.path, place, make if headers else None)
    kernel_btf.distrust(distrusted=distrust and bool(provided.source))
    if provided.source:
        return provided
    lacking = "; ".join(filter(None, [provided.lacking, found.advice]))
    return Types("kernel", str(found.path), lacking) if found.is_kernels_own else Types("", "", lacking)


def _provided(
    machine: Machine, found: Path | None, place: Path, make: Callable[[wanted.Wanted, Path], bytes] | None
) -> Types:
    target = place / f"{machine.release}.btf"
    try:
        if found is not None:
            _link(found, target)
            return Types("file", str(found))
        if make is None:
            return Types("", "", "neither the kernel nor a file tells its types")
        _make(machine, target, make)
    except CollectError as error:
        return Types("", "", str(error))
    except OSError as error:
        return Types("", "", f"{error.filename}: {error.strerror}")
    return Types("headers", str(target))


def _link(path: Path, target: Path) -> None:
    if path == target:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path)
    fresh.replace(target)


def _make(machine: Machine, target: Path, make: Callable[[wanted.Wanted, Path], bytes]) -> None:
    """Leave the file, unless it is there and still right; one that is not is taken away."""
    release = machine.root / _MODULES / machine.release
    source = release / "source" if (release / "source").exists() else release / "build"
    asking = objects.every()
    key, known = _key(machine, asking, (source, release / "build")), target.with_suffix(".key")
    if target.is_file() and known.is_file() and known.read_text() == _signed(key, target.read_bytes()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in (known, target):
        stale.unlink(missing_ok=True)
    log.info("neither the kernel nor a file tells its types: bcc compiles questions against %s, some seconds", source)
    content = make(wanted.by(asking), source)
    fresh = target.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    try:
        if not KernelBtf(fresh).has(BtfKind.STRUCT, "task_struct"):
            raise SourceError("types made from the kernel's headers", "struct task_struct")
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    known.write_text(_signed(key, content))


def _key(machine: Machine, asking: Sequence[Path], trees: Sequence[Path]) -> str:
    """Changes with all that the file is made of: the kernel, its headers, what is asked, and how."""
    told = hashlib.sha256(repr((machine.release, list(_stamps(trees)))).encode())
    for path in (Path(headers_btf.__file__), *asking):
        told.update(path.read_bytes())
    return told.hexdigest()


def _stamps(trees: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for tree in trees:
        for name in (*_CONFIGURATION, *headers_btf.HEADERS):
            path = tree / "include" / name
            if path.is_file():
                found = path.stat()
                yield str(path), found.st_mtime_ns, found.st_size


def _signed(key: str, content: bytes) -> str:
    return f"{key} {hashlib.sha256(content).hexdigest()}\n"
