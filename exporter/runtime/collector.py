"""One collection cycle: sweep, probes, outcomes. A probe that hangs or fails costs only itself."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from exporter.errors import CollectError, NoDataError, UnsupportedError
from exporter.model.snapshot import Outcome, Snapshot, Status, Table
from exporter.runtime import limits
from exporter.runtime.attempt import attempt
from exporter.runtime.sweep import Round, reader_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from exporter.model.pod import NetnsRef, Pod
    from exporter.model.probe import Env, Probe, ProbeSpec, Reader
    from exporter.runtime.kernel_scan import KernelScan
    from exporter.runtime.sweep import Past

_POLL = 0.05  # how often a running cycle is looked at for a hang


@dataclass(slots=True)
class RunningProbe:
    """A declaration with its opened probe, or the error that opening it ended in.

    Args:
        spec: the declaration.
        probe: what runs.
        exposed: whether its metrics are wanted, and not only its events.
    """

    spec: ProbeSpec
    probe: Probe | CollectError
    exposed: bool = True


@dataclass(slots=True)
class Costs:
    """What collecting has cost and cut since the start; the self-metrics read it."""

    cycles: int = 0
    cpu_seconds: float = 0.0
    namespaces_gone: int = 0
    series_dropped: Counter[str] = field(default_factory=Counter)
    scan: KernelScan | None = None


class _LeftBehindError(BaseException):
    """Ends a thread whose cycle went on without it; not an Exception, so that nothing on the way keeps it."""


class _Run(threading.Thread):
    """The thread that does a cycle's work. It may get stuck in the kernel; then it is left behind.

    When it comes back it ends at once: a newer thread uses the probes by then.
    """

    def __init__(self, round_: Round, probes: Collection[RunningProbe], skip: set[Any]) -> None:
        super().__init__(name="cycle", daemon=True)
        self.round = round_
        self.left_behind = False
        self.cpu_seconds = 0.0
        self.failure: CollectError | None = None
        self.done: dict[str, tuple[list[Table] | CollectError, float]] = {}
        self._probes = [each for each in probes if skip.isdisjoint(_steps(each.spec))]
        self._skip = skip
        self.step: ProbeSpec | Reader[Any] | None = None
        self.step_started = time.monotonic()

    def run(self) -> None:
        """Sweep, then let each probe make sense of what was found."""
        with suppress(_LeftBehindError):
            self._work()

    def _work(self) -> None:
        readers = [r for p in self._probes for r in p.spec.readers if r not in self._skip]
        host_readers = [r for p in self._probes for r in p.spec.host_readers if r not in self._skip]
        swept = attempt(self.round.sweep, dict.fromkeys(readers), dict.fromkeys(host_readers), self._note)
        if isinstance(swept, CollectError):
            self.failure = swept
        for each in self._probes:
            self._note(each.spec)
            before = time.perf_counter()
            result = self._collect(each)
            self.done[each.spec.name] = (result, time.perf_counter() - before)
        self.cpu_seconds = time.thread_time()

    def late(self) -> float:
        """Seconds that the step under way has taken, a reader's in all namespaces together."""
        step = self.step
        before = self.round.seconds.get(step, 0.0) if callable(step) else 0.0
        return before + time.monotonic() - self.step_started

    def _note(self, step: ProbeSpec | Reader[Any]) -> None:
        if self.left_behind:
            raise _LeftBehindError
        self.step_started = time.monotonic()
        self.step = step

    def _collect(self, each: RunningProbe) -> list[Table] | CollectError:
        if isinstance(each.probe, CollectError):
            return each.probe
        if self.failure is not None:
            return self.failure
        tables = attempt(each.probe.collect, self.round)
        if isinstance(tables, CollectError):
            return tables
        declared = frozenset(metric.name for metric in each.spec.metrics)
        return attempt(limits.check, tables, declared, each.spec.name) or tables


def _nobody(_: tuple[NetnsRef, ...]) -> Collection[Pod]:
    return ()


