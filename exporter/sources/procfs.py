"""Reading files of /proc and /sys: whole, and with errors that say what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from exporter.errors import GoneError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 15  # a larger buffer makes the allocator ask the kernel for it each time
_GONE = {errno.ESRCH}


def read_at(directory: int | None, name: str, shown: str) -> bytes:
    """Content of a file, relative to an open directory or to nothing.

    Raises UnsupportedError when it does not exist, GoneError when its process ended, SourceError otherwise.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            # A sequence file hands out a page at a time, so only an empty read is the end.
            content = os.read(descriptor, _CHUNK)
            part = content
            while part:
                part = os.read(descriptor, _CHUNK)
                content += part
            return content
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        message = f"{shown} does not exist on this kernel"
        raise UnsupportedError(message) from error
    except PermissionError as error:
        message = f"{shown} may not be read; run as root or with the capabilities that `net-exporter check` lists"
        raise UnsupportedError(message) from error
    except OSError as error:
        if error.errno in _GONE:
            raise GoneError(shown) from error
        raise SourceError(shown, "a readable file", error.strerror) from error


def read(path: Path) -> bytes:
    """Content of the file at `path`; errors as `read_at`."""
    return read_at(None, str(path), str(path))


def integer(text: bytes, path: str, what: str, *, base: int = 10, line: int | None = None) -> int:
    """Parse one number. Raises SourceError naming the place."""
    try:
        return int(text, base)
    except ValueError as error:
        raise SourceError(path, what, text, line=line) from error
