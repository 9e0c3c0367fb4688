"""A probe or reader that does not come back, and then does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from exporter.model.snapshot import Row, Status, Table
from exporter.runtime.collector import _Run
from tests.unit.runtime.worlds import (
    GOOD,
    HOST,
    OK,
    collector,
    good,
    metric,
    outcomes,
    read_number,
    spec_of,
    values,
    world,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.model.probe import Cycle, Netns

TINY = 0.2  # seconds of a deadline
VALUE = metric(probe="stuck", name="value")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Whoever waits for it hangs until it is set; set at the end, so that no thread outlives the test."""
    event = threading.Event()
    yield event
    event.set()
    for thread in _left():
        thread.join()


def _left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, _Run)]


def test_a_probe_that_hangs_times_out_alone_and_recovers(tmp_path: Path, gate: threading.Event) -> None:
    calls = []

    def collect(cycle: Cycle) -> list[Table]:
        calls.append(threading.current_thread())
        gate.wait()
        return [Table((VALUE,), [Row(cycle.host, (), (len(calls),))])]

    made = collector(world(tmp_path), spec_of("stuck", collect, deadline=TINY), good())
    for _ in range(3):
        found = made.cycle()
        assert values(found) == {"good": GOOD}
        assert outcomes(found) == {
            "stuck": (Status.TIMED_OUT, "probe stuck has not come back"),
            "good": OK,
        }
        assert len(_left()) == 1  # one abandoned thread per hang, however many cycles pass
    assert len(calls) == 1
    gate.set()
    calls[0].join()
    found = made.cycle()
    assert (values(found)["stuck"], outcomes(found)["stuck"]) == ({("",): (2,)}, OK)
    assert _left() == []


def test_a_reader_that_hangs_in_one_namespace_costs_only_the_probes_that_need_it(
    tmp_path: Path, gate: threading.Event
) -> None:
    threads = []

    def read_slowly(netns: Netns) -> int:
        if netns.pod.netns == 101 and not gate.is_set():
            threads.append(threading.current_thread())
            gate.wait()
        return read_number(netns)

    made = collector(world(tmp_path), good("first", read_slowly, TINY), good("second", read_slowly), good())
    for _ in range(3):
        found = made.cycle()
        assert values(found) == {"good": GOOD}
        assert outcomes(found) == {
            "first": (Status.TIMED_OUT, "test_hang.read_slowly has not come back"),
            "second": (Status.TIMED_OUT, "test_hang.read_slowly has not come back"),
            "good": OK,
        }
        assert len(_left()) == 1
    gate.set()
    threads[0].join()
    found = made.cycle()
    assert values(found) == {"first": GOOD, "second": GOOD, "good": GOOD}
    assert (len(threads), _left()) == (1, [])


def test_two_that_hang_are_each_left_behind_and_nothing_else_is_lost(tmp_path: Path, gate: threading.Event) -> None:
    def hang(_: Any) -> Any:  # noqa: ANN401 - stands for a probe and for a reader
        gate.wait()

    made = collector(world(tmp_path), spec_of("stuck", hang, deadline=TINY), good("blind", hang, TINY), good("good"))
    for _ in range(2):
        found = made.cycle()
        assert values(found) == {"good": GOOD}
        assert {name: status for name, (status, _) in outcomes(found).items()} == {
            "stuck": Status.TIMED_OUT,
            "blind": Status.TIMED_OUT,
            "good": Status.OK,
        }
        assert len(_left()) == 2


def test_a_thread_that_comes_back_does_not_go_on_beside_its_successor(tmp_path: Path, gate: threading.Event) -> None:
    collected = []

    def read_slowly(_: Netns) -> int:
        gate.wait()
        return 1

    def collect(cycle: Cycle) -> list[Table]:
        collected.append(threading.current_thread())
        return [Table((metric(probe="stateful", name="value"),), [Row(cycle.host, (), (len(collected),))])]

    made = collector(world(tmp_path), good("slow", read_slowly, TINY), spec_of("stateful", collect))
    made.cycle()
    (stuck,) = _left()
    gate.set()
    stuck.join()
    assert stuck not in collected
    assert len(collected) == 1


def test_a_reader_s_deadline_is_for_all_namespaces_together(tmp_path: Path, gate: threading.Event) -> None:
    visited = []

    def crawl(netns: Netns) -> int:
        visited.append(netns.pod)
        gate.wait(TINY / 2)  # each visit is within the deadline, the sum of ten is not
        return 1

    made = collector(world(tmp_path, range(101, 111)), good("slow", crawl, TINY), good("good"))
    found = made.cycle()
    assert outcomes(found)["slow"] == (Status.TIMED_OUT, "test_hang.crawl has not come back")
    assert (outcomes(found)["good"], len(values(found)["good"])) == (OK, 11)
    assert len(visited) < 11


def test_a_hang_at_the_host_is_blamed_on_its_reader(tmp_path: Path, gate: threading.Event) -> None:
    def hang(netns: Netns) -> int:
        if netns.pod == HOST:
            gate.wait()
        return 1

    found = collector(world(tmp_path), good("slow", hang, TINY), good()).cycle()
    assert (outcomes(found)["slow"][0], values(found)) == (Status.TIMED_OUT, {"good": GOOD})
