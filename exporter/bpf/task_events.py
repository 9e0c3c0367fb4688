"""Events about what processes wait for other than packets: the user side of bpf/include/task_events.h.

    source = TaskEvents(bpf, tell)

`tell(TaskEvent)` gives the type and the values of its fields. Before load goes `event_plan.prepare` with `RECORD`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exporter.bpf.event_ring import EventRing, Sent, text
from exporter.model.event import Event, EventType

if TYPE_CHECKING:
    from exporter.bpf.loader import BpfObject

RECORD: Final = "task_event"


class TaskEvent(NamedTuple):
    """As struct task_event, in its order.

    Args:
        time: ns, of the monotonic clock, when it ended.
        cookie: of its namespace; 0 of the kernel's own threads.
        took: ns.
        waited: ns of these, until it began.
        place: as the probe says.
        device: its name, then zeros.
        command: name of the thread, then zeros.
        netns: inode of its namespace; 0 of the kernel's own threads.
        pid: of its process.
        cpu: on which it ended.
        amount: as the probe says.
        kind: as the probe says.
        detail: as the probe says.
    """

    time: int
    cookie: int
    took: int
    waited: int
    place: int
    device: bytes
    command: bytes
    netns: int
    pid: int
    cpu: int
    amount: int
    kind: int
    detail: int

    @property
    def device_name(self) -> str:
        """Empty where it is not known."""
        return text(self.device)

    @property
    def process_name(self) -> str:
        """Of the thread."""
        return text(self.command)


Told: TypeAlias = tuple[EventType, tuple[str | int, ...]]
Tell: TypeAlias = Callable[[TaskEvent], Told]


class TaskEvents(EventRing[TaskEvent]):
    """Events of a loaded object. Used by one thread.

    Args:
        bpf: the object, which closes the ring with itself.
        tell: see the module.

    Raises:
        SourceError: the object's record is not the one of this module.
    """

    def __init__(self, bpf: BpfObject, tell: Tell) -> None:
        def made(sent: Sent[TaskEvent]) -> Event:
            one, ahead, stack = sent
            event_type, values = tell(one)
            return Event(event_type, one.time + ahead, one.netns, None, values, stack)

        super().__init__(bpf, RECORD, TaskEvent, made)
