"""What a folder of output holds: each file with its hash, by subject, and the versions that wrote it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from typing import TYPE_CHECKING, Any

from exporter import __version__
from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "manifest.json"
FORMAT = 1
_HINT = "name another folder with --out"
_NOTICE = "Written by generate.py; edits of the files listed here are lost."


@dataclass(frozen=True)
class Manifest:
    """Hashes (SHA-256, hexadecimal) by path, by subject.

    Args:
        subjects: subject -> path within the folder -> hash.
    """

    subjects: Mapping[str, Mapping[str, str]]

    @property
    def files(self) -> dict[str, str]:
        """Path -> hash, of all subjects."""
        return {path: digest for files in self.subjects.values() for path, digest in files.items()}


def digest(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(content).hexdigest()


def read(out: Path) -> Manifest | None:
    """The manifest of a folder, None where there is none. Raises UsageError when it is not one of ours."""
    try:
        text = (out / NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"cannot read {out / NAME}: {error.strerror}; {_HINT}") from error
    return parse(text, str(out / NAME))


def parse(text: bytes, place: str) -> Manifest:
    """Raises UsageError naming the place."""
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise UsageError(f"{place} has format {found['format']!r}, not {FORMAT}; {_HINT}")
        subjects = {subject: dict(files) for subject, files in found["subjects"].items()}
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(f"{place} is not a manifest of generate.py; {_HINT}") from error
    for files in subjects.values():
        for path, value in files.items():
            if not isinstance(value, str) or path.startswith("/") or ".." in path.split("/"):
                raise UsageError(f"{place} lists {path!r}, which is no file of a bundle; {_HINT}")
    return Manifest(subjects)


def render(manifest: Manifest, registry: str, naming: str) -> bytes:
    """The file. `registry` is the hash of the declarations from which all of it was made."""
    document: dict[str, Any] = {
        "notice": _NOTICE,
        "format": FORMAT,
        "registry": registry,
        "naming": naming,
        "versions": {"net-exporter": __version__, "grafanalib": metadata.version("grafanalib")},
        "subjects": {subject: dict(sorted(files.items())) for subject, files in sorted(manifest.subjects.items())},
    }
    return (json.dumps(document, indent=1) + "\n").encode()
