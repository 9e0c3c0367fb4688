"""A made-up procfs, and probes that do what a test says."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from exporter.identity import standalone
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.pod import Pod
from exporter.model.probe import Env, ProbeSpec, stateless
from exporter.model.snapshot import Outcome, Snapshot, Status, Table
from exporter.runtime.attempt import attempt
from exporter.runtime.collector import Collector, RunningProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from exporter.model.probe import Cycle, Netns, Reader

HOST_INODE = 4026531840
HOST = Pod("", "", HOST_INODE)
POD_A, POD_B = Pod("standalone", "ns101", 101), Pod("standalone", "ns102", 102)

metric = partial(
    Metric, kind=Kind.GAUGE, unit=Unit.OBJECTS, help="Whatever the test says.", scope=Scope.NETNS, source="the test"
)


def world(root: Path, pods: Sequence[int] = (101, 102)) -> Env:
    """A procfs with process 1 in the host's namespace and a process 1000+n in each further one."""
    for pid, inode in ((1, HOST_INODE), *((1000 + inode, inode) for inode in pods)):
        process = root / "proc" / str(pid)
        (process / "net").mkdir(parents=True)
        (process / "ns").mkdir()
        os.symlink(f"net:[{inode}]", process / "ns" / "net")
        (process / "net" / "number").write_text(f"{inode}\n")
    return Env(root / "proc", root / "sys", root / "netns", "node-a")


def read_number(netns: Netns) -> int:
    """What the made-up namespace holds."""
    return int(netns.read("number"))


def spec_of(
    name: str, collect: Callable[[Cycle], Any], *readers: Reader[Any], deadline: float = 5.0, names: Sequence[str] = ()
) -> ProbeSpec:
    """A probe with one metric `value` (and others on request) that runs `collect`."""
    metrics = tuple(metric(probe=name, name=each) for each in ("value", *names))
    return ProbeSpec(
        name=name, summary="A test.", metrics=metrics, open=stateless(collect), readers=readers, deadline=deadline
    )


def good(name: str = "good", reader: Reader[int] = read_number, deadline: float = 5.0) -> ProbeSpec:
    """A probe that reports what `reader` found in each namespace."""

    def collect(cycle: Cycle) -> list[Table]:
        table = Table(made.metrics)
        for pod, number in cycle.over(reader):
            table.add(pod, (number,))
        return [table]

    made = spec_of(name, collect, reader, deadline=deadline)
    return made


def collector(env: Env, *specs: ProbeSpec, max_series: int = 100_000, disabled: Sequence[str] = ()) -> Collector:
    """As the composition root makes it."""
    running = [RunningProbe(spec, attempt(spec.open, env)) for spec in specs]
    return Collector(env, running, disabled, standalone.discover, max_series=max_series)


def outcomes(snapshot: Snapshot) -> dict[str, tuple[Status, str]]:
    """Status and reason by probe."""
    return {outcome.probe: (outcome.status, outcome.reason) for outcome in snapshot.outcomes}


def values(snapshot: Snapshot) -> dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]:
    """Probe -> (pod name, labels) -> numbers."""
    found: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = {}
    for table in snapshot.tables:
        rows = found.setdefault(table.metrics[0].probe, {})
        rows.update({(row.pod.name, *row.labels): tuple(row.values) for row in table.rows})
    return found


GOOD = {("",): (HOST_INODE,), ("ns101",): (101,), ("ns102",): (102,)}
OK = (Status.OK, "")


def snapshot(*tables: Table, reasons: Sequence[tuple[str, Status, str]] = (), taken_at: float = 100.0) -> Snapshot:
    """A snapshot made by hand."""
    made = tuple(Outcome(probe, status, reason, 0.001) for probe, status, reason in reasons)
    return Snapshot(tables, made, (HOST, POD_A), taken_at, 0.01)


def remove(path: Path) -> None:
    """Delete a process of the made-up procfs, as when it ends."""
    for entry in sorted(path.rglob("*"), reverse=True):
        entry.rmdir() if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    with suppress(FileNotFoundError):
        path.rmdir()
