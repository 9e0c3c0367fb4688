"""Events of a loaded object, from the records in its ring buffer.

    plan = event_plan.planned(env, "tcpreset")
    event_plan.prepare(bpf, plan)
    bpf.load()
    source = NetEvents(bpf, tell)

`net_events` and `task_events` are the two shapes of records.
"""

from __future__ import annotations

import struct
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from exporter.bpf import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.bpf.loader import BpfObject
    from exporter.model.event import Event

R = TypeVar("R", bound=tuple[object, ...])

_AT_ONCE: Final = 1024
_DRIFT: Final = 1_000_000  # ns; below it the difference of the clocks is kept, so that times stay in order
_ATTEMPTS: Final = 3
_INTERRUPTED: Final = 50_000  # ns between two looks at one clock, beyond which the look at the other one is worthless


class Sent(NamedTuple, Generic[R]):
    """What a program sent.

    Args:
        record: the struct.
        ahead: how far the wall clock is ahead of the one by which the record has its time, ns.
        stack: return addresses in the kernel, innermost first; empty where they were not asked for.
    """

    record: R
    ahead: int
    stack: tuple[int, ...]


class EventRing(Generic[R]):
    """Events of a loaded object. Used by one thread.

    Args:
        bpf: the object, which closes the ring with itself.
        name: of the struct.
        record: the same as a tuple.
        made: the event, or None where it is none after all.

    Raises:
        SourceError: the object's record is another one.
    """

    def __init__(self, bpf: BpfObject, name: str, record: type[R], made: Callable[[Sent[R]], Event | None]) -> None:
        self._made = made
        self._layout = layout.bind(bpf.btf, name, record)
        self._ring = bpf.ring("events")
        self._clock = WallClock()

    def fileno(self) -> int:
        """A descriptor that is readable when there are events."""
        return self._ring.fileno()

    def take(self) -> list[Event]:
        """The events that are there, at most 1024. Raises SourceError."""
        records = self._ring.consume(_AT_ONCE)
        ahead = self._clock.offset()
        unpack, made, size = self._layout.unpack, self._made, self._layout.size
        events = (made(Sent(unpack(record), ahead, _addresses(record[size:]))) for record in records)
        return [event for event in events if event is not None]


def _addresses(raw: bytes) -> tuple[int, ...]:
    found = struct.unpack(f"<{len(raw) // 8}Q", raw)
    return found[: found.index(0)] if 0 in found else found


@lru_cache(1024)
def text(raw: bytes) -> str:
    """Of an array of characters, up to the first zero."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


class WallClock:
    """How far the wall clock is ahead of the monotonic one, in nanoseconds.

    Args:
        wall: reads the former.
        monotonic: reads the latter.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset: int | None = None

    def offset(self) -> int:
        """Now; the same as the last time unless somebody has set the clock, so that events stay in order."""
        measured = self._measured()
        if self._offset is None or abs(measured - self._offset) > _DRIFT:
            self._offset = measured
        return self._offset

    def _measured(self) -> int:
        for _ in range(_ATTEMPTS):
            before = self._monotonic()
            wall = self._wall()
            after = self._monotonic()
            if after - before < _INTERRUPTED:
                break
        return wall - (before + after) // 2
