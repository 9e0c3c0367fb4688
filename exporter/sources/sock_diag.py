"""TCP sockets of a namespace over NETLINK_SOCK_DIAG, both families at once, and no dearer than it must be.

Where the kernel scan walks over the sockets of all namespaces at once (`exporter.sources.socket_scan`) nobody asks this
reader but to check the scan.

The kernel keeps the connections of all namespaces in one hash table, often 262,144 buckets, and a dump walks all
of them even for a namespace that has none. Three things make that bearable:

* One walk serves IPv4 and IPv6: the older request type takes AF_UNSPEC, the newer one would need two walks.
* All probes that look at sockets share this reader, so there is one walk at most.
* Listeners live in a small table of their own. Where the walk of the cycle before still holds, only they are
  dumped; `still_holds` says when that is.

The second and the third point need what the last cycle found. A reader that an opened probe offers could keep it,
but then each probe would walk for itself; a module-level memory would be hidden state that no one bounds. So the
namespace hands the reader its own last result (`Netns.last`), and this module keeps nothing.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import netlink, tcp_activity

if TYPE_CHECKING:
    from exporter.model.probe import Netns
    from exporter.sources.tcp_activity import Activity


class State(IntEnum):
    """TCP states by the kernel's numbers (include/net/tcp_states.h)."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11


_STATES = 16  # room for the kernel's internal ones
_LISTEN = int(State.LISTEN)
_TCPDIAG_GETSOCK = 18
_REQUEST = struct.Struct("=BBBB48sII")  # family, lengths of addresses, extensions, socket, states, database


def _request(states: int) -> bytes:
    payload = _REQUEST.pack(socket.AF_UNSPEC, 0, 0, 0, b"", states, 0)
    return netlink.request(_TCPDIAG_GETSOCK, payload)


LISTENERS = _request(1 << State.LISTEN)
ALL = _request((1 << 12) - 1)  # requests in their handshake come with SYN_RECV
# nlmsghdr length and type; inet_diag_msg state; local port; remote port with both addresses, which is what a
# local port must be unique for; receive and send queue. Ports are in network order.
_SOCKET = struct.Struct("=IH11xBxx2s34s16xII8x")


class Listener(NamedTuple):
    """A listening socket.

    Args:
        port: local port.
        depth: connections that wait to be accepted.
        limit: what the program or net.core.somaxconn allows; the kernel admits one more.
    """

    port: int
    depth: int
    limit: int


class UsedPorts(NamedTuple):
    """How many local ports of one range are in use, where which ones was not written down.

    Args:
        among: the range.
        used: how many.
    """

    among: range
    used: int


class Connections(NamedTuple):
    """All TCP sockets of a namespace that do not listen.

    Args:
        states: number of sockets by `State`.
        rxqueue: bytes received and not yet read by programs.
        txqueue: bytes written by programs and not yet acknowledged by the other side.
        ports: local ports in use.
        busiest: most sockets from one local address to one remote address and port.
    """

    states: tuple[int, ...]
    rxqueue: int
    txqueue: int
    ports: frozenset[int] | UsedPorts
    busiest: int

    def used_ports(self, among: range) -> int | None:
        """How many local ports of a range are in use; None where those of another range were counted."""
        if isinstance(self.ports, UsedPorts):
            return self.ports.used if self.ports.among == among else None
        return sum(map(among.__contains__, self.ports))


_NONE = Connections((0,) * _STATES, 0, 0, frozenset(), 0)


class Sockets(NamedTuple):
    """What one namespace holds.

    Args:
        listeners: in the kernel's order.
        connections: all else.
        activity: the circumstances in which connections were walked here; None where the kernel scan found them.
    """

    listeners: tuple[Listener, ...]
    connections: Connections
    activity: Activity | None = None


def read(netns: Netns) -> Sockets:
    """All TCP sockets of the namespace. Raises UnsupportedError where the kernel has no tcp_diag."""
    activity = tcp_activity.read(netns)  # first, so that what happens during the walk shows in the next cycle
    last = netns.last(read)
    if last is not None and nothing_happened(last, activity):
        # Where no socket is in use none can listen.
        listeners = parse(_dump(netns, LISTENERS))[0] if activity.sockets else ()
        if still_holds(last, activity, len(listeners)):
            return Sockets(listeners, last.connections, activity)
    return Sockets(*parse(_dump(netns, ALL)), activity)


def nothing_happened(last: Sockets, now: Activity) -> bool:
    """Whether no TCP segment came or went since the last walk, and none was half done then.

    A handshake that is not complete ends by itself, a queue is emptied by a program, and both without a segment.
    """
    then, activity = last.connections, last.activity
    quiet = then.rxqueue == then.txqueue == then.states[State.SYN_RECV] == 0
    return quiet and activity is not None and now.segments == activity.segments and None not in now.segments


def still_holds(last: Sockets, now: Activity, listeners: int) -> bool:
    """Whether the connections found by the last walk are, given that nothing happened, those of now.

    A connection begins and changes its state with a segment; without one it can only vanish or fall back to
    TIME_WAIT, and then the kernel's counts no longer add up to what the walk found. What this cannot see is data
    that a program wrote within the last retransmission timeout and that TCP still holds back (TCP_CORK, or the
    other side's window is closed): after that time it is sent, or the window is probed, which both are segments.
    """
    return now.time_wait == 0 and sum(last.connections.states) == now.sockets - listeners


def _dump(netns: Netns, request: bytes) -> bytes:
    try:
        return netns.netlink(netlink.SOCK_DIAG, request)
    except UnsupportedError as error:
        raise UnsupportedError(
            f"TCP sockets cannot be listed ({error}); load the modules inet_diag and tcp_diag"
        ) from error


def parse(answer: bytes) -> tuple[tuple[Listener, ...], Connections]:
    """Listeners in the kernel's order, and the sum of all else. Raises SourceError on a truncated message."""
    listeners = []
    states = [0] * _STATES
    rxqueue = txqueue = offset = 0
    ports = set()
    paths = []
    end = len(answer) - _SOCKET.size
    while offset <= end:
        length, kind, state, port, path, receive, send = _SOCKET.unpack_from(answer, offset)
        if kind != _TCPDIAG_GETSOCK or length < _SOCKET.size or state >= _STATES:
            raise SourceError("sock_diag", "a message about a TCP socket", answer[offset : offset + 32])
        if state == _LISTEN:
            listeners.append(Listener(int.from_bytes(port, "big"), receive, send))
        else:
            states[state] += 1
            rxqueue += receive
            txqueue += send
            ports.add(port)
            paths.append(path)
        offset += length + 3 & ~3
    if not netlink.is_end(answer, offset):
        raise SourceError("sock_diag", "a whole message about a TCP socket", answer[offset:])
    if not paths:
        return tuple(listeners), _NONE
    numbers = frozenset([int.from_bytes(port, "big") for port in ports])
    connections = Connections(tuple(states), rxqueue, txqueue, numbers, max(Counter(paths).values()))
    return tuple(listeners), connections
