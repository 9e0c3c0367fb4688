"""TCP connections that programs open: how long until they are established, and how others fail."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf.attached import Untyped, attached
from exporter.bpf.histogram import TIME_BUCKETS, of_times
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_times import NetnsTimes
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind
from exporter.model.snapshot import Table

if TYPE_CHECKING:
    from exporter.bpf.loader import BpfObject
    from exporter.model.probe import Cycle, Env

REASON = Label(
    name="reason",
    help="refused: by a reset, or an ICMP message that says so; timed_out: no answer to any SYN; unreachable: ICMP or "
    "the neighbour table says that there is no way; no_port: no local port was free; abandoned: the program gave up "
    "before; other: any other error.",
    values=("refused", "timed_out", "unreachable", "no_port", "abandoned", "other"),
)

_SOURCE: Final = "tracepoint sock:inet_sock_set_state"
_metric = partial(Metric, probe="tcpconnect", scope=Scope.NETNS, source=_SOURCE)

SECONDS = _metric(
    name="seconds",
    kind=Kind.HISTOGRAM,
    unit=Unit.SECONDS,
    buckets=TIME_BUCKETS,
    help="Time from the first SYN until the connection was established, of connections that programs open.",
    advice="Over a second: a SYN was lost or dropped by a full queue on the way or at the peer; below, it is the round "
    "trip time (tcprtt) and how long the peer takes to answer.",
)
FAILURES = _metric(
    name="failures_total",
    kind=Kind.COUNTER,
    unit=Unit.CONNECTIONS,
    labels=(REASON,),
    help="Connections that programs opened in vain since the exporter began to watch, by reason.",
    advice="refused: nobody listens there, look at the service's endpoints; timed_out, abandoned: a network policy, a "
    "firewall or a full queue drops the SYN; unreachable: routes or a node that is down; no_port: too many "
    "connections to one destination, use connections again.",
)
UNCOUNTED = _metric(
    name="uncounted_total",
    kind=Kind.COUNTER,
    unit=Unit.CONNECTIONS,
    scope=Scope.NODE,
    help="Connections missing in the other metrics because the kernel had no room for them.",
    advice="Raise the probe's option `entries`.",
)
METRICS = (SECONDS, FAILURES, UNCOUNTED)

_ENTRIES = Option(name="entries", help="Room for how many pairs of namespace and outcome.", default=4096)
_ATTEMPTS = 16384  # connections that begin at the same time, on kernels whose programs cannot keep data with a socket


class TcpConnect:
    """The attached programs.

    Args:
        bpf: the object; closed with the probe, and when it has another layout. Raises SourceError.
    """

    def __init__(self, bpf: BpfObject) -> None:
        self._bpf = bpf
        try:
            kinds = bpf.btf.enum("kind").items()
            self._outcomes = {number: name.removeprefix("KIND_").lower() for name, number in kinds}
            self._times = NetnsTimes(bpf)
        except BaseException:
            bpf.close()
            raise

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace where connections were established, and one per reason why others were not."""
        measured = self._times.read()
        seconds, failures, uncounted = Table((SECONDS,)), Table((FAILURES,)), Table((UNCOUNTED,))
        for pod in cycle.pids:
            for kind, times in (measured.of(pod.netns) or {}).items():
                outcome = self._outcomes[kind]
                if outcome == "connected":
                    seconds.add(pod, (of_times(times.all),))
                else:
                    failures.add(pod, (times.all.count,), outcome)
        uncounted.add(cycle.host, (measured.faults["fault_map_full"],))
        return [seconds, failures, uncounted]

    def close(self) -> None:
        """Detach the programs."""
        self._times.close()
        self._bpf.close()


def open_probe(env: Env) -> TcpConnect:
    """Load and attach. Raises UnsupportedError, SourceError."""
    entries = env.options.get("tcpconnect", {}).get("entries", _ENTRIES.default)
    places = (Hook("a TCP socket changes its state", (("set_state",),)),)
    untyped = Untyped(entries={"by_address": _ATTEMPTS})
    return TcpConnect(attached("tcpconnect", env.sys, places, entries={"netns_times": entries}, untyped=untyped))


PROBE = ProbeSpec(
    name="tcpconnect",
    summary="How long TCP connections that programs open take to be established, and how others fail.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(RequirementKind.KERNEL, "Linux 5.10 with BTF", "older ones cannot list their network namespaces"),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=(_ENTRIES,),
    default=False,  # a histogram per pod
)