class Collector:
    """Runs cycles one after the other and keeps the books about them.

    Args:
        env: the world.
        probes: what runs.
        disabled: names of those that do not.
        discover: all namespaces now, the host's first. Raises SourceError.
        max_series: most series of a snapshot.
        scan: of the kernel.
        ended: pods of which it is not sure that what was read since `discover` is theirs.
    """

    def __init__(  # noqa: PLR0913 -- the composition root hands over everything
        self,
        env: Env,
        probes: Collection[RunningProbe],
        disabled: Collection[str],
        discover: Callable[[Env], tuple[NetnsRef, ...]],
        *,
        max_series: int,
        scan: KernelScan | None = None,
        ended: Callable[[tuple[NetnsRef, ...]], Collection[Pod]] = _nobody,
    ) -> None:
        self.costs = Costs(scan=scan)
        self._scan = scan
        self._env = env
        self._probes = tuple(probes)
        self._disabled = tuple(disabled)
        self._discover = discover
        self._ended = ended
        self._max_series = max_series
        self._past: Past = {}
        self._retired: list[tuple[RunningProbe, set[_Run]]] = []  # with the threads that may still be in them
        self._stuck: dict[Any, _Run] = {}  # reader, or probe name -> the thread that hangs in it

    def change(
        self,
        env: Env,
        probes: Collection[RunningProbe],
        disabled: Collection[str],
        *,
        max_series: int,
        retired: Collection[RunningProbe] = (),
    ) -> None:
        """Run these probes from the next cycle on. Not to be called while one runs.

        Args:
            env: the world.
            probes: all that run.
            disabled: names of the others.
            max_series: most series exposed.
            retired: probes that ran until now, which are closed: at once, or when the thread that hangs in one is back.
        """
        self._env, self._probes, self._disabled = env, tuple(probes), tuple(disabled)
        self._max_series = max_series
        self._retired += [(each, {run for run in self._stuck.values() if run.is_alive()}) for each in retired]
        self._close_retired()

    def _close_retired(self) -> None:
        waiting = []
        for each, runs in self._retired:
            if any(run.is_alive() for run in runs):
                waiting.append((each, runs))
            elif not isinstance(each.probe, CollectError):
                attempt(each.probe.close)
        self._retired = waiting

    def cycle(self) -> Snapshot:
        """Do one cycle. Never raises for what a source or probe does."""
        taken_at, started = time.time(), time.monotonic()
        refs = attempt(self._discover, self._env)
        if isinstance(refs, CollectError):
            outcomes = [Outcome(each.spec.name, Status.FAILED, str(refs)) for each in self._probes]
            return Snapshot((), (*outcomes, *self._off()), (), taken_at, time.monotonic() - started)
        self._stuck = {step: run for step, run in self._stuck.items() if run.is_alive()}
        self._close_retired()
        run = self._run(refs)
        self._past = run.round.memories
        ended = self._ended(refs)
        tables, outcomes = self._judge(run, ended)
        self.costs.cycles += 1
        self.costs.cpu_seconds += run.cpu_seconds
        self.costs.namespaces_gone += len(run.round.gone.union(ended))
        seconds = run.round.seconds
        readers = {reader_name(reader): took for reader, took in seconds.items()} | run.round.scan_seconds
        pods = tuple(ref.pod for ref in refs if ref.pod not in ended)
        facts = {ref.pod: ref.facts for ref in refs if ref.facts is not None}
        took = time.monotonic() - started
        return Snapshot(tables, (*outcomes, *self._off()), pods, taken_at, took, readers, facts)

    def _off(self) -> list[Outcome]:
        return [Outcome(name, Status.DISABLED, "not selected") for name in self._disabled]

    def _run(self, refs: tuple[NetnsRef, ...]) -> _Run:
        """Run to the end; each time a step exceeds its deadline, leave that thread and start over without it."""
        while True:
            run = _Run(Round(self._env, refs, self._past, self._scan), self._probes, set(self._stuck))
            run.start()
            while run.is_alive():
                run.join(_POLL)
                step, late = run.step, run.late()
                if run.is_alive() and step is not None and step is run.step and late > self._deadline(step):
                    self._stuck[getattr(step, "name", step)] = run
                    run.left_behind = True
                    break
            else:
                return run

    def _deadline(self, step: ProbeSpec | Reader[Any]) -> float:
        deadline: float | None = getattr(step, "deadline", None)
        if deadline is not None:
            return deadline
        users = (each.spec for each in self._probes if step in _steps(each.spec))
        return min((spec.deadline for spec in users), default=1.0)

    def _judge(self, run: _Run, ended: Collection[Pod]) -> tuple[tuple[Table, ...], list[Outcome]]:
        tables: list[Table] = []
        outcomes: list[Outcome] = []
        room = self._max_series
        for each in self._probes:
            name = each.spec.name
            stuck = self._stuck_in(each.spec)
            if stuck:
                outcomes.append(Outcome(name, Status.TIMED_OUT, f"{stuck} has not come back"))
                continue
            result, seconds = run.done[name]
            if isinstance(result, CollectError):
                outcomes.append(Outcome(name, _status(result), str(result), seconds))
                continue
            for table in result if each.exposed else ():
                sure = Table(table.metrics, [row for row in table.rows if row.pod not in ended]) if ended else table
                kept, over_label = limits.within_label_budget(sure)
                kept, over_total = limits.within_total(kept, room)
                room -= len(kept.rows) * kept.width
                self.costs.series_dropped[name] += over_label + over_total
                tables.append(kept)
            outcomes.append(Outcome(name, Status.OK, "", seconds))
        return tuple(tables), outcomes

    def _stuck_in(self, spec: ProbeSpec) -> str:
        """Which part of a probe hangs; empty when none does."""
        for step in _steps(spec):
            if step in self._stuck:
                return f"probe {step}" if step == spec.name else reader_name(step)
        return ""

    def close(self) -> None:
        """Close every probe and the kernel scan."""
        if self._scan is not None:
            self._scan.close()
        for each in self._probes:
            if not isinstance(each.probe, CollectError):
                attempt(each.probe.close)


def _steps(spec: ProbeSpec) -> tuple[Any, ...]:
    """Everything a probe may hang in, as the keys under which a stuck thread is kept."""
    return (spec.name, *spec.readers, *spec.host_readers)


def _status(error: CollectError) -> Status:
    if isinstance(error, UnsupportedError):
        return Status.UNSUPPORTED
    return Status.NO_DATA if isinstance(error, NoDataError) else Status.FAILED
