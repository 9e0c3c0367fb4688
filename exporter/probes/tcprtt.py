"""Round trip times of TCP connections, as the kernel estimates them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf.attached import attached
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_times import NetnsTimes
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.loader import BpfObject
    from exporter.model.probe import Cycle, Env

_SOURCE: Final = "struct tcp_sock at tracepoints tcp:tcp_probe and sock:inet_sock_set_state"
_metric = partial(Metric, probe="tcprtt", scope=Scope.NETNS, source=_SOURCE)
_histogram = partial(_metric, kind=Kind.HISTOGRAM, unit=Unit.SECONDS, buckets=TIME_BUCKETS)

SECONDS = _histogram(
    name="seconds",
    help="Smoothed round trip time of connections with others, sampled while they receive and when they end.",
    advice="Compare with min_seconds: when only this one rises, queues on the way or a busy peer add the time; when "
    "both do, the way itself got longer.",
)
LOWEST = _histogram(
    name="min_seconds",
    help="Lowest round trip time of the last minutes of the same connections, sampled at the same moments.",
    advice="This is how long the way takes without queues: look for another route, zone or tunnel when it changes.",
)
UNCOUNTED = _metric(
    name="uncounted_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    scope=Scope.NODE,
    help="Samples missing in the other metrics because the map in the kernel was full.",
    advice="Raise the probe's option `entries`.",
)
METRICS = (SECONDS, LOWEST, UNCOUNTED)

_ENTRIES = Option(name="entries", help="Room for how many pairs of namespace and kind of time.", default=4096)
_ONE_IN = Option(
    name="sample_one_in",
    help="Sample at one of so many received segments, chosen at random; 0 samples only when a connection ends.",
    default=100,
    least=0,
)


class TcpRtt:
    """The attached programs.

    Args:
        bpf: the object; closed with the probe, and when it has another layout. Raises SourceError.
    """

    def __init__(self, bpf: BpfObject) -> None:
        self._bpf = bpf
        try:
            kinds = bpf.btf.enum("kind")
            self._metrics = {kinds["KIND_SMOOTHED"]: SECONDS, kinds["KIND_LOWEST"]: LOWEST}
            self._times = NetnsTimes(bpf)
        except BaseException:
            bpf.close()
            raise

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace that had a sample."""
        measured = self._times.read()
        tables = {kind: Table((metric,)) for kind, metric in self._metrics.items()}
        for pod in cycle.pids:
            for kind, times in (measured.of(pod.netns) or {}).items():
                tables[kind].add(pod, (of_times(times.all),))
        uncounted = Table((UNCOUNTED,))
        uncounted.add(cycle.host, (measured.faults["fault_map_full"],))
        return [*tables.values(), uncounted]

    def close(self) -> None:
        """Detach the programs."""
        self._times.close()
        self._bpf.close()


def open_probe(env: Env) -> TcpRtt:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = env.options.get("tcprtt", {})
    one_in, entries = (given.get(option.name, option.default) for option in (_ONE_IN, _ENTRIES))
    places = (
        Hook("a TCP connection receives", (("probe",),)),
        Hook("a TCP socket changes its state", (("set_state",),)),
    )
    bpf = attached("tcprtt", env.sys, places, variables={"one_in": one_in}, entries={"netns_times": entries})
    return TcpRtt(bpf)


PROBE = ProbeSpec(
    name="tcprtt",
    summary="Round trip times of TCP connections, smoothed and lowest, as the kernel estimates them.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=(_ONE_IN, _ENTRIES),
    default=False,  # histograms per pod, and a program for each received segment
)
