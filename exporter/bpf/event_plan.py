"""Whether and how a probe's events are wanted, what its object needs for that, and what the counters of losses are.

Where events are not wanted, the programs are loaded without the part that makes them, and there is no ring buffer.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.bpf.loader import BpfObject
    from exporter.model.pod import Pod
    from exporter.model.probe import Env

RATE: Final = Option(
    name="events_per_second",
    help="Events that each CPU may send in a second; all others are only counted.",
    default=100,
    most=1_000_000,
)
STACK: Final = Option(
    name="enable_stack", help="Whether events tell by which functions the kernel came there.", default=False
)

NET_RECORD: Final = "net_event"
_RECORD_BYTES: Final = 8  # in front of each record in a ring buffer
_PART_OF_SECOND: Final = 4  # a ring has room for the events of a quarter of a second, as nobody may read for so long
_WATCHING: Final = 2  # frames of a program and what calls it; the stack of a kprobe begins with what it interrupts
_LEAST_RING: Final = 64 * 1024
_MOST_RING: Final = 16 * 1024 * 1024


class Plan(NamedTuple):
    """How events are wanted.

    Args:
        rate: most of each CPU, per second.
        stacks: whether with the return addresses in the kernel.
    """

    rate: int = RATE.default
    stacks: bool = STACK.default


def planned(env: Env, probe: str) -> Plan | None:
    """How a probe's events are wanted; None if they are not."""
    wanted = env.events.get(probe)
    if wanted is None:
        return None
    return Plan(wanted.get(RATE.name, RATE.default), wanted.get(STACK.name, STACK.default))


def prepare(bpf: BpfObject, plan: Plan | None, record: str = NET_RECORD) -> None:
    """Set an object up for it whose events are of the struct `record`. Before load, its programs chosen.

    Raises SourceError.
    """
    if plan is None:
        bpf.set_variable("events_per_second", 0)
        bpf.leave_out("events")
        return
    bpf.set_variable("events_per_second", plan.rate)
    bpf.set_variable("event_stacks", int(plan.stacks))
    in_place = any(section.lstrip("?").startswith("kprobe/") for section in _loaded(bpf))
    bpf.set_variable("stack_skips", 0 if in_place else _WATCHING)
    size = bpf.btf.struct(f"traced_{record}" if plan.stacks else record).size + _RECORD_BYTES
    wanted = plan.rate * (os.cpu_count() or 1) * size // _PART_OF_SECOND
    bpf.set_max_entries("events", min(max(1 << wanted.bit_length(), _LEAST_RING), _MOST_RING))


def _loaded(bpf: BpfObject) -> Iterator[str]:
    return (section for program, section in bpf.programs.items() if bpf.autoload(program))


class LossMetrics(NamedTuple):
    """Counters of the events that the kernel did not send.

    Args:
        suppressed: above the rate.
        lost: without room in the ring buffer.
    """

    suppressed: Metric
    lost: Metric

    def table(self, host: Pod, suppressed: int, lost: int) -> Table:
        """Both, of the node."""
        table = Table(self)
        table.add(host, (suppressed, lost))
        return table


def loss_metrics(probe: str, source: str) -> LossMetrics:
    """Those of a probe, whose events come from `source`."""
    counter = partial(
        Metric, probe=probe, kind=Kind.COUNTER, scope=Scope.NODE, unit=Unit.EVENTS, source=f"{source}; ring buffer"
    )
    return LossMetrics(
        counter(
            name="events_suppressed_total",
            help="Events that were only counted, as there were more than their rate allows; absent without events.",
            advice="Raise `events_per_second` in the event probe's arguments, or find out what causes so many.",
        ),
        counter(
            name="events_lost_total",
            help="Events that found the ring buffer full, as nobody took them in time; absent without events.",
            advice="The exporter lacks CPU time, or the rate is more than it can follow: lower `events_per_second`.",
        ),
    )
