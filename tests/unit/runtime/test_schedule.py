from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from exporter.model.metric import Naming
from exporter.model.snapshot import Snapshot, Status
from exporter.runtime import schedule as module
from exporter.runtime.collector import Costs
from exporter.runtime.health import Health
from exporter.runtime.schedule import Schedule
from tests.unit.runtime.worlds import collector, good, snapshot, spec_of, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


class Scripted:
    """Stands where a collector stands: each cycle is what the script says."""

    def __init__(self, *script: Snapshot | Callable[[], Snapshot]) -> None:
        self.costs = Costs()
        self.script = list(script)
        self.calls = 0

    def cycle(self) -> Snapshot:
        step = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        return step if isinstance(step, Snapshot) else step()


def _schedule(cycles: Any, interval: float = 0.05) -> Schedule:  # noqa: ANN401 - a collector or a scripted one
    return Schedule(cycles, Health("node-a", (Naming.KUBESKOOP,), cycles.costs), interval)


def test_before_the_first_cycle_there_is_nothing() -> None:
    made = _schedule(Scripted())
    assert (made.latest(), made.latest(wait=0.01), made.last_two()) == (None, None, (None, None))


def test_the_last_two_snapshots_are_kept() -> None:
    first, second, third = snapshot(), snapshot(), snapshot()
    made = _schedule(Scripted(first, second, third))
    assert made.cycle() is first
    assert (made.latest(), made.last_two()) == (first, (first, None))
    made.cycle()
    made.cycle()
    assert (made.latest(), made.last_two()) == (third, (third, second))


def test_a_scrape_may_wait_for_the_very_first_cycle() -> None:
    first = snapshot()
    made = _schedule(Scripted(first), interval=60)
    made.start()
    assert made.latest(wait=10) is first
    made.stop()


def test_a_snapshot_that_is_too_old_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _schedule(Scripted(snapshot()), interval=5)
    made.cycle()
    finished = made._finished_at
    served = {}
    for age in (0.0, 24.9, 25.1, 1e6):
        monkeypatch.setattr(module.time, "monotonic", lambda age=age: finished + age)
        served[age] = made.latest() is not None
    assert served == {0.0: True, 24.9: True, 25.1: False, 1e6: False}


def test_a_cycle_that_cannot_be_done_is_logged_and_the_next_one_is_tried(caplog: pytest.LogCaptureFixture) -> None:
    good_one = snapshot()
    tried = threading.Event()

    def fail() -> Snapshot:
        raise RuntimeError("can't start new thread")

    def succeed() -> Snapshot:
        tried.set()
        return good_one

    made = _schedule(Scripted(fail, succeed))
    made.start()
    assert made.latest(wait=10) is good_one
    assert tried.is_set()
    made.stop()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["no cycle: defect in exporter.runtime.schedule: RuntimeError: can't start new thread"]


def test_stopping_ends_the_thread_between_cycles() -> None:
    made = _schedule(Scripted(snapshot()), interval=3600)
    made.start()
    made.latest(wait=10)
    made.stop()
    assert not made.is_alive()


def test_stopping_does_not_wait_for_a_cycle_that_hangs(tmp_path: Path) -> None:
    inside, gate = threading.Event(), threading.Event()

    def hang(_: object) -> Any:  # noqa: ANN401 - never returns before the end of the test
        inside.set()
        gate.wait()
        return []

    made = _schedule(collector(world(tmp_path), spec_of("stuck", hang, deadline=3600), good()), interval=3600)
    made.start()
    inside.wait()
    made.stop()  # comes back although the cycle does not
    assert made.is_alive()
    gate.set()
    made.join()


def test_each_complaint_is_logged_once_when_it_comes_and_once_when_it_goes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bad = snapshot(reasons=[("slab", Status.UNSUPPORTED, "may not be read"), ("tcp", Status.OK, "")])
    worse = snapshot(reasons=[("slab", Status.UNSUPPORTED, "may not be read"), ("tcp", Status.FAILED, "garbage")])
    fine = snapshot(reasons=[("slab", Status.DISABLED, "not selected"), ("tcp", Status.OK, "")])
    made = _schedule(Scripted(bad, bad, worse, worse, fine, fine, bad))
    for _ in range(7):
        made.cycle()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "probe slab: unsupported: may not be read"),
        ("WARNING", "probe tcp: failed: garbage"),
        ("INFO", "no longer: probe slab: unsupported: may not be read"),
        ("INFO", "no longer: probe tcp: failed: garbage"),
        ("WARNING", "probe slab: unsupported: may not be read"),
    ]


def test_a_collector_does_as_many_cycles_as_it_is_asked_for(tmp_path: Path) -> None:
    made = collector(world(tmp_path), good())
    running = _schedule(made)
    snapshots = [running.cycle() for _ in range(3)]
    assert made.costs.cycles == 3
    assert made.costs.cpu_seconds > 0
    assert [list(each.readers) for each in snapshots] == [["worlds.read_number"]] * 3
