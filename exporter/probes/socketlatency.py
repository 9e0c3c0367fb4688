"""TCP data that waits at sockets: what arrived until the program reads it, what was written until TCP sends it.

One socket in 16 is measured at a time, unless the option `sample_one_in` says otherwise, and each has its turn every
few minutes. A turn is 8 s where the kernel's clock ticks 1,000 times a second, 33 s where it ticks 250 times. The
counters and histograms show what was measured and nothing is extrapolated. A wait across the end of a turn is left
out, so one as long as a turn is seen only with 1.

Off by default: its programs take under 20 ns each of a packet, read or write of a socket without turn, and 10 to 240 ns
where each socket is measured.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.bpf.attached import Untyped, attached
from exporter.bpf.histogram import TIME_BUCKETS
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_latency import Given, NetnsLatency, TimeMetrics, options, uncounted
from exporter.bpf.sampling import option, sampled
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind

if TYPE_CHECKING:
    from exporter.model.probe import Env

_READ_SOURCE = "tracepoints sock:sk_data_ready (or function sock_def_readable) and tcp:tcp_rcv_space_adjust"
_WRITE_SOURCE = "tracepoint tcp:tcp_sendmsg_locked (or the function of that name) and net:net_dev_queue"

_metric = partial(Metric, probe="socketlatency", scope=Scope.NETNS)
_read = partial(
    _metric,
    source=_READ_SOURCE,
    advice="The program does not come to read: look for a CPU limit that throttles it, long pauses, too few threads, "
    "or connections that nobody accepts.",
)
_write = partial(
    _metric,
    source=_WRITE_SOURCE,
    advice="TCP may not send: look for losses and a small congestion window (tcpretrans), a peer that does not read "
    "and closes its window, or small writes held back without TCP_NODELAY.",
)
_SECONDS = {"kind": Kind.HISTOGRAM, "unit": Unit.SECONDS, "buckets": TIME_BUCKETS}

READ = TimeMetrics(
    slow=_read(
        name="read1ms",
        kind=Kind.COUNTER,
        unit=Unit.EVENTS,
        help="Times that data lay readable over 1 ms before the program read of it, unless `slow_ms` says otherwise.",
    ),
    very_slow=_read(
        name="read100ms",
        kind=Kind.COUNTER,
        unit=Unit.EVENTS,
        help="Times that data lay readable over 100 ms before the program read of it, unless `very_slow_ms` says "
        "otherwise.",
    ),
    seconds=_read(
        name="read_seconds",
        **_SECONDS,
        help="Time that data lay readable before the program read of it; what is read on at once counts as one.",
    ),
)
WRITE = TimeMetrics(
    slow=_write(
        name="write1ms",
        kind=Kind.COUNTER,
        unit=Unit.EVENTS,
        help="Times that written data waited over 1 ms until TCP sent of it, unless `slow_ms` says otherwise.",
    ),
    very_slow=_write(
        name="write100ms",
        kind=Kind.COUNTER,
        unit=Unit.EVENTS,
        help="Times that written data waited over 100 ms until TCP sent of it, unless `very_slow_ms` says otherwise.",
    ),
    seconds=_write(
        name="write_seconds",
        **_SECONDS,
        help="Time that written data waited until TCP sent of it; what is sent on at once counts as one.",
    ),
)
UNCOUNTED = uncounted("socketlatency", f"{_READ_SOURCE}, {_WRITE_SOURCE}")
METRICS = (*READ, *WRITE, UNCOUNTED)

_SOCKETS = Option(
    name="sockets",
    help="Room for how many TCP sockets at once, on kernels whose programs cannot keep data with a socket.",
    default=65536,
)
_OPTIONS = (*options(slow_ms=1, very_slow_ms=100), option("sockets", chosen="by turns"), _SOCKETS)

# What ends a wait goes before what begins it.
PLACES = (
    Hook("data is taken from a socket", (("rcv_space_adjust",),)),
    Hook("a socket becomes readable", (("data_ready",), ("data_ready_fentry",), ("data_ready_kprobe",))),
    Hook("a segment goes to a device", (("dev_queue",),)),
    Hook("a program writes by TCP", (("sendmsg",), ("sendmsg_fentry",), ("sendmsg_kprobe",))),
)
ENDED = Hook("a TCP socket ends", (("destroy_sock",),))


def open_probe(env: Env) -> NetnsLatency:
    """Load and attach. Raises UnsupportedError, SourceError."""
    given = sampled(Given.read(env, "socketlatency", _OPTIONS))
    untyped = Untyped((ENDED,), {"by_address": given.values["sockets"]})
    bpf = attached("socketlatency", env.sys, PLACES, variables=given.variables, entries=given.entries, untyped=untyped)
    return NetnsLatency(bpf, {"KIND_READ": READ, "KIND_WRITE": WRITE}, UNCOUNTED)


PROBE = ProbeSpec(
    name="socketlatency",
    summary="How long TCP data waits at sockets until the program reads it, and until TCP sends it.",
    metrics=METRICS,
    open=open_probe,
    requires=(
        Requirement(
            RequirementKind.KERNEL,
            "Linux 5.10 that takes fentry programs or kprobes, or 6.16, with BTF",
            "before there was a tracepoint where programs write",
        ),
        Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs and reading their maps"),
        Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "attaching to tracepoints"),
    ),
    options=_OPTIONS,
    default=False,  # a program for each packet sent, and for each read and write
)
