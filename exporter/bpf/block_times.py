"""How long requests to block devices took: the user side of bpf/biolatency.bpf.c."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import event_plan, task_events
from exporter.bpf.attached import attached
from exporter.bpf.entries import counters
from exporter.bpf.histogram import Hist
from exporter.bpf.hooks import Hook
from exporter.bpf.layout import LayoutMismatchError, bind
from exporter.bpf.task_events import TaskEvents
from exporter.bpf.times import Slow
from exporter.errors import CollectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from exporter.bpf.btf import Btf
    from exporter.bpf.event_plan import Plan
    from exporter.bpf.loader import BpfObject
    from exporter.bpf.task_events import Tell

_HOOKS: Final = (
    Hook("the end of a request", (("rq_complete",),)),
    Hook("a request that becomes part of another", (("rq_merge",),)),
    Hook("a request that the device gets", (("rq_issue",),)),
    Hook("a request that is queued", (("rq_insert",),)),
)


class Key(NamedTuple):
    """As struct block_key.

    Args:
        disk: name, padded with zeros.
        operation: as in the object's enum.
    """

    disk: bytes
    operation: int


class BlockTimes(NamedTuple):
    """As struct block_times.

    Args:
        queue: from when a request was queued until the device got it; of those that had to wait.
        device: from then until it was done.
        both: how often both together took long.
    """

    queue: Hist
    device: Hist
    both: Slow


class Measured(NamedTuple):
    """What was measured since the programs were attached.

    Args:
        times: by device and operation, the latter in lower case.
        faults: what could not be measured, by `enum fault` in lower case.
    """

    times: Mapping[tuple[str, str], BlockTimes]
    faults: Mapping[str, int]


class _Layout:
    """Decoder of struct block_times, which is made of other structs."""

    def __init__(self, btf: Btf) -> None:
        self._hist, self._slow = bind(btf, "hist", Hist), bind(btf, "slow", Slow)
        self._size = btf.struct("block_times").size
        if self._size != 2 * self._hist.size + self._slow.size:
            raise LayoutMismatchError(f"{btf.path} struct block_times", "two structs hist and a struct slow")

    def iter_unpack(self, raw: bytes) -> Iterator[BlockTimes]:
        size = self._hist.size
        for at in range(0, len(raw), self._size):
            queue, device = self._hist.unpack(raw, at), self._hist.unpack(raw, at + size)
            yield BlockTimes(queue, device, self._slow.unpack(raw, at + 2 * size))


class BlockRequests:
    """The programs, attached until closed.

    Args:
        sys: root of the running kernel's sysfs.
        slow_ns: above so many nanoseconds a request is slow.
        very_slow_ns: above so many it is very slow.
        under_way: room for how many requests that are not done.
        entries: room for how many pairs of device and operation.
        plan: how single events are wanted.

    Attributes:
        operations: their names in lower case, by number.

    Raises:
        UnsupportedError: this machine cannot run them; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(  # noqa: PLR0913 -- thresholds and sizes, by name
        self, sys: Path, *, slow_ns: int, very_slow_ns: int, under_way: int, entries: int, plan: Plan | None = None
    ) -> None:
        self._sys = sys
        variables = {"slow_ns": slow_ns, "very_slow_ns": very_slow_ns}
        sizes = {"requests": under_way, "times": entries}
        self._bpf = _attached(sys, variables, sizes, plan)
        try:
            btf = self._bpf.btf
            numbers = btf.enum("operation").items()
            self.operations = {number: name.removeprefix("OPERATION_").lower() for name, number in numbers}
            self._keys, self._layout = bind(btf, "block_key", Key), _Layout(btf)
        except BaseException:
            self.close()
            raise

    def read(self) -> Measured:
        """All times so far of devices that exist. Forgets those that do not. Raises SourceError."""
        source = self._bpf.map("times")
        _, keys, values = source.read()
        times: dict[tuple[str, str], BlockTimes] = {}
        for key, found in zip(self._keys.iter_unpack(keys), self._layout.iter_unpack(values), strict=True):
            disk = key.disk.rstrip(b"\0").decode("utf-8", "replace").replace("/", "!")  # as its directory is named
            if (self._sys / "block" / disk).exists():
                times[disk, self.operations[key.operation]] = found
            else:
                source.delete(self._keys.pack(key))
        return Measured(times, counters(self._bpf.map("faults"), self._bpf.btf, "fault"))

    def events(self, tell: Tell) -> TaskEvents:
        """The slow ones, where there is a plan for events. Raises SourceError."""
        return TaskEvents(self._bpf, tell)

    def close(self) -> None:
        """Detach and unload; safe to repeat."""
        self._bpf.close()


def _attached(sys: Path, variables: Mapping[str, int], entries: Mapping[str, int], plan: Plan | None) -> BpfObject:
    prepare = partial(event_plan.prepare, plan=plan, record=task_events.RECORD)
    attach = partial(attached, "biolatency", sys, _HOOKS, entries=entries, prepare=prepare)
    # A kernel whose tracepoints have a single argument refuses the programs that take the second.
    try:
        return attach(variables={**variables, "queue_first": 1})
    except CollectError:
        return attach(variables=variables)
