"""TCP data that waits at sockets: what arrived until the program reads it, what was written until TCP sends it.

One socket in 16 is measured at a time, unless the option `sample_one_in` says otherwise, and each has its turn every
few minutes. A turn is 8 s where the kernel's clock ticks 1,000 times a second, 33 s where it ticks 250 times. The
counters and histograms show what was measured and nothing is extrapolated. A wait across the end of a turn is left
out, so one as long as a turn is seen only with 1.

Off by default: its programs take under 20 ns each of a packet, read or write of a socket without turn, and 10 to 240 ns
where each socket is measured.

Events are of what the counters whose names end in 100ms count, and so of sockets that have their turn.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan
from exporter.bpf.attached import Untyped, attached
from exporter.bpf.histogram import TIME_BUCKETS
from exporter.bpf.hooks import Hook
from exporter.bpf.netns_latency import Given, NetnsLatency, SlowEvents, TimeMetrics, options, uncounted
from exporter.bpf.sampling import option, sampled
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec, Requirement, RequirementKind

if TYPE_CHECKING:
    from exporter.bpf.net_events import NetEvent, Told
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
LOSSES = event_plan.loss_metrics("socketlatency", f"{_READ_SOURCE}, {_WRITE_SOURCE}")
METRICS = (*READ, *WRITE, UNCOUNTED, *LOSSES)

_event = partial(
    EventType,
    probe="socketlatency",
    fields=(
        Field(name="latency_us", help="How long the data waited, in microseconds."),
        Field(name="process", help="Thread that read or wrote them."),
        Field(name="pid", help="Its process."),
        Field(name="state", help="State of the socket, as the kernel spells it, for example TCP_ESTABLISHED."),
        Field(name="interface", help="Device by which the socket sends."),
    ),
)
EVENTS: Final = {
    "KIND_READ": _event(
        name="SOCKETLAT_READSLOW",
        help="Data lay at a socket over 100 ms, unless `very_slow_ms` says otherwise, before the program read of it.",
        advice="The program does not come to read: a CPU limit, a long pause, too few threads.",
    ),
    "KIND_WRITE": _event(
        name="SOCKETLAT_SENDSLOW",
        help="Written data waited over 100 ms, unless `very_slow_ms` says otherwise, until TCP sent of it.",
        advice="TCP may not send: losses, a peer that does not read, or small writes held back without TCP_NODELAY.",
    ),
}

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
    plan = event_plan.planned(env, "socketlatency")
    untyped = Untyped((ENDED,), {"by_address": given.values["sockets"]})
    bpf = attached(
        "socketlatency",
        env.sys,
        PLACES,
        variables=given.variables,
        entries=given.entries,
        untyped=untyped,
        prepare=partial(event_plan.prepare, plan=plan),
    )
    return NetnsLatency(bpf, {"KIND_READ": READ, "KIND_WRITE": WRITE}, UNCOUNTED, _SLOW if plan else None)


def _told(event_type: EventType, event: NetEvent) -> Told:
    values = event.latency, event.process_name, event.pid, event.state_name, event.device_name
    return event_type, values


_SLOW: Final = SlowEvents({kind: partial(_told, event_type) for kind, event_type in EVENTS.items()}, LOSSES)

PROBE = ProbeSpec(
    name="socketlatency",
    summary="How long TCP data waits at sockets until the program reads it, and until TCP sends it.",
    metrics=METRICS,
    events=tuple(EVENTS.values()),
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
    event_options=(event_plan.RATE, event_plan.STACK),
    default=False,  # a program for each packet sent, and for each read and write
)
