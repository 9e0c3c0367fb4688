"""The output folder: what in it is not as it should be, and mending that.

Files of names that are not ours stay. Only what the folder's manifest lists is ever removed, and what was edited since
is not removed either.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docs import manifest
from docs.manifest import Manifest
from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HINT = "name another folder with --out"
_MODE = 0o666  # before the umask, as for any new file


@dataclass(frozen=True)
class Wanted:
    """What a folder shall hold.

    Args:
        subjects: subject -> path within the folder -> content. Subjects that are not named are left as they are.
        registry: hash of the declarations.
        naming: family of metric names.
    """

    subjects: Mapping[str, Mapping[str, bytes]]
    registry: str
    naming: str

    @property
    def files(self) -> dict[str, bytes]:
        """Path -> content, of all subjects."""
        return {path: content for files in self.subjects.values() for path, content in files.items()}


def differences(out: Path, wanted: Wanted) -> dict[str, str]:
    """Path -> missing, differs, orphan or edited orphan, for what is not as it should be, sorted.

    An orphan is a file that an earlier run wrote and that no longer belongs there. Raises UsageError.
    """
    known = _known(out)
    asked = {**wanted.files, manifest.NAME: _manifest(known, wanted)}
    found = {}
    try:
        for path, content in asked.items():
            if not (out / path).is_file():
                found[path] = "missing"
            elif (out / path).read_bytes() != content:
                found[path] = "differs"
        for subject in wanted.subjects:
            for path, digest in known.subjects.get(subject, {}).items():
                if path not in asked and (out / path).is_file():
                    edited = manifest.digest((out / path).read_bytes()) != digest
                    found[path] = "edited orphan" if edited else "orphan"
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}; {_HINT}") from error
    return dict(sorted(found.items()))


def mend(out: Path, wanted: Wanted, found: Mapping[str, str]) -> None:
    """Write what is missing or differs, remove orphans. Raises UsageError when the folder is not a bundle."""
    files = {**wanted.files, manifest.NAME: _manifest(_known(out), wanted)}
    try:
        if out.is_dir() and any(out.iterdir()) and not (out / manifest.NAME).is_file():
            raise UsageError(f"{out} is neither empty nor a bundle (no {manifest.NAME}); {_HINT}")
        out.mkdir(parents=True, exist_ok=True)
        # The manifest goes first and lists old files too, so that a run that is interrupted leaves nothing unknown.
        if found:
            _replace(out / manifest.NAME, _manifest(_known(out), wanted, keep=True))
        for path, state in found.items():
            if state == "orphan":
                (out / path).unlink(missing_ok=True)
                _drop_empty(out, path)
            elif state in ("missing", "differs"):
                (out / path).parent.mkdir(parents=True, exist_ok=True)
                _replace(out / path, files[path])
        if found:
            _replace(out / manifest.NAME, files[manifest.NAME])
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}; {_HINT}") from error


def _known(out: Path) -> Manifest:
    return manifest.read(out) or Manifest({})


def _manifest(known: Manifest, wanted: Wanted, *, keep: bool = False) -> bytes:
    new = {
        subject: (dict(known.subjects.get(subject, {})) if keep else {})
        | {path: manifest.digest(content) for path, content in files.items()}
        for subject, files in wanted.subjects.items()
    }
    return manifest.render(Manifest({**known.subjects, **new}), wanted.registry, wanted.naming)


def _replace(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, never a part."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, _MODE & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _drop_empty(out: Path, path: str) -> None:
    for folder in (out / path).parents:
        if folder == out or any(folder.iterdir()):
            return
        folder.rmdir()
