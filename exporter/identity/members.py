"""Which pods the node's processes are in. Processes are many and stay where they are, so each is read once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.errors import CollectError, UnsupportedError
from exporter.identity import cgroups
from exporter.sources import netns, process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.identity.cgroups import Placement

# A process that is in no pod may still be on its way into one, when the runtime has just made it.
_SETTLED_SECONDS: Final = 60.0


class Member(NamedTuple):
    """A process.

    Args:
        entry: inode of its folder in procfs: equal ones mean the same process, different ones not yet another.
        placements: pods that it is in, the outermost first.
        started: clock ticks after boot; 0 for a process in no pod.
        seen: when it was first looked at, seconds of the clock.
    """

    entry: int
    placements: tuple[Placement, ...]
    started: int
    seen: float


class Members:
    """All processes that were there when it was last updated. Not thread-safe.

    Args:
        proc: root of a procfs.
        clock: seconds.
    """

    def __init__(self, proc: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = proc
        self._clock = clock
        self._known: dict[int, Member] = {}

    def update(self, pids: Iterable[int]) -> Mapping[int, Member]:
        """Look at these processes; those that ended meanwhile are left out."""
        now = self._clock()
        found = {}
        for pid in pids:
            try:
                found[pid] = self._look(pid, now)
            except UnsupportedError:  # it may not be looked at
                found[pid] = Member(0, (), 0, now)
            except (OSError, CollectError):
                continue
        self._known = found
        return found

    def _look(self, pid: int, now: float) -> Member:
        entry = os.stat(f"{self._proc}/{pid}").st_ino
        known = self._known.get(pid)
        if known is not None and known.entry == entry:
            if known.placements or now - known.seen > _SETTLED_SECONDS:
                return known
            seen = known.seen
        else:
            seen = now
        placements = cgroups.parse(process.read_cgroup(self._proc, pid))
        started = process.read_birth(self._proc, pid).started if placements else 0
        return Member(entry, placements, started, seen)

    def is_still(self, pid: int, member: Member, inode: int) -> bool:
        """Whether the process is the same one as then, and in this network namespace."""
        try:
            if netns.inode_of(f"{self._proc}/{pid}/ns/net") != inode:
                return False
            if os.stat(f"{self._proc}/{pid}").st_ino == member.entry:
                return True
            return process.read_birth(self._proc, pid).started == member.started
        except (OSError, CollectError):
            return False
