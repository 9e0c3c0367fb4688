"""Soft interrupts of the running kernel, with /proc/softirqs as the second witness."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.histogram import of_times
from exporter.bpf.softirq_times import SoftirqTimes
from exporter.bpf.times import Slow
from exporter.probes import softirq as probe
from tests.bpf.sampling import measuring
from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.bpf.softirq_times import TypeTimes
    from tests.netns.namespaces import Pair

CPUS = os.cpu_count() or 1
DATAGRAMS = 997
NEVER = 1 << 63


@pytest.fixture
def measure(as_root: None) -> Iterator[Callable[..., SoftirqTimes]]:  # noqa: ARG001 -- skips
    """Attach the programs for some types, with thresholds in nanoseconds."""
    opened: list[SoftirqTimes] = []

    def make(*types: str, slow_ns: int = NEVER, very_slow_ns: int = NEVER, one_in: int = 1) -> SoftirqTimes:
        opened.append(times := SoftirqTimes(Path("/sys"), types, slow_ns, very_slow_ns, one_in=one_in))
        return times

    yield make
    for times in opened:
        times.close()


def send_one_by_one(pair: Pair, count: int) -> None:
    """Each datagram is received before the next is sent, so none shares its soft interrupt with another."""
    receiver, sender = (side.open(socket.AF_INET, socket.SOCK_DGRAM) for side in (pair.right, pair.left))
    receiver.bind((pair.right4, 9999))
    receiver.settimeout(10)
    for _ in range(count):
        sender.sendto(b"x", (pair.right4, 9999))
        receiver.recv(1)


def counted_by_kernel(name: str) -> int:
    """Soft interrupts of a type since boot."""
    line = next(line for line in Path("/proc/softirqs").read_text().splitlines() if line.strip().startswith(f"{name}:"))
    return sum(map(int, line.split()[1:]))


def read_detached(times: SoftirqTimes) -> dict[str, TypeTimes]:
    """What was counted in the end: nothing is added any more while it is read."""
    for link in reversed(times._bpf._open):  # what was raised before still ends
        link.close()
    return times.read()


def programs() -> dict[int, str]:
    """Names of all programs in the kernel, by number."""
    return {each["id"]: each.get("name", "") for each in json.loads(run("bpftool", "--json", "prog", "list"))}


def test_every_received_datagram_is_a_run_and_the_kernel_counts_as_many(
    pair: Pair, measure: Callable[..., SoftirqTimes]
) -> None:
    """The kernel counts a run when it begins, and we when it ends: one per CPU may be between."""
    at_least_from = counted_by_kernel("NET_RX")
    times = measure("net_rx")
    before = times.read()["net_rx"]
    at_most_from = counted_by_kernel("NET_RX")

    send_one_by_one(pair, DATAGRAMS)
    at_most_to = counted_by_kernel("NET_RX")
    after = times.read()["net_rx"]
    at_least_to = counted_by_kernel("NET_RX")

    runs = after.execute.all.count - before.execute.all.count
    waits = after.schedule.all.count - before.schedule.all.count
    assert runs >= DATAGRAMS
    assert waits >= DATAGRAMS
    assert at_most_to - at_most_from - CPUS <= runs <= at_least_to - at_least_from + CPUS


def test_sums_counts_and_slots_agree(pair: Pair, measure: Callable[..., SoftirqTimes]) -> None:
    begin = time.monotonic_ns()
    times = measure("net_rx", "timer", "sched")
    send_one_by_one(pair, DATAGRAMS)
    found = read_detached(times)
    elapsed = time.monotonic_ns() - begin

    for schedule, execute in found.values():
        for hist in (schedule.all, execute.all):
            assert hist.count == sum(hist.slots) == sum(of_times(hist).counts)
            assert hist.sum <= sum(1000 << slot for slot, events in enumerate(hist.slots) for _ in range(events))
        assert schedule.all.count <= execute.all.count + CPUS
    assert 0 < sum(execute.all.sum for _, execute in found.values()) <= elapsed * CPUS


def test_slow_is_what_lies_above_the_bound_that_equals_the_threshold(
    pair: Pair, measure: Callable[..., SoftirqTimes]
) -> None:
    times = measure("net_rx", slow_ns=2_000, very_slow_ns=16_000)
    send_one_by_one(pair, DATAGRAMS)
    schedule, execute = read_detached(times)["net_rx"]

    for phase in (schedule, execute):
        assert phase.slow == Slow(sum(phase.all.slots[2:]), sum(phase.all.slots[5:]))
    assert execute.slow.slow > 0


def test_a_threshold_that_nothing_reaches_counts_nothing(pair: Pair, measure: Callable[..., SoftirqTimes]) -> None:
    times = measure("net_rx")
    send_one_by_one(pair, 31)

    schedule, execute = times.read()["net_rx"]
    assert (schedule.slow, execute.slow) == (Slow(0, 0), Slow(0, 0))


def test_of_sampled_runs_about_one_in_so_many_is_measured(pair: Pair, measure: Callable[..., SoftirqTimes]) -> None:
    before = counted_by_kernel("NET_RX")
    times = measure("net_rx", one_in=4)
    send_one_by_one(pair, DATAGRAMS)
    schedule, execute = read_detached(times)["net_rx"]
    runs = counted_by_kernel("NET_RX") - before

    assert DATAGRAMS / 4 * 0.7 < execute.all.count < runs / 4 * 1.3
    assert execute.all.count - CPUS <= schedule.all.count + runs - DATAGRAMS
    assert schedule.all.count <= execute.all.count + CPUS


def test_types_that_were_not_asked_for_are_not_measured(pair: Pair, measure: Callable[..., SoftirqTimes]) -> None:
    times = measure("hi")
    send_one_by_one(pair, 31)

    every = times._bpf.map("times")
    raw, size = every.read()[2], every.entry_size
    measured = {place for place in range(every.max_entries) if any(raw[place * size : (place + 1) * size])}
    assert list(times.read()) == ["hi"]
    assert measured <= {0, every.max_entries // 2}  # HI is 0: how it waited, how it ran


def test_the_probe_gives_one_row_per_type_and_only_the_node_has_them(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("softirq"))

    send_one_by_one(pair, DATAGRAMS)
    snapshot = collector.cycle()

    found = rows(snapshot, snapshot.pods[0])
    assert {labels: set(values) for labels, values in found.items()} == {
        (name,): {metric.name for metric in probe.BY_TYPE} for name in ("net_rx", "net_tx")
    }
    assert sum(found["net_rx",]["execute_seconds"].counts) >= DATAGRAMS
    assert rows(snapshot, pair.left.pod) == {}


def test_closing_leaves_nothing_in_the_kernel(measure: Callable[..., SoftirqTimes], until: Callable[..., None]) -> None:
    before = programs()
    times = measure("net_rx")
    mine = {number: name for number, name in programs().items() if number not in before and "softirq" in name}
    times.close()
    times.close()

    assert sorted(mine.values()) == ["softirq_entry", "softirq_exit", "softirq_raise"]
    until(lambda: not mine.keys() & programs().keys())
