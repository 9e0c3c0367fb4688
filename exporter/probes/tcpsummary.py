"""TCP connections of each network namespace by state, and the bytes that wait in their queues."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Row, Table
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

# What a socket that neither listens nor is closed can be in, as in `ss`.
_STATES = tuple(state for state in State if state not in (State.LISTEN, State.CLOSE))

STATE = Label(
    name="state",
    help="TCP state, as `ss` names it but with underscores.",
    values=tuple(state.name.lower() for state in _STATES),
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
CONNECTIONS = _gauge(name="connections", help="Connections by TCP state, listeners excluded.", labels=(STATE,))

_ROWS = tuple((int(state), (name,)) for state, name in zip(_STATES, STATE.values, strict=True))

SUMMARY = (ESTABLISHED, TIME_WAIT, CLOSE_WAIT, SYN_SENT, SYN_RECV, TXQUEUE, RXQUEUE)
_SUMMARY_STATES = (State.ESTABLISHED, State.TIME_WAIT, State.CLOSE_WAIT, State.SYN_SENT, State.SYN_RECV)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace, and one per namespace and state."""
    summary, by_state = Table(SUMMARY), Table((CONNECTIONS,))
    for pod, found in cycle.over(sock_diag.read):
        states, rxqueue, txqueue, _, _ = found.connections
        summary.add(pod, (*(states[state] for state in _SUMMARY_STATES), txqueue, rxqueue))
        by_state.rows += [Row(pod, labels, (states[state],)) for state, labels in _ROWS]
    return [summary, by_state]


PROBE = ProbeSpec(
    name="tcpsummary",
    summary="TCP connections by state and bytes in socket queues, per network namespace.",
    metrics=(*SUMMARY, CONNECTIONS),
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
