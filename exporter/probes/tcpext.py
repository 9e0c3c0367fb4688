"""Linux's own TCP counters of each network namespace: drops, time-outs, aborts, withheld ACKs.

The kernel counts some 135 things; a third is exposed, the others when they are selected by their kernel name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Option, ProbeSpec
from exporter.model.snapshot import Table
from exporter.sources import snmp, tcpext_names

if TYPE_CHECKING:
    from exporter.model.probe import Cycle, Env

_counter = partial(
    Metric, probe="tcpext", kind=Kind.COUNTER, scope=Scope.NETNS, source="/proc/<pid>/net/netstat, TcpExt line"
)
_connections = partial(_counter, unit=Unit.CONNECTIONS)
_segments = partial(_counter, unit=Unit.SEGMENTS)
_events = partial(_counter, unit=Unit.EVENTS)

LISTEN_DROPS = _connections(
    name="listendrops",
    column="ListenDrops",
    help="Connection requests that a listener lost for whatever reason.",
    advice="Compare with listen overflows: if both rise, the program accepts too slowly; else memory is short.",
)
LISTEN_OVERFLOWS = _connections(
    name="listenoverflows",
    column="ListenOverflows",
    help="Connection requests that a listener lost because its accept queue was full.",
    advice="The program accepts too slowly: raise its backlog together with net.core.somaxconn, or add replicas.",
)
TCP_SYN_RETRANS = _segments(
    name="tcpsynretrans",
    column="TCPSynRetrans",
    help="SYN and SYN-ACK segments sent again.",
    advice="Handshakes are lost: check policies, the peer's listen queue, conntrack, and security groups on the path.",
)
TCP_FAST_RETRANS = _segments(
    name="tcpfastretrans",
    column="TCPFastRetrans",
    help="Segments sent again without waiting for a time-out.",
)
TCP_RETRANS_FAIL = _segments(
    name="tcpretransfail",
    column="TCPRetransFail",
    help="Segments that were to be sent again and that the lower layer refused.",
    advice="A firewall rule, a missing route or a full device queue refuses packets on this side: check these here.",
)
TCP_TIMEOUTS = _counter(
    name="tcptimeouts",
    unit=Unit.TIMEOUTS,
    column="TCPTimeouts",
    help="Retransmission timers that expired.",
    advice="The path or the peer is silent for whole round trips: see which pods share it, ping between their nodes.",
)
TCP_ABORT_ON_CLOSE = _connections(
    name="tcpabortonclose",
    column="TCPAbortOnClose",
    help="Connections reset because the program closed with received data unread.",
    advice="The program hangs up early, often on its own time-out: compare its time-outs with those of its clients.",
)
TCP_ABORT_ON_MEMORY = _connections(
    name="tcpabortonmemory",
    column="TCPAbortOnMemory",
    help="Connections reset because a limit of TCP memory or of orphans was exceeded.",
    advice="Compare kubeskoop_sock_mem with net.ipv4.tcp_mem and kubeskoop_sock_orphan with tcp_max_orphans.",
)
TCP_ABORT_ON_TIMEOUT = _connections(
    name="tcpabortontimeout",
    column="TCPAbortOnTimeout",
    help="Connections given up after too many retransmissions, window probes or keepalives.",
    advice="The peer vanished: look for deleted pods, expired NAT or conntrack entries and node failures.",
)
TCP_ABORT_ON_LINGER = _connections(
    name="tcpabortonlinger",
    column="TCPAbortOnLinger",
    help="Closed connections reset in FIN_WAIT2 because TCP_LINGER2 is negative.",
)
TCP_ABORT_ON_DATA = _connections(
    name="tcpabortondata",
    column="TCPAbortOnData",
    help="Connections reset because of SO_LINGER with time zero, or because data came after the close.",
    advice="The program closes while the peer still sends: compare keep-alive time-outs of client, proxy and server.",
)
TCP_ABORT_FAILED = _connections(
    name="tcpabortfailed",
    column="TCPAbortFailed",
    help="Resets that could not be built or sent.",
)
TCP_ACK_SKIPPED_SYN_RECV = _segments(
    name="tcpackskippedsynrecv",
    column="TCPACKSkippedSynRecv",
    help="ACKs withheld by their rate limit in SYN_RECV.",
)
TCP_ACK_SKIPPED_PAWS = _segments(
    name="tcpackskippedpaws",
    column="TCPACKSkippedPAWS",
    help="ACKs withheld by their rate limit after a segment failed the timestamp check.",
)
TCP_ACK_SKIPPED_SEQ = _segments(
    name="tcpackskippedseq",
    column="TCPACKSkippedSeq",
    help="ACKs withheld by their rate limit after a segment outside the window.",
)
TCP_ACK_SKIPPED_FIN_WAIT2 = _segments(
    name="tcpackskippedfinwait2",
    column="TCPACKSkippedFinWait2",
    help="ACKs withheld by their rate limit in FIN_WAIT2.",
)
TCP_ACK_SKIPPED_TIME_WAIT = _segments(
    name="tcpackskippedtimewait",
    column="TCPACKSkippedTimeWait",
    help="ACKs withheld by their rate limit in TIME_WAIT.",
)
TCP_ACK_SKIPPED_CHALLENGE = _segments(
    name="tcpackskippedchallenge",
    column="TCPACKSkippedChallenge",
    help="Challenge ACKs withheld by their rate limit.",
)
TCP_RCVQ_DROP = _segments(
    name="tcprcvqdrop",
    column="TCPRcvQDrop",
    help="Segments dropped because no receive memory could be granted.",
    advice="The program reads too slowly or net.ipv4.tcp_rmem and tcp_mem are too small.",
)
TCP_MEMORY_PRESSURES = _events(
    name="tcpmemorypressures",
    column="TCPMemoryPressures",
    help="Times TCP came under memory pressure.",
    advice="Find the pods with the longest socket queues; raise net.ipv4.tcp_mem if the node has memory to spare.",
)
TCP_MEMORY_PRESSURES_CHRONO = _counter(
    name="tcpmemorypressureschrono",
    unit=Unit.MILLISECONDS,
    column="TCPMemoryPressuresChrono",
    help="Time that TCP spent under memory pressure, in milliseconds.",
)
PAWS_ACTIVE = _segments(
    name="pawsactive",
    column="PAWSActive",
    help="SYN-ACK segments rejected by the timestamp check while a connection was opened.",
)
PAWS_ESTAB = _segments(
    name="pawsestab",
    column="PAWSEstab",
    inspector="inspector_pod_tcpextpawsestabrejected",
    aliases=("inspector_pod_tcpextpawsestab",),
    help="Segments rejected by the timestamp check on established connections.",
    advice="Timestamps run backwards, as when NAT joins several hosts behind one address: check SNAT on the path.",
)
EMBRYONIC_RSTS = _connections(
    name="embryonicrsts",
    column="EmbryonicRsts",
    help="Connections reset by the peer while half open.",
)
TCP_WIN_PROBE = _segments(
    name="tcpwinprobe",
    column="TCPWinProbe",
    help="Probes sent because the peer's receive window stayed at zero.",
    advice="The peer does not read: look at receive queues on its side.",
)
TCP_KEEP_ALIVE = _segments(name="tcpkeepalive", column="TCPKeepAlive", help="Keepalive probes sent.")
TCP_MTUP_FAIL = _segments(name="tcpmtupfail", column="TCPMTUPFail", help="Path MTU probes that were lost.")
TCP_MTUP_SUCCESS = _segments(name="tcpmtupsuccess", column="TCPMTUPSuccess", help="Path MTU probes that got through.")
TCP_ZERO_WINDOW_DROP = _segments(
    name="tcpzerowindowdrop",
    column="TCPZeroWindowDrop",
    help="Segments dropped because the receive window was at zero.",
    advice="The program does not read its socket: profile it, or raise its receive buffer.",
)
TCP_BACKLOG_DROP = _segments(
    name="tcpbacklogdrop",
    column="TCPBacklogDrop",
    help="Segments dropped because the backlog of a socket in use by its program was full.",
    advice="Raise net.core.rmem_max and tcp_rmem, or give the program more processor time.",
)
PFMEMALLOC_DROP = _counter(
    name="pfmemallocdrop",
    unit=Unit.PACKETS,
    column="PFMemallocDrop",
    help="Packets dropped because they sat in emergency memory that their socket may not use.",
    advice="The node is out of memory: free some, or raise vm.min_free_kbytes.",
)
TCP_WQUEUE_TOO_BIG = _events(
    name="tcpwqueuetoobig",
    column="TCPWqueueTooBig",
    help="Times a segment was not split because the send queue exceeded its limit.",
)

DEFAULT = (
    LISTEN_DROPS,
    LISTEN_OVERFLOWS,
    TCP_SYN_RETRANS,
    TCP_FAST_RETRANS,
    TCP_RETRANS_FAIL,
    TCP_TIMEOUTS,
    TCP_ABORT_ON_CLOSE,
    TCP_ABORT_ON_MEMORY,
    TCP_ABORT_ON_TIMEOUT,
    TCP_ABORT_ON_LINGER,
    TCP_ABORT_ON_DATA,
    TCP_ABORT_FAILED,
    TCP_ACK_SKIPPED_SYN_RECV,
    TCP_ACK_SKIPPED_PAWS,
    TCP_ACK_SKIPPED_SEQ,
    TCP_ACK_SKIPPED_FIN_WAIT2,
    TCP_ACK_SKIPPED_TIME_WAIT,
    TCP_ACK_SKIPPED_CHALLENGE,
    TCP_RCVQ_DROP,
    TCP_MEMORY_PRESSURES,
    TCP_MEMORY_PRESSURES_CHRONO,
    PAWS_ACTIVE,
    PAWS_ESTAB,
    EMBRYONIC_RSTS,
    TCP_WIN_PROBE,
    TCP_KEEP_ALIVE,
    TCP_MTUP_FAIL,
    TCP_MTUP_SUCCESS,
    TCP_ZERO_WINDOW_DROP,
    TCP_BACKLOG_DROP,
    PFMEMALLOC_DROP,
    TCP_WQUEUE_TOO_BIG,
)
EXTRA = tuple(
    _counter(name=f"{column.lower()}_total", column=column, unit=unit, help=text, default=False)
    for column, (unit, text) in tcpext_names.TCP_EXT.items()
)


@dataclass(frozen=True, slots=True)
class TcpExt:
    """The probe, with the metrics that were selected."""

    metrics: tuple[Metric, ...]

    def collect(self, cycle: Cycle) -> list[Table]:
        """One row per namespace; what this kernel does not count is a gap."""
        table = Table(self.metrics)
        for pod, sections in cycle.over(snmp.read_netstat):
            table.add(pod, sections.pick("TcpExt", table.columns))
        return [table]

    def close(self) -> None:
        """Nothing was taken."""


def start(env: Env) -> TcpExt:
    """The probe with the default metrics and those named in its option `extra`."""
    wanted = env.options.get("tcpext", {}).get("extra", ())
    return TcpExt((*DEFAULT, *(metric for metric in EXTRA if "all" in wanted or metric.column in wanted)))


PROBE = ProbeSpec(
    name="tcpext",
    summary="Lost connection requests, time-outs, aborts, withheld ACKs and drops that TCP counts.",
    metrics=(*DEFAULT, *EXTRA),
    open=start,
    readers=(snmp.read_netstat,),
    options=(
        Option(
            name="extra",
            help="Further counters of the TcpExt line of /proc/net/netstat, by their kernel names, or `all`.",
            default=(),
            choices=("all", *tcpext_names.TCP_EXT),
        ),
    ),
)
