"""Whether events are wanted, and what the kernel is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporter.bpf import event_plan, objects
from exporter.bpf.elf import read_btf
from exporter.bpf.event_plan import Plan
from exporter.model.pod import Pod
from exporter.model.probe import Env

HOST = Pod("", "", 4026531840)


def env(**events: dict[str, Any]) -> Env:
    return Env(proc=Path("/proc"), sys=Path("/sys"), netns_dir=Path("/run/netns"), node="n", events=events)


class Recorder:
    """Stands for an object before it is loaded: what it is told.

    Args:
        section: of the only program that is to be loaded.
    """

    def __init__(self, section: str = "tp_btf/x") -> None:
        self.programs = {"one": section, "other": "?kprobe/y"}
        self.btf = read_btf(objects.find("tcpreset"))
        self.said: dict[str, Any] = {}

    def autoload(self, program: str) -> bool:
        return program == "one"

    def set_variable(self, name: str, value: int) -> None:
        self.said[name] = value

    def set_max_entries(self, name: str, entries: int) -> None:
        self.said[name] = entries

    def leave_out(self, name: str) -> None:
        self.said[name] = None


def test_events_are_planned_where_they_are_wanted() -> None:
    wanted = env(tcpreset={}, packetloss={"events_per_second": 7, "enable_stack": True})

    assert event_plan.planned(wanted, "tcpreset") == Plan(100, stacks=False)
    assert event_plan.planned(wanted, "packetloss") == Plan(7, stacks=True)
    assert event_plan.planned(wanted, "tcpretrans") is None


@pytest.mark.parametrize(
    ("plan", "ring"),
    [
        (None, {"events_per_second": 0, "events": None}),
        (Plan(1), {"events_per_second": 1, "event_stacks": 0, "stack_skips": 2, "events": 65536}),
        (Plan(50_000), {"events_per_second": 50_000, "event_stacks": 0, "stack_skips": 2, "events": 4 << 20}),
        (
            Plan(1_000_000, stacks=True),
            {"events_per_second": 1_000_000, "event_stacks": 1, "stack_skips": 2, "events": 16 << 20},
        ),
    ],
)
def test_the_ring_has_room_for_a_quarter_of_a_second(
    plan: Plan | None, ring: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    recorder = Recorder()
    event_plan.prepare(recorder, plan)  # type: ignore[arg-type]  # stands for one

    assert recorder.said == ring


def test_the_stack_of_a_kprobe_begins_with_what_it_interrupts() -> None:
    recorder = Recorder("?kprobe/x")
    event_plan.prepare(recorder, Plan(stacks=True))  # type: ignore[arg-type]  # stands for one

    assert recorder.said["stack_skips"] == 0


def test_losses_are_two_counters_of_the_node() -> None:
    metrics = event_plan.loss_metrics("fake", "tracepoint x")
    table = metrics.table(HOST, 3, 5)

    assert [metric.name for metric in metrics] == ["events_suppressed_total", "events_lost_total"]
    assert [(row.pod, row.values) for row in table.rows] == [(HOST, (3, 5))]
