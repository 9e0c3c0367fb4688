"""How long soft interrupts waited and ran, as bpf/softirq.bpf.c counts it."""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import event_plan, hooks, objects
from exporter.bpf.entries import counters
from exporter.bpf.hooks import Hook
from exporter.bpf.loader import BpfObject
from exporter.bpf.net_events import NetEvents
from exporter.bpf.times import TimesLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from exporter.bpf.event_plan import Plan
    from exporter.bpf.net_events import NetEvent, Told
    from exporter.bpf.times import Times

# Last the one from which the others follow.
_PLACES: Final = (
    Hook("the end of a soft interrupt", (("softirq_exit",),)),
    Hook("the begin of a soft interrupt", (("softirq_entry",),)),
    Hook("a soft interrupt that is raised", (("softirq_raise",),)),
)
_PHASES: Final = ("PHASE_SCHEDULE", "PHASE_EXECUTE")


class TypeTimes(NamedTuple):
    """Both phases of one type.

    Args:
        schedule: from when it was first raised until it began to run.
        execute: from then until it was done.
    """

    schedule: Times
    execute: Times


class SoftirqTimes:
    """The programs, attached until closed.

    Args:
        sys: root of the running kernel's sysfs.
        types: of soft interrupts, in lower case, for example net_rx.
        slow_ns: above so many nanoseconds a time is slow.
        very_slow_ns: above so many it is very slow.
        one_in: one of so many is measured, see `exporter.bpf.sampling`.
        plan: how single events are wanted.

    Raises:
        UnsupportedError: this machine cannot run them; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(  # noqa: PLR0913 -- one place for all that has to happen before load
        self,
        sys: Path,
        types: Collection[str],
        slow_ns: int,
        very_slow_ns: int,
        *,
        one_in: int = 1,
        plan: Plan | None = None,
    ) -> None:
        self._bpf = BpfObject(objects.find("softirq"))
        try:
            known = self._bpf.btf.enum("softirq_type")
            numbers = {name: known[f"SOFTIRQ_{name.upper()}"] for name in types}
            self._bpf.set_variable("types", sum(1 << number for number in numbers.values()))
            self._bpf.set_variable("slow_ns", slow_ns)
            self._bpf.set_variable("very_slow_ns", very_slow_ns)
            self._bpf.set_variable("sample_one_in", one_in)
            chosen = hooks.choose(self._bpf, _PLACES, sys)
            event_plan.prepare(self._bpf, plan)
            self._bpf.load()
            phases = self._bpf.btf.enum("phase")
            self._executes = phases["PHASE_EXECUTE"]
            self._names = {number: name for name, number in numbers.items()}
            self._keys = {
                name: tuple(struct.pack("<I", phases[each] * known["SOFTIRQ_TYPES"] + number) for each in _PHASES)
                for name, number in numbers.items()
            }
            self._layout = TimesLayout(self._bpf.btf)
            for program in chain.from_iterable(chosen.values()):
                self._bpf.attach(program)
        except BaseException:
            self._bpf.close()
            raise

    def read(self) -> dict[str, TypeTimes]:
        """Everything counted since the programs were attached, by type. Raises SourceError."""
        return {name: TypeTimes(*map(self._times, keys)) for name, keys in self._keys.items()}

    def _times(self, key: bytes) -> Times:
        return self._layout.total(self._bpf.map("times").lookup(key) or b"")  # an array has every key

    def faults(self) -> Mapping[str, int]:
        """What the programs could not tell, by name. Raises SourceError."""
        return counters(self._bpf.map("faults"), self._bpf.btf, "fault")

    def events(self, tell: Callable[[str, NetEvent, bool], Told]) -> NetEvents:
        """The single events, where they are wanted; told with the type, and whether it ran. Raises SourceError."""
        return NetEvents(self._bpf, lambda event: tell(self._names[event.reason], event, event.kind == self._executes))

    def close(self) -> None:
        """Detach and unload; safe to repeat."""
        self._bpf.close()
