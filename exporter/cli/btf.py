"""`inspector btf`: where the types of the running kernel are, and whether they fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.bpf import kernel_btf, objects
from exporter.bpf.btf_search import ABSENT, Machine, Place, Search, search
from exporter.bpf.loader import BpfObject
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from argparse import Namespace

_SYS = Path("/sys")


def find(options: Namespace) -> Search:
    """What the command line asks for; what a daemon made from headers last."""
    folder = Path(options.folder) if options.folder else None
    found = search(Machine.this(Path(options.root)), _SYS, folder)
    made = kernel_btf.location(_SYS)
    if found.path is None and made.is_file():
        return Search((*found.places, Place("the kernel's headers", made, "")), "")
    return found


def discovered(found: Search) -> dict[str, Any]:
    """A search as plain values."""
    return {
        "path": None if found.path is None else str(found.path),
        "tried": [{"kind": kind, "path": str(path), "problem": problem} for kind, path, problem in found.places],
        "advice": found.advice,
    }


def require(found: Search) -> Path:
    """The file. Raises UnsupportedError that says where it was looked for and what to install."""
    if found.path is None:
        looked = ", ".join(dict.fromkeys(place.kind for place in found.places))
        wrong = "".join(f"; {path}: {problem}" for _, path, problem in found.places if problem != ABSENT)
        raise UnsupportedError(
            f"no types of Linux {os.uname().release} in {looked}{wrong} (--json lists each file). "
            f"To have them, {found.advice}"
        )
    return found.path


def test(found: Search) -> str:
    """Load a small program through the file and compare what it reads with what is known. Returns what was proved.

    Raises UnsupportedError, SourceError when it cannot be loaded, or reads something else.
    """
    path = require(found)
    with BpfObject(objects.find("btf_test"), btf=None if found.is_kernels_own else path) as bpf:
        bpf.load()
        read = bpf.run("own_process")
    if read != os.getpid():
        raise UnsupportedError(f"{path} is of another kernel: process {os.getpid()} reads as {read} through it")
    return f"{path} fits Linux {os.uname().release}: a program loaded and read the kernel's structures through it"
