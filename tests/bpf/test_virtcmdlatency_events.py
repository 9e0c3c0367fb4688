"""Control commands of a virtio network device are told one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import event_plan, objects, task_events
from exporter.bpf.command_times import _COMMAND
from exporter.bpf.event_plan import Plan
from exporter.bpf.loader import BpfObject
from exporter.probes.virtcmdlatency import COMMAND, VERY_SLOW_COMMAND
from tests.bpf.test_virtcmdlatency import device, vlans

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from tests.bpf.event_watch import Watched

__all__ = ["device", "vlans"]

HOUR = 3_600_000


def facts(event: Event) -> tuple[Any, ...]:
    """What is known beforehand: type, class, command, process."""
    return (event.type, *event.values[1:3], event.values[4])


def told(watched: Watched) -> list[Event]:
    found: list[Event] = []
    while more := watched.source.take():
        found.extend(more)
    return found


def test_each_command_is_told_with_what_it_was_and_who_waited(
    device: str, vlans: Callable[[int], None], watch_events: Callable[..., Watched]
) -> None:
    vlans(1)  # the first one also changes the list of addresses
    watched = watch_events("virtcmdlatency", {"slow_ms": 0, "very_slow_ms": HOUR})
    vlans(7)
    found = told(watched)

    assert [facts(event) for event in found] == [(COMMAND, "vlan", 0, "ip")] * 7  # to let its frames in
    assert {event.values[3] for event in found} <= {device, ""}
    assert [int(event.values[0]) > 0 for event in found] == [True] * 7
    assert [int(event.values[5]) > 1 for event in found] == [True] * 7
    assert (watched.counted("latency"), watched.counted("latency100ms")) == (7, 0)


def test_very_slow_ones_have_a_type_of_their_own_and_quick_ones_are_not_told(
    vlans: Callable[[int], None], watch_events: Callable[..., Watched]
) -> None:
    vlans(1)
    every = watch_events("virtcmdlatency", {"slow_ms": 0, "very_slow_ms": 0}, enable_stack=True)
    none = watch_events("virtcmdlatency", {"slow_ms": HOUR, "very_slow_ms": HOUR})
    vlans(3)
    found = told(every)

    assert {facts(event) for event in found} == {(VERY_SLOW_COMMAND, "vlan", 0, "ip")}
    assert [len(event.stack) > 3 for event in found] == [True] * 3
    assert told(none) == []


@pytest.mark.parametrize("way", [way for way in _COMMAND.ways if way[0].endswith("kprobe")], ids=str)
@pytest.mark.parametrize("stacks", [False, True])
def test_the_kernel_accepts_what_makes_events_also_where_it_lets_nothing_be_attached(
    stacks: bool,  # noqa: FBT001 -- a parameter of the test
    way: tuple[str, ...],
    as_root: None,  # noqa: ARG001 -- skips
) -> None:
    with BpfObject(objects.find("virtcmdlatency")) as bpf:
        for program in bpf.programs:
            bpf.set_autoload(program, wanted=program in way)
        bpf.read_untyped()
        event_plan.prepare(bpf, Plan(stacks=stacks), task_events.RECORD)
        bpf.load()
        assert {program for program in bpf.programs if bpf.autoload(program)} == set(way)
