"""Open descriptors of a pod's processes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import GoneError, NoDataError, UnsupportedError
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import process

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

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


def collect(cycle: Cycle) -> list[Table]:
    """One row per pod of which at least one process could be read; the host's covers its whole namespace."""
    table = Table(METRICS)
    proc = str(cycle.env.proc)
    refusal: UnsupportedError | None = None
    for pod, pids in cycle.pids.items():
        read, opened, sockets = 0, 0, 0
        for pid in pids:
            try:
                targets = process.read_descriptors(proc, pid)
            except GoneError:
                continue
            except UnsupportedError as error:
                refusal = error
                continue
            read += 1
            opened += len(targets)
            sockets += sum(target.startswith("socket:") for target in targets)
        if read:
            table.add(pod, (opened, sockets))
    if not table.rows:
        raise refusal or NoDataError(f"no process of a pod or of the host is seen under {proc}")
    return [table]


PROBE = ProbeSpec(
    name="fd",
    summary="Open descriptors and sockets of each pod's processes; off by default, as each descriptor costs time.",
    metrics=METRICS,
    open=stateless(collect),
    requires=(Requirement(RequirementKind.CAPABILITY, "CAP_SYS_PTRACE", "other users' processes would be left out"),),
    default=False,
    deadline=5.0,
)
