"""What processes have read and written, and who they are: from a program that finds all at once, or file by file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from exporter.bpf.processes import ProcessIo, ProcessScan
from exporter.errors import GoneError, UnsupportedError
from exporter.sources import process
from exporter.sources.process import Birth

if TYPE_CHECKING:
    from pathlib import Path

Counters: TypeAlias = dict[str, int]  # by the kernel's names

_NAMES: Final = ProcessIo._fields[ProcessIo._fields.index("rchar") :]


class Reading(NamedTuple):
    """What was read of one process.

    Args:
        birth: tells it from another one with the same number. Its unit of time is the source's.
        counters: of the process and of the children it has waited for.
    """

    birth: Birth
    counters: Counters


class IoReadings(Protocol):
    """A source of them."""

    @property
    def place(self) -> str:
        """Where they are from, for people."""

    def begin(self) -> None:
        """Begin a round, in which each process is read once. Raises SourceError."""

    def read(self, pid: int) -> Reading | None:
        """What a process shows; None when that did not change or cannot be told in this round.

        Raises GoneError when the process has ended, UnsupportedError when it may not be read.
        """

    def close(self) -> None:
        """Give back what it holds; safe to repeat."""


@dataclass(slots=True)
class _Seen:
    inode: int
    content: bytes
    birth: Birth


class IoFiles:
    """/proc/<pid>/io.

    Args:
        proc: root of a procfs.
    """

    def __init__(self, proc: str) -> None:
        self.place = proc
        self._seen: dict[int, _Seen] = {}

    def begin(self) -> None:
        """Nothing is read ahead."""

    def read(self, pid: int) -> Reading | None:
        """As `IoReadings.read`; most processes show what they showed before, which is then not parsed."""
        seen = self._seen.get(pid)
        try:
            file = process.read_io(self.place, pid, seen.content if seen else b"")
            if file is None:
                return None
            # The kernel may show the same process by another inode.
            known = seen is not None and seen.inode == file.inode
            birth = seen.birth if seen is not None and known else process.read_birth(self.place, pid)
        except GoneError:
            self._seen.pop(pid, None)
            raise
        counters = process.parse_io(file.content, f"{self.place}/{pid}/io")
        self._seen[pid] = _Seen(file.inode, file.content, birth)
        return Reading(birth, counters)

    def close(self) -> None:
        """Nothing is held open."""


class IoScan:
    """All processes in one run of a program.

    Args:
        proc: root of the running kernel's procfs.
        sys: root of its sysfs.

    Raises:
        UnsupportedError: this machine cannot run it, or what it finds is not what procfs shows.
        SourceError: the object is not what it should be.
    """

    def __init__(self, proc: Path, sys: Path) -> None:
        self.place = str(proc)
        self._found: dict[int, bytes] = {}
        self._used: dict[int, bytes] = {}
        self._scan = ProcessScan(ProcessIo, proc, sys)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        """The exporter's own counters must lie between what procfs shows before and after."""
        pid = os.getpid()
        before = self._shown(pid)
        self.begin()
        after = self._shown(pid)
        reading = self.read(pid)
        found = reading.counters if reading else {}
        if not found or any(not before[name] <= found[name] <= after[name] for name in _NAMES):
            place = f"{self.place}/{pid}/io"
            reason = f"it found {found} between {before} and {after} of {place}"
            raise UnsupportedError(f"the program that scans processes is not believed, as {reason}; please report it")
        self._used.clear()

    def _shown(self, pid: int) -> Counters:
        file = process.read_io(self.place, pid)
        return process.parse_io(file.content if file else b"", f"{self.place}/{pid}/io")

    def begin(self) -> None:
        """Look at all processes."""
        self._found = self._scan.read()

    def read(self, pid: int) -> Reading | None:
        """As `IoReadings.read`."""
        raw = self._found.get(pid)
        if raw is None:
            self._used.pop(pid, None)
            raise GoneError(f"process {pid}")
        if raw == self._used.get(pid):
            return None
        row = self._scan.layout.unpack(raw)
        if row.torn:
            return None
        self._used[pid] = raw
        return Reading(Birth(row.parent, row.started), dict(zip(_NAMES, row[-len(_NAMES) :], strict=True)))

    def close(self) -> None:
        """Unload the program."""
        self._scan.close()
