"""How many descriptors processes have open: from a program that counts all at once, or link by link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from exporter.bpf.processes import ProcessFiles, ProcessScan
from exporter.errors import GoneError, UnsupportedError
from exporter.sources import process

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ATTEMPTS: Final = 5  # at finding as many as procfs shows, while other threads may open and close files


class Opened(NamedTuple):
    """What some processes have open together.

    Args:
        descriptors: of all kinds.
        sockets: how many of them are sockets.
    """

    descriptors: int
    sockets: int


class Descriptors(Protocol):
    """A source of such counts."""

    def begin(self) -> None:
        """Begin a round. Raises SourceError."""

    def of(self, pids: Iterable[int]) -> Opened | None:
        """What the processes have open together; None when all of them have ended.

        Raises UnsupportedError when some may not be looked at and the others have ended.
        """

    def close(self) -> None:
        """Give back what it holds; safe to repeat."""


class DescriptorLinks:
    """/proc/<pid>/fd.

    Args:
        proc: root of a procfs.
    """

    def __init__(self, proc: str) -> None:
        self._proc = proc

    def begin(self) -> None:
        """Nothing is read ahead."""

    def of(self, pids: Iterable[int]) -> Opened | None:
        """As `Descriptors.of`."""
        read, opened, sockets = False, 0, 0
        refusal: UnsupportedError | None = None
        for pid in pids:
            try:
                targets = process.read_descriptors(self._proc, pid)
            except GoneError:
                continue
            except UnsupportedError as error:
                refusal = error
                continue
            read = True
            opened += len(targets)
            sockets += sum(target.startswith("socket:") for target in targets)
        if refusal and not read:
            raise refusal
        return Opened(opened, sockets) if read else None

    def close(self) -> None:
        """Nothing is held open."""


class DescriptorScan:
    """All processes in one run of a program.

    Args:
        proc: root of the running kernel's procfs.
        sys: root of its sysfs.

    Raises:
        UnsupportedError: this machine cannot run it, or what it finds is not what procfs shows.
        SourceError: the object is not what it should be.
    """

    def __init__(self, proc: Path, sys: Path) -> None:
        self._proc = str(proc)
        self._found: dict[int, ProcessFiles] = {}
        self._scan = ProcessScan(ProcessFiles, proc, sys)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        """The exporter's own; the directory that is open while procfs is read makes up for the open iterator."""
        own, shown = (os.getpid(),), DescriptorLinks(self._proc)
        for _ in range(_ATTEMPTS):
            self.begin()
            found, listed = self.of(own), shown.of(own)
            if found == listed:
                return
        raise UnsupportedError(
            f"the program that scans processes is not believed, as it found {found} where "
            f"{self._proc}/{own[0]}/fd shows {listed}; please report it"
        )

    def begin(self) -> None:
        """Look at all processes."""
        decode = self._scan.layout.unpack
        self._found = {pid: decode(raw) for pid, raw in self._scan.read().items()}

    def of(self, pids: Iterable[int]) -> Opened | None:
        """As `Descriptors.of`."""
        found = [self._found[pid] for pid in pids if pid in self._found]
        if found:
            return Opened(sum([each.opened for each in found]), sum([each.sockets for each in found]))
        # Those without any open file, as the kernel's own threads, are not found.
        return Opened(0, 0) if any(os.path.isdir(f"{self._proc}/{pid}") for pid in pids) else None

    def close(self) -> None:
        """Unload the program."""
        self._scan.close()
