"""Find out once per cycle, for every namespace, what all wanted readers would find there.

Where the kernel scan answers in a reader's stead, the reader is not run; a namespace for which it answers everything is
not even entered. Otherwise readers share one visit, as entering costs about as much as reading a small file, and a file
that three probes need is read once.
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
    from collections.abc import Callable, Collection, Iterable, Mapping

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
        refs: the owners, the host first; those with a namespace of their own are visited.
        past: `memories` of the round before.
        scan: answers in the stead of readers where it can.
    """

    def __init__(
        self,
        env: Env,
        refs: tuple[NetnsRef, ...],
        past: Past = MappingProxyType({}),
        scan: KernelScan | None = None,
    ) -> None:
        self.env = env
        self.refs = tuple(ref for ref in refs if ref is refs[0] or ref.pids or ref.path)
        self.host: Pod = refs[0].pod
        self.pids: Mapping[Pod, tuple[int, ...]] = {ref.pod: (*ref.pids, *ref.elsewhere) for ref in refs}
        self.gone: set[Pod] = set()
        self.seconds: dict[Callable[..., Any], float] = defaultdict(float)
        self.scan_seconds: dict[str, float] = {}  # by part of the kernel scan
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
        visitor = Visitor(self.env.proc)
        try:
            before = self._read_doubted(visitor, readers, on_step)
            self._ask_scan(readers)
            visited: set[Reader[Any]] = set()
            for ref in self.refs:
                left = [reader for reader in readers if ref.pod not in self._results[reader]]
                if ref.pod is self.host:  # what is wanted of the host alone may be more than a scan of all finds
                    left = list(dict.fromkeys((*left, *host_readers)))
                if left:
                    visited.update(left)
                    self._visit(visitor, ref, left, on_step)
            self._sort(visited.intersection(readers))
            self._judge(before, on_step)
        finally:
            visitor.close()

    def _read_doubted(
        self, visitor: Visitor, readers: Collection[Reader[Any]], on_step: Callable[[Reader[Any]], None]
    ) -> list[tuple[Pod, Reader[Any], Any]]:
        """What readers find before the scan where its answers are yet to be checked."""
        if self._scan is None:
            return []
        inodes = {ref.pod.netns for ref in self.refs}
        doubted_in: dict[int, list[Reader[Any]]] = defaultdict(list)
        for reader in readers:
            for inode in self._scan.doubted(reader, inodes):
                doubted_in[inode].append(reader)
        found = []
        for ref in self.refs:
            doubted = doubted_in.get(ref.pod.netns)
            if doubted:
                results = attempt(self._read, visitor, ref, doubted, on_step)
                if not isinstance(results, CollectError):
                    found += [(ref.pod, reader, result) for reader, result in results.items()]
        return found

    def _ask_scan(self, readers: Collection[Reader[Any]]) -> None:
        if self._scan is None:
            return
        self.scan_seconds = self._scan.run(readers)
        pods = [ref.pod for ref in self.refs]
        for reader in readers:
            before = time.perf_counter()
            self._results[reader] = self._scan.believed(reader, pods)
            self.seconds[reader] += time.perf_counter() - before

    def _judge(self, before: Iterable[tuple[Pod, Reader[Any], Any]], on_step: Callable[[Reader[Any]], None]) -> None:
        if self._scan is None:
            return
        for pod, reader, result in before:
            on_step(reader)  # a thread that was left behind ends here
            if pod in self._results[reader]:
                self._scan.judge(reader, pod, result, self._results[reader][pod])
        self._scan.forget({ref.pod.netns for ref in self.refs})

    def _visit(
        self,
        visitor: Visitor,
        ref: NetnsRef,
        readers: Collection[Reader[Any]],
        on_step: Callable[[Reader[Any]], None],
    ) -> None:
        results = attempt(self._read, visitor, ref, readers, on_step)
        if isinstance(results, GoneError) and ref.pod is not self.host:
            self.gone.add(ref.pod)
            return
        for reader in readers:
            self._results[reader][ref.pod] = results if isinstance(results, CollectError) else results[reader]

    def _sort(self, readers: Iterable[Reader[Any]]) -> None:
        """Put what visits found where it belongs among what the scan did: the host first, then by pod."""
        for reader in readers:
            results = self._results[reader]
            self._results[reader] = {ref.pod: results[ref.pod] for ref in self.refs if ref.pod in results}

    def _read(
        self,
        visitor: Visitor,
        ref: NetnsRef,
        readers: Collection[Reader[Any]],
        on_step: Callable[[Reader[Any]], None],
    ) -> dict[Reader[Any], Any]:
        """What each reader finds in a namespace, or how it fails."""
        pod = ref.pod
        results: dict[Reader[Any], Any] = {}
        with visitor.visit(ref, host=pod is self.host, before=self._past.get(pod, NOTHING)) as netns:
            self.memories[pod] = netns.memory
            before = time.perf_counter()
            for reader in readers:
                on_step(reader)
                result = results[reader] = attempt(reader, netns)
                if not isinstance(result, CollectError):
                    netns.remember(reader, result)
                after = time.perf_counter()
                self.seconds[reader] += after - before
                before = after
        return results

    def over(self, reader: Reader[T]) -> Iterable[tuple[Pod, T]]:
        """Results of the namespaces that are still alive.

        A namespace that lacks the source (IPv6 switched off in one pod) has a gap; only where all lack it is
        that the outcome.
        """
        results = self._results.get(reader, {})
        failures = [each for each in set(map(type, results.values())) if issubclass(each, CollectError)]
        if not failures and not self.gone:  # as nearly always
            return results.items()
        absent: CollectError | None = None
        found = []
        for pod, result in results.items():
            if isinstance(result, UnsupportedError | NoDataError):
                absent = result
            elif isinstance(result, CollectError):
                if not isinstance(result, GoneError):
                    raise result
            elif pod not in self.gone:
                found.append((pod, result))
        if absent is not None and not found:
            raise absent
        return found

    def on_host(self, reader: Reader[T]) -> T:
        """The result in the host's namespace."""
        result: T | CollectError = self._results[reader][self.host]
        if isinstance(result, CollectError):
            raise result
        return result
