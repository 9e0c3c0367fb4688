"""TCP sockets of all namespaces as the kernel scan finds them, in the stead of a dump in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.bpf.socket_walk import SocketWalk
from exporter.model.scan import Answer, Part
from exporter.sources import sock_diag
from exporter.sources.sock_diag import Connections, Listener, Sockets, UsedPorts

if TYPE_CHECKING:
    from exporter.bpf.socket_walk import Listening, Row


def make(row: Row, listening: tuple[Listening, ...]) -> Sockets:
    """What `sock_diag.read` would return of what the walk wrote down."""
    ports = UsedPorts(range(row.low_port, row.high_port + 1), row.ports)
    connections = Connections(row.states, row.rxqueue, row.txqueue, ports, row.busiest)
    return Sockets(tuple(map(Listener._make, listening)), connections)


def difference(before: Sockets, found: Sockets, after: Sockets) -> str:
    """What proves the walk wrong, for people: while nothing happens in a namespace it must find what is there.

    Connections come and go, and so do bytes in queues, but hardly ever without a segment. Who listens tells even where
    there is traffic.
    """
    listening = [sorted((each.port, each.limit) for each in sockets.listeners) for sockets in (before, found, after)]
    if listening[0] == listening[2] != listening[1]:
        return f"sock_diag lists listeners (port, limit) {listening[0]}, the scan {listening[1]}"
    ports = found.connections.ports
    among = ports.among if isinstance(ports, UsedPorts) else range(0)
    then, there, now = (_comparable(sockets, among) for sockets in (before, found, after))
    if before.activity != after.activity or then != now or there == now:
        return ""
    return f"sock_diag lists {now}, the scan {there}"


def _comparable(sockets: Sockets, among: range) -> tuple[object, ...]:
    connections = sockets.connections
    return sorted(sockets.listeners), *connections._replace(ports=frozenset()), connections.used_ports(among)


def _load() -> SocketWalk[Sockets]:
    return SocketWalk(make)


def _itself(found: Sockets) -> Sockets:
    return found


PART = Part("sockets", _load, (Answer(sock_diag.read, _itself, difference),))
