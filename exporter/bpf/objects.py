"""Where compiled programs are: inside an installed package, or in the build folder of a checkout."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGE: Final = Path(__file__).parents[1]
FOLDERS: Final = (_PACKAGE / "_bpf", _PACKAGE.parent / "bpf" / "build")


def find(name: str, folders: Sequence[Path] = FOLDERS) -> Path:
    """The object `<name>.bpf.o` for this machine's architecture.

    Raises UnsupportedError when it was not built, which says how to.
    """
    machine = platform.machine()
    for folder in folders:
        path = folder / machine / f"{name}.bpf.o"
        if path.is_file():
            return path
    raise UnsupportedError(
        f"{name}.bpf.o is not built for {machine} (looked in {' and '.join(map(str, folders))}); "
        "install clang, llvm and libbpf-dev and run: make bpf",
    )


def every(folders: Sequence[Path] = FOLDERS) -> list[Path]:
    """All objects that are built for this machine's architecture, by name; what `find` would find of each."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / platform.machine()).glob("*.bpf.o")):
            found.setdefault(path.name, path)
    return list(found.values())
