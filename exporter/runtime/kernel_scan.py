"""The kernel scan as the runtime uses it: run once per cycle, believed once checked, given up at the first doubt.

Every namespace is read from procfs until three numbers of each of its counters are known: procfs's in one cycle, the
scan's in the next, and procfs's after it. The scan's must lie between the other two. So the check costs nothing
beyond the two cycles in which the files are read as if there were no scan.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from exporter.bpf import mib_names
from exporter.bpf.netns_scan import FILES, NetnsScan
from exporter.errors import CollectError, SourceError
from exporter.runtime.attempt import attempt
from exporter.sources import procfs, snmp, snmp6

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.bpf.netns_scan import Row
    from exporter.model.pod import Pod
    from exporter.sources.netns import Memory

log = logging.getLogger(__name__)

_PARSERS = {"snmp": snmp.parse, "netstat": snmp.parse, "snmp6": snmp6.parse}


class KernelScan:
    """The scan, or why there is none.

    Args:
        proc: root of a procfs; the scan is of the running kernel, so any other's is not scanned.
        load: makes the scan.
    """

    def __init__(self, proc: Path, load: Callable[[], NetnsScan] = NetnsScan) -> None:
        self.reason = ""  # why it is not used
        self.disagreements = 0
        self.over_capacity = 0
        self._scan: NetnsScan | None = None
        if not os.path.exists(f"{proc}/self/ns/net"):  # a captured tree, which nobody expects to be scanned
            self.reason = f"{proc} is not the procfs of the running kernel"
            return
        started = attempt(self._start, load)
        if isinstance(started, CollectError):
            self._end(str(started), logging.INFO)

    @property
    def active(self) -> bool:
        """Whether it is used."""
        return self._scan is not None

    def run(self) -> None:
        """Scan all namespaces. Where that fails, the scan is over for good."""
        if self._scan is None:
            return
        failure = attempt(self._scan.scan)
        if isinstance(failure, CollectError):
            self._end(str(failure), logging.WARNING)
        else:
            self.over_capacity += self._scan.over_capacity

    def row(self, inode: int) -> Row | None:
        """What the latest run found in a namespace."""
        return None if self._scan is None else self._scan.row(inode)

    def agrees(self, row: Row, before: Memory, after: Memory, pod: Pod) -> bool:
        """Whether a row lies between what its namespace's files held in the previous cycle and what they hold now.

        False also while that cannot be told yet. A disagreement ends the scan.
        """
        for name, parse in _PARSERS.items():
            now, then = after.parsed.get((name, parse)), before.parsed.get((name, parse))
            if now is None or not row.covers(name):
                continue
            if then is None:
                return False
            difference = disagreement(row, name, then[1], now[1])
            if difference:
                self._doubt(f"namespace {pod.name or 'of the host'}: {difference}")
                return False
        return True

    def close(self) -> None:
        """Unload the program."""
        if self._scan is not None:
            self._scan.close()
            self._scan = None

    def _start(self, load: Callable[[], NetnsScan]) -> None:
        inode = os.stat("/proc/thread-self/ns/net").st_ino
        self._scan = load()
        before = _files()
        self._scan.scan()
        after = _files()
        row = self._scan.row(inode)
        if row is None:
            raise SourceError("the kernel scan", "a row of the exporter's own namespace")
        for name in before:
            difference = disagreement(row, name, before[name], after[name]) if row.covers(name) else ""
            if difference:
                self._doubt(f"own namespace: {difference}")
                return

    def _doubt(self, difference: str) -> None:
        self.disagreements += 1
        self._end(f"the kernel scan disagrees with procfs on Linux {os.uname().release}, {difference}", logging.WARNING)

    def _end(self, reason: str, level: int) -> None:
        self.close()
        self.reason = reason
        log.log(level, "counters of namespaces are read from procfs, without kernel scan: %s", reason)


def _files() -> dict[str, Any]:
    """The files of this thread's namespace, parsed."""
    parsed = {}
    for name, parse in _PARSERS.items():
        path = f"/proc/thread-self/net/{name}"
        content = attempt(procfs.read_at, None, path, path)
        if isinstance(content, bytes):
            parsed[name] = parse(content, path)
    return parsed


def disagreement(row: Row, name: str, before: Any, after: Any) -> str:  # noqa: ANN401 -- what the file's parser made
    """The first counter of a file that does not lie between two readings of it, for people; empty when all do."""
    for section in FILES[name]:
        printed = before.columns() if name == "snmp6" else before.columns(section)
        columns = tuple(c for c in printed if c in mib_names.columns(section) and c not in mib_names.FALLING)
        key: tuple[Any, ...] = (columns,) if name == "snmp6" else (section, columns)
        found = row.pick(section, columns)
        for column, low, number, high in zip(columns, before.pick(*key), found, after.pick(*key), strict=True):
            if number is None or not low <= number <= high:
                return f"{name} {section} {column}: procfs {low}, then scan {number}, then procfs {high}"
    return ""
