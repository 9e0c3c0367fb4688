"""I/O of processes added up per pod, so that the sums never fall when a process ends.

When a process ends, the kernel adds its counters to those of the parent that waits for it, which most parents
do. So what was already counted for the ended process must be taken off that parent's growth, or it would count
twice. A parent that ignores its children inherits nothing, and then nothing is taken off: whether it inherited
shows in its growth. What an ended process did after its last reading counts for the pod of the parent that
waited for it, and is lost where none did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.errors import GoneError, NoDataError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.model.pod import Pod
    from exporter.sources.io_readings import Counters, IoReadings

_CHANCES = 2  # a parent read just before it waited shows the growth only in the next round
_FARTHEST = 64  # generations between a process and the one that may wait for it


@dataclass(slots=True)
class _Process:
    pod: Pod
    parent: int
    started: int
    orphan: bool = False  # its first known parent has ended, so that any ancestor may be the one that waits
    counters: Counters = field(default_factory=dict)


@dataclass(slots=True)
class _Legacy:
    """What an ended process had last shown, and was counted for it."""

    left_by: _Process
    chances: int = _CHANCES


class Ledger:
    """Totals of each pod since the first reading, and before it of what its processes then showed.

    Holds one record per live process and one sum per live pod.

    Args:
        readings: of the processes.
    """

    def __init__(self, readings: IoReadings) -> None:
        self.totals: dict[Pod, Counters] = {}
        self._readings = readings
        self._known: dict[int, _Process] = {}
        self._growth: dict[int, Counters] = {}
        self._legacies: list[_Legacy] = []
        self._heirs: dict[int, int] = {}  # process that ended in this round -> its parent

    def update(self, pids: Mapping[Pod, tuple[int, ...]]) -> None:
        """Read every process and bring the totals up to date; pods that are not given are forgotten.

        Raises UnsupportedError when no process may be read, NoDataError when there is none, SourceError.
        """
        self._readings.begin()
        self._growth, self._heirs = {}, {}
        refusal = self._read_all(self._owners(pids))
        self._pass_on()
        self._legacies = [legacy for legacy in self._legacies if not self._settle(legacy)]
        self._add_up(pids)
        if not self._known:
            raise refusal or NoDataError(f"no process of a pod or of the host is seen under {self._readings.place}")

    def _owners(self, pids: Mapping[Pod, tuple[int, ...]]) -> dict[int, Pod]:
        """Owner of each process, first those that were known: a zombie shows no namespace but can still be read."""
        owners = {pid: known.pod for pid, known in self._known.items()}
        for pod, members in pids.items():
            owners.update(dict.fromkeys(members, pod))
        return owners

    def _read_all(self, owners: Mapping[int, Pod]) -> UnsupportedError | None:
        refusal = None
        for pid, pod in owners.items():
            try:
                self._read(pid, pod)
            except GoneError:
                self._end(pid)
            except UnsupportedError as error:
                refusal = error
        return refusal

    def _read(self, pid: int, pod: Pod) -> None:
        known = self._known.get(pid)
        reading = self._readings.read(pid)
        if known:
            known.pod = pod
        if reading is None:
            return
        if known is None or known.started != reading.birth.started:
            self._end(pid)
            known = self._known[pid] = _Process(pod, reading.birth.parent, reading.birth.started)
        before = known.counters
        self._growth[pid] = {name: max(value - before.get(name, 0), 0) for name, value in reading.counters.items()}
        known.counters = reading.counters

    def _end(self, pid: int) -> None:
        known = self._known.pop(pid, None)
        if known is None:
            return
        self._heirs[pid] = known.parent
        if any(known.counters.values()):
            self._legacies.append(_Legacy(known))

    def _pass_on(self) -> None:
        """Make the ancestors of ended parents the parents: the kernel picks one of them to wait instead."""
        if not self._heirs:
            return
        for each in (*self._known.values(), *(legacy.left_by for legacy in self._legacies)):
            for _ in range(_FARTHEST):
                if each.parent not in self._heirs:
                    break
                each.parent, each.orphan = self._heirs[each.parent], True

    def _settle(self, legacy: _Legacy) -> bool:
        """Take a legacy off the growth of the one that inherited it. Returns whether the matter is closed."""
        left = legacy.left_by.counters
        for pid in self._possible_heirs(legacy.left_by):
            growth = self._growth.get(pid, {})
            if all(growth.get(name, 0) >= value for name, value in left.items()):
                for name, value in left.items():
                    growth[name] -= value
                return True
        legacy.chances -= 1
        return legacy.chances == 0

    def _possible_heirs(self, ended: _Process) -> Iterator[int]:
        yield ended.parent
        pid = ended.parent
        for _ in range(_FARTHEST if ended.orphan else 0):
            if pid not in self._known:
                return
            pid = self._known[pid].parent
            yield pid

    def _add_up(self, pids: Mapping[Pod, tuple[int, ...]]) -> None:
        self.totals = {pod: total for pod, total in self.totals.items() if pod in pids}
        for pid, growth in self._growth.items():
            pod = self._known[pid].pod if pid in self._known else None
            if pod is None or pod not in pids:
                continue
            total = self.totals.setdefault(pod, {})
            for name, value in growth.items():
                total[name] = total.get(name, 0) + value
