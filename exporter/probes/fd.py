"""Open descriptors of a pod's processes."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import CollectError, NoDataError, UnsupportedError
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table
from exporter.sources.descriptors import DescriptorLinks, DescriptorScan

if TYPE_CHECKING:
    from exporter.model.probe import Cycle, Env
    from exporter.sources.descriptors import Descriptors

log = logging.getLogger(__name__)

_gauge = partial(Metric, probe="fd", kind=Kind.GAUGE, unit=Unit.DESCRIPTORS, scope=Scope.POD, source="/proc/<pid>/fd")

OPEN_FD = _gauge(
    name="openfd",
    help="Descriptors open in the pod's processes.",
    advice="Steady growth is a leak: compare with /proc/<pid>/limits, see what they are in /proc/<pid>/fd.",
)
OPEN_SOCKET = _gauge(
    name="opensocket",
    help="Sockets among the descriptors open in the pod's processes.",
    advice="Steady growth means connections that are never closed: see their states with ss -tanp in the pod.",
)

METRICS = (OPEN_FD, OPEN_SOCKET)


class Fd:
    """Counts anew in each cycle.

    Args:
        descriptors: of the processes.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per pod of which at least one process could be read; the host's covers its whole namespace."""
        table = Table(METRICS)
        refusal: UnsupportedError | None = None
        self._descriptors.begin()
        for pod, pids in cycle.pids.items():
            try:
                opened = self._descriptors.of(pids)
            except UnsupportedError as error:
                refusal = error
                continue
            if opened is not None:
                table.add(pod, opened)
        if not table.rows:
            raise refusal or NoDataError(f"no process of a pod or of the host is seen under {cycle.env.proc}")
        return [table]

    def close(self) -> None:
        """Unload the program that counts, if there is one."""
        self._descriptors.close()


def open_probe(env: Env) -> Fd:
    """All processes in one run of a program where the kernel allows that, otherwise link by link."""
    if env.kernel_scan and (env.proc / "self").exists():  # programs are of the running kernel, not of a captured tree
        try:
            return Fd(DescriptorScan(env.proc, env.sys))
        except CollectError as error:
            log.info("fd: read from %s/<pid>/fd, as %s", env.proc, error)
    return Fd(DescriptorLinks(str(env.proc)))


PROBE = ProbeSpec(
    name="fd",
    summary="Open descriptors and sockets of each pod's processes.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.CAPABILITY, "CAP_SYS_PTRACE", "other users' processes would be left out"),
        Requirement(
            RequirementKind.CAPABILITY,
            "CAP_DAC_READ_SEARCH",
            "other users' processes would be left out where the programs are refused",
        ),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "processes would be read from procfs one by one"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "processes would be read from procfs one by one"),
    ),
    deadline=5.0,  # where links are read one by one
)
