"""How long control commands of virtio network devices took: the user side of bpf/virtcmdlatency.bpf.c."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf.attached import attached
from exporter.bpf.entries import counters
from exporter.bpf.hooks import Hook
from exporter.bpf.times import TimesLayout

if TYPE_CHECKING:
    from pathlib import Path

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
        unfinished: how many had begun before, or were forgotten for lack of room.
    """

    times: Times
    unfinished: int


class CommandTimes:
    """The programs, attached until closed.

    Args:
        sys: root of the running kernel's sysfs.
        slow_ns: above so many nanoseconds a command is slow.
        very_slow_ns: above so many it is very slow.

    Raises:
        UnsupportedError: this machine cannot run them; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(self, sys: Path, slow_ns: int, very_slow_ns: int) -> None:
        variables = {"slow_ns": slow_ns, "very_slow_ns": very_slow_ns}
        self._bpf = attached("virtcmdlatency", sys, (_COMMAND,), variables=variables)
        try:
            self._layout = TimesLayout(self._bpf.btf)
        except BaseException:
            self.close()
            raise

    def read(self) -> Measured:
        """Everything so far. Raises SourceError."""
        times = self._layout.total(self._bpf.map("times").lookup(_ZERO) or b"")  # an array has every key
        return Measured(times, counters(self._bpf.map("faults"), self._bpf.btf, "fault")["fault_unfinished"])

    def close(self) -> None:
        """Detach and unload; safe to repeat."""
        self._bpf.close()
