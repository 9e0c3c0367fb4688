"""Which container an event's process is in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from exporter.errors import CollectError
from exporter.identity import cgroups
from exporter.sources import netns, process

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.model.event import Event, EventType


def of_events(proc: str, events: Iterable[Event]) -> Mapping[tuple[int, int], str]:
    """Container ids by process and namespace, of those that are in a container; each process is looked at once.

    A process that is not in the event's namespace has taken over the number of one that has ended, and is left out.

    Args:
        proc: root of a procfs.
        events: of which those count that tell a process and a namespace.
    """
    found = {}
    for pid, inode in {key for event in events if (key := process_of(event))}:
        try:
            placements = cgroups.parse(process.read_cgroup(proc, pid))
            here = netns.inode_of(f"{proc}/{pid}/ns/net") == inode
        except (OSError, CollectError):
            continue
        if here and placements:
            found[pid, inode] = placements[-1].container
    return found


def process_of(event: Event) -> tuple[int, int] | None:
    """The process that an event tells, and its namespace; None where it does not tell both."""
    place = _place(event.type)
    pid = event.values[place] if place is not None and event.netns else 0
    return (pid, event.netns) if isinstance(pid, int) and pid else None


@cache
def _place(of_type: EventType) -> int | None:
    """Where among its values a type has the process."""
    return next((place for place, each in enumerate(of_type.fields) if each.name == "pid"), None)
