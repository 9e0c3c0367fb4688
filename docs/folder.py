"""The output folder: what in it is not as it should be, and mending that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MARKER = "GENERATED"  # only a folder with this file is ever cleaned of what no longer belongs there
MARKER_TEXT = "Everything in this folder is written by generate.py; edits are lost.\n"


def differences(out: Path, wanted: Mapping[str, bytes], subjects: Iterable[str]) -> dict[str, str]:
    """Path -> missing, differs or orphan, for what is not as it should be, sorted."""
    found = {}
    for path, content in wanted.items():
        if not (out / path).is_file():
            found[path] = "missing"
        elif (out / path).read_bytes() != content:
            found[path] = "differs"
    present = (file for subject in subjects for file in (out / subject).rglob("*") if file.is_file())
    found |= {path: "orphan" for file in present if (path := file.relative_to(out).as_posix()) not in wanted}
    return dict(sorted(found.items()))


def mend(out: Path, wanted: Mapping[str, bytes], found: Mapping[str, str]) -> None:
    """Write what is missing or differs, remove orphans. Raises UsageError when the folder is not a bundle."""
    try:
        if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
            raise UsageError(f"{out} is neither empty nor a bundle (no file {MARKER}); name another folder with --out")
        out.mkdir(parents=True, exist_ok=True)
        (out / MARKER).write_text(MARKER_TEXT, "utf-8")
        for path, state in found.items():
            if state == "orphan":
                (out / path).unlink()
            else:
                (out / path).parent.mkdir(parents=True, exist_ok=True)
                (out / path).write_bytes(wanted[path])
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}; name another folder with --out") from error
