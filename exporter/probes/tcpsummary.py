"""TCP connections of each network namespace by state, and the bytes that wait in their queues."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import sock_diag
from exporter.sources.sock_diag import State

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

_gauge = partial(
    Metric,
    probe="tcpsummary",
    kind=Kind.GAUGE,
    unit=Unit.CONNECTIONS,
    scope=Scope.NETNS,
    source="NETLINK_SOCK_DIAG, IPv4 and IPv6",
)

ESTABLISHED = _gauge(name="tcpestablishedconn", help="Connections in ESTABLISHED.")
TIME_WAIT = _gauge(
    name="tcptimewaitconn",
    help="Connections in TIME_WAIT.",
    advice="Many short connections are opened from here: keep them alive or pool them before local ports run out.",
)
CLOSE_WAIT = _gauge(
    name="tcpclosewaitconn",
    help="Connections whose other side has closed and whose program here has not.",
    advice="The program leaks sockets or is stuck: look for what holds them with `ss -tp state close-wait`.",
)
SYN_SENT = _gauge(
    name="tcpsynsentconn",
    help="Connections that wait for the first answer of the other side.",
    advice="The other side or something on the way drops SYNs: network policy, security group, full listen queue.",
)
SYN_RECV = _gauge(
    name="tcpsynrecvconn",
    help="Handshakes that wait for the client's last packet.",
    advice="Answers do not reach the client (asymmetric route, policy), or this is a SYN flood.",
)
FIN_WAIT1 = _gauge(
    name="tcpfinwait1conn",
    help="Connections closed here whose FIN the other side has not acknowledged.",
    advice="The other side is gone or reads nothing: what is queued to it is sent again until it times out.",
)
FIN_WAIT2 = _gauge(name="tcpfinwait2conn", help="Connections closed here that the other side keeps open.")
LAST_ACK = _gauge(name="tcplastackconn", help="Connections closed by both sides that wait for the last ACK.")
CLOSING = _gauge(name="tcpclosingconn", help="Connections that both sides closed at the same time.")
TXQUEUE = _gauge(
    name="tcptxqueue",
    unit=Unit.BYTES,
    help="Bytes in the send queues of all sockets that do not listen, sent but not acknowledged ones included.",
    advice="The other side reads slowly or the path loses packets: compare retransmissions and zero windows.",
)
RXQUEUE = _gauge(
    name="tcprxqueue",
    unit=Unit.BYTES,
    help="Bytes in the receive queues of all sockets that do not listen.",
    advice="The program here does not read fast enough: look at its CPU limits and blocked threads.",
)
METRICS = (
    ESTABLISHED,
    TIME_WAIT,
    CLOSE_WAIT,
    SYN_SENT,
    SYN_RECV,
    FIN_WAIT1,
    FIN_WAIT2,
    LAST_ACK,
    CLOSING,
    TXQUEUE,
    RXQUEUE,
)
# In the order of METRICS. A socket is in no other state that `ss` would show, listening apart.
_states = itemgetter(
    State.ESTABLISHED,
    State.TIME_WAIT,
    State.CLOSE_WAIT,
    State.SYN_SENT,
    State.SYN_RECV,
    State.FIN_WAIT1,
    State.FIN_WAIT2,
    State.LAST_ACK,
    State.CLOSING,
)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace."""
    table = Table(METRICS)
    for pod, found in cycle.over(sock_diag.read):
        states, rxqueue, txqueue, _, _ = found.connections
        table.add(pod, (*_states(states), txqueue, rxqueue))
    return [table]


PROBE = ProbeSpec(
    name="tcpsummary",
    summary="TCP connections by state and bytes in socket queues, per network namespace.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(sock_diag.read,),
    requires=(
        Requirement(
            kind=RequirementKind.CAPABILITY,
            what="CAP_SYS_ADMIN",
            why="sockets are listed from inside each pod's network namespace",
        ),
        Requirement(
            kind=RequirementKind.MODULE,
            what="tcp_diag",
            why="the kernel lists TCP sockets through it; loaded by itself on first use where it is not built in",
        ),
    ),
)
