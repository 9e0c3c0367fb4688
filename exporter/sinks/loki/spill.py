"""Batches that memory had no room for, as files of one folder: each the body of a push request, oldest first."""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from exporter.errors import StartError

_FILE = re.compile(r"loki-([0-9]{12})-([0-9]{1,9})\.json\.gz")
_UNFINISHED = ".loki-unfinished"


class Stored(NamedTuple):
    """One file.

    Args:
        number: counts up, so that names sort by age.
        events: how many are in it.
        size: bytes.
    """

    number: int
    events: int
    size: int

    @property
    def name(self) -> str:
        """Its name in the folder."""
        return f"loki-{self.number:012d}-{self.events}.json.gz"


class Spill:
    """The folder. What an earlier run left there is found again. Not safe for threads; the backlog has a lock.

    Args:
        folder: made if it is not there; for this exporter alone.
        room: most bytes of all files together.
    """

    def __init__(self, folder: str, room: int) -> None:
        self._folder = folder
        self._room = room
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._files = deque(sorted(self._found()))
            with open(self._path(_UNFINISHED), "wb"):
                os.unlink(self._path(_UNFINISHED))
        except (OSError, ValueError) as error:  # ValueError: a zero byte
            reason = getattr(error, "strerror", None) or error
            raise StartError(
                f"spillFolder {folder!r} cannot be used ({reason}): name a folder that the exporter may "
                "write to, or leave it out"
            ) from error
        self._size = sum(each.size for each in self._files)
        self._next = self._files[-1].number + 1 if self._files else 0

    @property
    def events(self) -> int:
        """Events in all files."""
        return sum(each.events for each in self._files)

    def add(self, body: bytes, count: int) -> None:
        """Store one as the newest. Raises OSError, then nothing was stored."""
        stored = Stored(self._next, count, len(body))
        self._next += 1
        unfinished = self._path(_UNFINISHED)
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(body)
            os.replace(unfinished, self._path(stored.name))
        except OSError:
            with suppress(OSError):
                os.unlink(unfinished)
            raise
        self._files.append(stored)
        self._size += stored.size

    def excess(self, spared: Stored | None) -> Stored | None:
        """The oldest file but `spared`, while all together take more than the room; else None."""
        if self._size <= self._room:
            return None
        return next((each for each in self._files if each != spared), None)

    def oldest(self) -> Stored | None:
        """The one to deliver first."""
        return self._files[0] if self._files else None

    def body(self, stored: Stored) -> bytes:
        """Content of a file. Raises OSError."""
        with open(self._path(stored.name), "rb") as file:
            return file.read()

    def remove(self, stored: Stored) -> None:
        """Forget one and delete its file; one that cannot be deleted is found again at the next start."""
        self._files.remove(stored)
        self._size -= stored.size
        with suppress(OSError):
            os.unlink(self._path(stored.name))

    def _found(self) -> list[Stored]:
        with os.scandir(self._folder) as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        matches = map(_FILE.fullmatch, sizes)
        return [Stored(int(match[1]), int(match[2]), sizes[match[0]]) for match in matches if match]

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)
