"""The self-metrics of eBPF, from what the loaded objects tell."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from exporter.bpf import running
from exporter.bpf.running import RunCounting, State
from exporter.errors import CollectError
from exporter.model import health
from exporter.runtime.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.bpf.running import Running
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)


class Programs:
    """The loaded objects.

    Args:
        count_runs: whether the kernel is to count runs and their time; where it refuses, the log says why.
        survey: tells about them.
    """

    def __init__(self, *, count_runs: bool, survey: Callable[..., Iterable[Running]] = running.survey) -> None:
        self._survey = survey
        counting = attempt(RunCounting) if count_runs else None
        if isinstance(counting, CollectError):
            log.warning("%s", counting)
            counting = None
        self._counting = counting

    def samples(self) -> Mapping[Metric, Samples]:
        """All of them now; what is not counted is left out."""
        states: Samples = {}
        runs: Samples = {}
        seconds: Samples = {}
        skipped: Samples = {}
        faults: Samples = {}
        entries: Samples = {}
        room: Samples = {}
        for each in self._survey(counted=self._counting is not None):
            for program in each.programs:
                key = (each.name, program.name)
                states[*key, program.hook, program.state.value] = 1
                if program.state is not State.NOT_LOADED:
                    skipped[key] = program.skipped
                if program.runs is not None and program.seconds is not None:
                    runs[key], seconds[key] = program.runs, program.seconds
            faults |= {(each.name, fault): count for fault, count in each.faults.items()}
            entries |= {(each.name, fill.name): fill.entries for fill in each.maps}
            room |= {(each.name, fill.name): fill.max_entries for fill in each.maps}
        found = {
            health.PROGRAM_STATE: states,
            health.PROGRAM_RUNS: runs,
            health.PROGRAM_SECONDS: seconds,
            health.PROGRAM_SKIPPED: skipped,
            health.FAULTS: faults,
            health.MAP_ENTRIES: entries,
            health.MAP_ROOM: room,
        }
        return {metric: samples for metric, samples in found.items() if samples}

    def close(self) -> None:
        """Have nothing counted any more; safe to repeat."""
        if self._counting is not None:
            self._counting.close()
