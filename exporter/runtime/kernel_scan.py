"""The kernel scan as the runtime uses it: run once per cycle, believed once checked, given up where it is doubtful.

It consists of parts (`exporter.model.scan`), each of which lives and ends alone. An answer is believed in a namespace
after the reader was run there, then the scan, then the reader again, and the answer did not differ. What changes by
itself, such as the number of sockets, may differ once by chance; so a part ends only when an answer of it differed
five times in a row in one namespace, and nobody believes it there meanwhile.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import CollectError, NoDataError, UnsupportedError
from exporter.model.pod import NetnsRef, Pod
from exporter.runtime.attempt import attempt
from exporter.sources import device_scan, mib_scan, neighbour_scan, socket_scan, state_scan
from exporter.sources.netns import Visitor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from exporter.model.probe import Reader
    from exporter.model.scan import Answer, Part, Scan

log = logging.getLogger(__name__)

PARTS: Final[tuple[Part[Any], ...]] = (
    mib_scan.PART,
    state_scan.PART,
    device_scan.PART,
    neighbour_scan.PART,
    socket_scan.PART,
)
_MOST_DIFFERENCES: Final = 5  # in a row
# Namespaces checked per cycle and answer, each of which is visited once more; so starting costs no cycle too much.
_MOST_CHECKS: Final = 100


class RunningPart:
    """A part of the scan, or why it is not used.

    Args:
        part: its declaration.
        reason: why it is not even to be tried; empty when it is.
    """

    def __init__(self, part: Part[Any], reason: str = "") -> None:
        self.name = part.name
        self.reason = reason
        self.disagreements = 0
        self.over_capacity = 0
        self._answers: dict[Reader[Any], Answer[Any, Any]] = {answer.reader: answer for answer in part.answers}
        self._believed: dict[Reader[Any], set[int]] = {answer.reader: set() for answer in part.answers}
        self._differed: Counter[tuple[Reader[Any], int]] = Counter()
        self._runs = 0
        self._scan: Scan[Any] | None = None
        if not reason:
            opened = attempt(part.open)
            if isinstance(opened, CollectError):
                self._end(str(opened), logging.INFO)
            else:
                self._scan = opened

    @property
    def active(self) -> bool:
        """Whether it is used."""
        return self._scan is not None

    @property
    def readers(self) -> AbstractSet[Reader[Any]]:
        """Those it can answer for; none once it has ended."""
        return self._answers.keys() if self.active else frozenset()

    def run(self) -> None:
        """Scan all namespaces. Where that fails, the part is over for good."""
        if self._scan is None:
            return
        self._runs += 1
        failure = attempt(self._scan.scan)
        if isinstance(failure, CollectError):
            self._end(str(failure), logging.WARNING)
        else:
            self.over_capacity += self._scan.over_capacity

    def doubted(self, reader: Reader[Any], inodes: AbstractSet[int]) -> set[int]:
        """Namespaces for which it has an answer that is to be checked now; which ones take turns."""
        unchecked = sorted(i for i in inodes - self._believed[reader] if self._answer(reader, i) is not None)
        first = self._runs * _MOST_CHECKS % max(len(unchecked), 1)
        return set((unchecked[first:] + unchecked[:first])[:_MOST_CHECKS])

    def believed(self, reader: Reader[Any], pods: Iterable[Pod]) -> dict[Pod, Any]:
        """The answers, or the errors that the reader would end in, of the namespaces where they are believed."""
        believed = self._believed[reader]
        known = [pod for pod in pods if pod.netns in believed]
        # Mostly no answer is an error; then all are made without a look at each.
        answers = attempt(self._answers_of, reader, known)
        if isinstance(answers, CollectError):
            answers = {pod: self._answer(reader, pod.netns) for pod in known}
        return {pod: answer for pod, answer in answers.items() if answer is not None}

    def _answers_of(self, reader: Reader[Any], pods: Iterable[Pod]) -> dict[Pod, Any]:
        if self._scan is None:
            return {}
        take, row_of = self._answers[reader].take, self._scan.row
        return {pod: take(row) for pod in pods if (row := row_of(pod.netns)) is not None}

    def judge(self, reader: Reader[Any], pod: Pod, before: Any, after: Any) -> None:  # noqa: ANN401 -- the reader's
        """Compare the answer of the latest run with what the reader found, or how it failed, before and after it."""
        answer = self._answer(reader, pod.netns)
        failures = {isinstance(each, CollectError) for each in (before, answer, after)}
        if answer is None or len(failures) > 1:  # it cannot be told
            return
        difference = "" if True in failures else self._answers[reader].difference(before, answer, after)
        if not difference:
            self._believed[reader].add(pod.netns)
            del self._differed[reader, pod.netns]
            return
        self._differed[reader, pod.netns] += 1
        if self._differed[reader, pod.netns] == _MOST_DIFFERENCES:
            self.disagreements += 1
            where = f"Linux {os.uname().release}, namespace {pod.name or 'of the host'}"
            self._end(f"the scan disagrees with what it replaces on {where}: {difference}", logging.WARNING)

    def forget(self, inodes: Collection[int]) -> None:
        """Keep what is known of these namespaces only."""
        for believed in self._believed.values():
            believed.intersection_update(inodes)
        for key in [key for key in self._differed if key[1] not in inodes]:
            del self._differed[key]

    def close(self) -> None:
        """Unload the program."""
        if self._scan is not None:
            self._scan.close()
            self._scan = None

    def _answer(self, reader: Reader[Any], inode: int) -> Any:  # noqa: ANN401 -- the reader's
        row = None if self._scan is None else self._scan.row(inode)
        if row is None:
            return None
        answer = attempt(self._answers[reader].take, row)
        if isinstance(answer, CollectError) and not isinstance(answer, UnsupportedError | NoDataError):
            self._end(str(answer), logging.WARNING)
            return None
        return answer

    def _end(self, reason: str, level: int) -> None:
        self.close()
        self.reason = reason
        log.log(level, "kernel scan of %s is not used, namespaces are visited for them: %s", self.name, reason)


class KernelScan:
    """All parts.

    Args:
        proc: root of a procfs; the scan is of the running kernel, so any other's is not scanned.
        parts: what to scan.
    """

    def __init__(self, proc: Path, parts: Iterable[Part[Any]] = PARTS) -> None:
        live = os.path.exists(f"{proc}/self/ns/net")  # else a captured tree, which nobody expects to be scanned
        reason = "" if live else f"{proc} is not the procfs of the running kernel"
        self.parts = tuple(RunningPart(part, reason) for part in parts)
        if live:
            self._try_here(proc)

    def part_of(self, reader: Reader[Any]) -> RunningPart | None:
        """Who can answer for a reader."""
        return next((part for part in self.parts if reader in part.readers), None)

    def run(self, readers: Collection[Reader[Any]]) -> dict[str, float]:
        """Run the parts that can answer for one of the readers; how many seconds each took, by its name."""
        seconds = {}
        for part in self.parts:
            if not part.readers.isdisjoint(readers):
                before = time.perf_counter()
                part.run()
                seconds[f"kernel_scan.{part.name}"] = time.perf_counter() - before
        return seconds

    def doubted(self, reader: Reader[Any], inodes: AbstractSet[int]) -> set[int]:
        """Namespaces for which it has an answer in a reader's stead that is yet to be checked."""
        part = self.part_of(reader)
        return set() if part is None else part.doubted(reader, inodes)

    def believed(self, reader: Reader[Any], pods: Iterable[Pod]) -> dict[Pod, Any]:
        """What the scan answers for a reader, where that is believed."""
        part = self.part_of(reader)
        return {} if part is None else part.believed(reader, pods)

    def judge(self, reader: Reader[Any], pod: Pod, before: Any, after: Any) -> None:  # noqa: ANN401 -- the reader's
        """Compare an answer with what its reader found in a namespace before the scan and after it."""
        part = self.part_of(reader)
        if part is not None:
            part.judge(reader, pod, before, after)

    def forget(self, inodes: Collection[int]) -> None:
        """Keep what is known of these namespaces only, as the others have ended."""
        for part in self.parts:
            part.forget(inodes)

    def _try_here(self, proc: Path) -> None:
        """Check the answers in the namespace that this thread is in, so that a wrong one is known before any cycle."""
        own = Pod("", "", os.stat("/proc/thread-self/ns/net").st_ino)
        visitor = Visitor(proc)
        try:
            for part in self.parts:
                for _ in range(_MOST_DIFFERENCES):
                    before = _read(visitor, own, part.readers)
                    part.run()
                    after = _read(visitor, own, part.readers)
                    for reader in part.readers:
                        part.judge(reader, own, before[reader], after[reader])
                    if not any(part.doubted(reader, {own.netns}) for reader in part.readers):
                        break
        finally:
            visitor.close()

    def close(self) -> None:
        """Unload all programs."""
        for part in self.parts:
            part.close()


def _read(visitor: Visitor, pod: Pod, readers: Iterable[Reader[Any]]) -> dict[Reader[Any], Any]:
    with visitor.visit(NetnsRef(pod)) as netns:
        return {reader: attempt(reader, netns) for reader in readers}
