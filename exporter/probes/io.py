"""Reading and writing by a pod's processes."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import CollectError
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table
from exporter.sources.io_readings import IoFiles, IoScan
from exporter.sources.process_io import Ledger

if TYPE_CHECKING:
    from exporter.model.probe import Cycle, Env
    from exporter.sources.io_readings import IoReadings

log = logging.getLogger(__name__)

_counter = partial(Metric, probe="io", kind=Kind.COUNTER, scope=Scope.POD, source="/proc/<pid>/io")

READ_SYSCALLS = _counter(
    name="readsyscall",
    column="syscr",
    unit=Unit.CALLS,
    help="Read-type system calls of the pod's processes, ended ones included.",
    inspector="inspector_pod_ioioreadsyscall",
    aliases=("inspector_pod_ioreadsyscall",),
    advice="Far more calls than before mean a busy loop or tiny reads: see which process, with strace -c -p.",
)
WRITE_SYSCALLS = _counter(
    name="writesyscall",
    column="syscw",
    unit=Unit.CALLS,
    help="Write-type system calls of the pod's processes, ended ones included.",
    inspector="inspector_pod_ioiowritesyscall",
    aliases=("inspector_pod_iowritesyscall",),
    advice="Far more calls than before mean tiny writes or chatty logging: see which process, with strace -c -p.",
)
READ_BYTES = _counter(
    name="readbytes",
    column="read_bytes",
    unit=Unit.BYTES,
    help="Bytes that the pod's processes made the kernel fetch from storage, ended processes included.",
    inspector="inspector_pod_ioioreadbytes",
    aliases=("inspector_pod_ioreadbytes",),
    advice="The page cache no longer holds what is read: compare with the pod's memory limit and working set.",
)
WRITE_BYTES = _counter(
    name="writebytes",
    column="write_bytes",
    unit=Unit.BYTES,
    help="Bytes that the pod's processes caused to be sent to storage, ended processes included.",
    inspector="inspector_pod_ioiowritebytes",
    aliases=("inspector_pod_iowritebytes", "inspector_pod_ioiowritebyres"),
    advice="Look for logs, dumps or caches on the container's disk, and at the latency of other pods on it.",
)

METRICS = (READ_SYSCALLS, WRITE_SYSCALLS, READ_BYTES, WRITE_BYTES)


class IoProbe:
    """Keeps the sums that outlive the processes.

    The host's row covers all processes of the host's network namespace.

    Args:
        readings: of the processes.
    """

    def __init__(self, readings: IoReadings) -> None:
        self._readings = readings
        self._ledger = Ledger(readings)

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per pod of which at least one process could ever be read."""
        self._ledger.update(cycle.pids)
        table = Table(METRICS)
        for pod, totals in self._ledger.totals.items():
            table.pick(pod, totals)
        return [table]

    def close(self) -> None:
        """Unload the program that reads them, if there is one."""
        self._readings.close()


def open_probe(env: Env) -> IoProbe:
    """All processes in one run of a program where the kernel allows that, otherwise file by file."""
    if env.kernel_scan and (env.proc / "self").exists():  # programs are of the running kernel, not of a captured tree
        try:
            return IoProbe(IoScan(env.proc, env.sys))
        except CollectError as error:
            log.info("io: read from %s/<pid>/io, as %s", env.proc, error)
    return IoProbe(IoFiles(str(env.proc)))


PROBE = ProbeSpec(
    name="io",
    summary="System calls and storage bytes read and written by the processes of each pod.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.FILE, "/proc/<pid>/io", "kernels built without CONFIG_TASK_IO_ACCOUNTING lack it"),
        Requirement(RequirementKind.CAPABILITY, "CAP_SYS_PTRACE", "processes of other users would be left out"),
        Requirement(
            RequirementKind.CAPABILITY,
            "CAP_DAC_READ_SEARCH",
            "processes of other users would be left out where the programs are refused",
        ),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "processes would be read from procfs one by one"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "processes would be read from procfs one by one"),
    ),
)
