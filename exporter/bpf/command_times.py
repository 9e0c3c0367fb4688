"""How long control commands of virtio network devices took: the user side of bpf/virtcmdlatency.bpf.c."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import event_plan, task_events
from exporter.bpf.attached import attached
from exporter.bpf.entries import counters
from exporter.bpf.hooks import Hook
from exporter.bpf.task_events import TaskEvents
from exporter.bpf.times import TimesLayout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from exporter.bpf.event_plan import Plan
    from exporter.bpf.task_events import Tell
    from exporter.bpf.times import Times

_COMMAND: Final = Hook(
    "a control command of a virtio network device",
    (
        ("reply_end", "reply_begin"),
        ("reply_end_kprobe", "reply_begin_kprobe"),
        ("command_end", "command_begin"),
        ("command_end_kprobe", "command_begin_kprobe"),
    ),
)
_ZERO: Final = bytes(4)


class Measured(NamedTuple):
    """What was measured since the programs were attached.

    Args:
        times: of all commands.
        faults: what could not be measured or told, by `enum fault` in lower case.
    """

    times: Times
    faults: Mapping[str, int]

    @property
    def unfinished(self) -> int:
        """How many had begun before, or were forgotten for lack of room."""
        return self.faults["fault_unfinished"]


class CommandTimes:
    """The programs, attached until closed.

    Args:
        sys: root of the running kernel's sysfs.
        slow_ns: above so many nanoseconds a command is slow.
        very_slow_ns: above so many it is very slow.
        plan: how single events are wanted.

    Raises:
        UnsupportedError: this machine cannot run them; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(self, sys: Path, slow_ns: int, very_slow_ns: int, plan: Plan | None = None) -> None:
        variables = {"slow_ns": slow_ns, "very_slow_ns": very_slow_ns}
        prepare = partial(event_plan.prepare, plan=plan, record=task_events.RECORD)
        self._bpf = attached("virtcmdlatency", sys, (_COMMAND,), variables=variables, prepare=prepare)
        try:
            self._layout = TimesLayout(self._bpf.btf)
        except BaseException:
            self.close()
            raise

    def read(self) -> Measured:
        """Everything so far. Raises SourceError."""
        times = self._layout.total(self._bpf.map("times").lookup(_ZERO) or b"")  # an array has every key
        return Measured(times, counters(self._bpf.map("faults"), self._bpf.btf, "fault"))

    def events(self, tell: Tell) -> TaskEvents:
        """The slow ones, where there is a plan for events. Raises SourceError."""
        return TaskEvents(self._bpf, tell)

    def close(self) -> None:
        """Detach and unload; safe to repeat."""
        self._bpf.close()
