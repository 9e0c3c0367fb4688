"""Visit every namespace once per cycle and run all wanted readers there.

Entering a namespace costs about as much as reading a small file in it, so readers share the visit; a file that
three probes need is read once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from exporter.errors import CollectError, GoneError, NoDataError, UnsupportedError
from exporter.runtime.attempt import attempt
from exporter.sources.netns import NOTHING, Memory, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from exporter.model.pod import NetnsRef, Pod
    from exporter.model.probe import Env, Reader
    from exporter.runtime.kernel_scan import KernelScan

T = TypeVar("T")

Past: TypeAlias = "Mapping[Pod, Memory]"


def reader_name(reader: Callable[..., Any]) -> str:
    """Short name for people, for example `snmp.read_netstat`."""
    return f"{reader.__module__.rpartition('.')[2]}.{reader.__name__}"


class Round:
    """What one sweep found; the `Cycle` that probes see.

    Args:
        env: the world.
        refs: the namespaces to visit, the host's first.
        past: `memories` of the round before.
        scan: spares the visited namespaces the reading of what it finds.
    """

    def __init__(
        self,
        env: Env,
        refs: tuple[NetnsRef, ...],
        past: Past = MappingProxyType({}),
        scan: KernelScan | None = None,
    ) -> None:
        self.env = env
        self.refs = refs
        self.host: Pod = refs[0].pod
        self.pids: Mapping[Pod, tuple[int, ...]] = {ref.pod: ref.pids for ref in refs}
        self.gone: set[Pod] = set()
        self.seconds: dict[Callable[..., Any], float] = defaultdict(float)
        self._results: dict[Reader[Any], dict[Pod, Any]] = defaultdict(dict)
        self._past = past
        self._scan = scan
        # For the next round. Bounded by the namespaces that live; a thread that hangs and comes back has its own.
        self.memories: dict[Pod, Memory] = {}

    def sweep(
        self,
        readers: Collection[Reader[Any]],
        host_readers: Collection[Reader[Any]],
        on_step: Callable[[Reader[Any]], None],
    ) -> None:
        """Run the readers in every namespace. `on_step` is told what is about to run, so a hang can be blamed."""
        if self._scan is not None:
            before = time.perf_counter()
            self._scan.run()
            self.seconds[self._scan.run] = time.perf_counter() - before
        visitor = Visitor(self.env.proc)
        try:
            for ref in self.refs:
                is_host = ref.pod is self.host
                wanted = {*readers, *host_readers} if is_host else readers
                failure = attempt(self._visit, visitor, ref, wanted, on_step)
                if isinstance(failure, GoneError) and not is_host:
                    self.gone.add(ref.pod)
                elif failure is not None:
                    for reader in wanted:
                        self._results[reader][ref.pod] = failure
        finally:
            visitor.close()

    def _visit(
        self,
        visitor: Visitor,
        ref: NetnsRef,
        readers: Collection[Reader[Any]],
        on_step: Callable[[Reader[Any]], None],
    ) -> None:
        pod = ref.pod
        past = self._past.get(pod, NOTHING)
        row = None if self._scan is None else self._scan.row(pod.netns)
        believed = row if past.scan_agrees else None
        with visitor.visit(ref, host=pod is self.host, before=past, scan=believed) as netns:
            self.memories[pod] = netns.memory
            before = time.perf_counter()
            for reader in readers:
                on_step(reader)
                result = self._results[reader][pod] = attempt(reader, netns)
                if not isinstance(result, CollectError):
                    netns.remember(reader, result)
                after = time.perf_counter()
                self.seconds[reader] += after - before
                before = after
            if self._scan is not None and row is not None:
                netns.memory.scan_agrees = past.scan_agrees or self._scan.agrees(row, past, netns.memory, pod)

    def over(self, reader: Reader[T]) -> Iterator[tuple[Pod, T]]:
        """Results of the namespaces that are still alive.

        A namespace that lacks the source (IPv6 switched off in one pod) has a gap; only where all lack it is
        that the outcome.
        """
        absent: CollectError | None = None
        found = False
        for pod, result in self._results.get(reader, {}).items():
            if isinstance(result, GoneError) or pod in self.gone:
                continue
            if isinstance(result, UnsupportedError | NoDataError):
                absent = result
                continue
            if isinstance(result, CollectError):
                raise result
            found = True
            yield pod, result
        if absent is not None and not found:
            raise absent

    def on_host(self, reader: Reader[T]) -> T:
        """The result in the host's namespace."""
        result: T | CollectError = self._results[reader][self.host]
        if isinstance(result, CollectError):
            raise result
        return result
