"""TCP sockets made one by one, counted by the exporter, and counted again by `ss`."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections import Counter
from typing import TYPE_CHECKING, Any

from exporter.sources.sock_diag import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

PROBES = ("tcpsummary", "listen", "ports")
SS_NAMES = {
    State.ESTABLISHED: "ESTAB",
    State.SYN_SENT: "SYN-SENT",
    State.SYN_RECV: "SYN-RECV",
    State.FIN_WAIT1: "FIN-WAIT-1",
    State.FIN_WAIT2: "FIN-WAIT-2",
    State.TIME_WAIT: "TIME-WAIT",
    State.CLOSE_WAIT: "CLOSE-WAIT",
    State.LAST_ACK: "LAST-ACK",
    State.CLOSING: "CLOSING",
}


def states_of(found: dict[tuple[str, ...], dict[str, Any]]) -> Counter[str]:
    """The exporter's counts by state, under the names that `ss` uses; + drops those that are 0."""
    return +Counter(
        {name: found[()][f"tcp{state.name.lower().replace('_', '')}conn"] for state, name in SS_NAMES.items()}
    )


def outq(sock: socket.socket) -> int:
    """Bytes the kernel says are in the send queue."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def accepted(listener: socket.socket, count: int, keep: Namespace) -> list[socket.socket]:
    """Accept so many connections."""
    listener.settimeout(10)
    return [keep.sockets.enter_context(listener.accept()[0]) for _ in range(count)]


def test_connections_of_both_families_are_counted_by_state(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    client, server = pair.left, pair.right
    listener4, listener6 = server.listen(8080, 100), server.listen(8080, 100, socket.AF_INET6)
    from_client = [client.connect(pair.right4, 8080) for _ in range(23)]
    at_server = accepted(listener4, 23, server)
    for _ in range(7):
        client.connect(pair.right6, 8080)
    accepted(listener6, 7, server)
    for closed in from_client[:3]:
        closed.close()  # an orphan in FIN_WAIT2: the kernel keeps a small entry and no socket
    for half in from_client[3:5]:
        half.shutdown(socket.SHUT_WR)
    for leaving in at_server[5:16]:
        leaving.close()
    for gone in from_client[5:16]:
        gone.close()
    until(lambda: server.ss()["TIME-WAIT"] == 11 and server.ss()["CLOSE-WAIT"] == 5)

    snapshot = collector_of(*PROBES).cycle()

    there, here = rows(snapshot, server.pod), rows(snapshot, client.pod)
    assert states_of(there) == {"ESTAB": 14, "CLOSE-WAIT": 5, "TIME-WAIT": 11} == server.ss()
    assert states_of(here) == {"ESTAB": 14, "FIN-WAIT-2": 5} == client.ss()
    assert there[()] | {"range": 0} == {
        "tcpestablishedconn": 14,
        "tcptimewaitconn": 11,
        "tcpclosewaitconn": 5,
        "tcpsynsentconn": 0,
        "tcpsynrecvconn": 0,
        "tcpfinwait1conn": 0,
        "tcpfinwait2conn": 0,
        "tcplastackconn": 0,
        "tcpclosingconn": 0,
        "tcptxqueue": 0,
        "tcprxqueue": 5,  # the kernel counts the end of the stream that no one has read as a byte, and so does ss
        "sockets": 2,
        "queue": 0,
        "fullest_queue": 0,
        "fullest_limit": 100,
        "fullest_ratio": 0.0,
        "range": 0,
        "used": 0,
        "busiest_destination": 1,
    }
    assert here[()]["sockets"] == 0
    assert here[()]["used"] == 19  # one port for each connection that is left
    assert here[()]["busiest_destination"] == 12


def test_a_full_accept_queue_is_full_and_turns_further_clients_away(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    client, server = pair.left, pair.right
    server.listen(8081, 3)
    server.listen(9091, 101)
    for _ in range(4):
        client.connect(pair.right4, 8081)
    until(lambda: server.ss()["ESTAB"] == 4)
    for _ in range(5):
        client.start_connecting(pair.right4, 8081)

    snapshot = collector_of(*PROBES).cycle()

    there = rows(snapshot, server.pod)
    assert {name: there[()][name] for name in ("sockets", "queue", "fullest_queue", "fullest_limit")} == {
        "sockets": 2,
        "queue": 4,
        "fullest_queue": 4,
        "fullest_limit": 3,
    }
    assert there[()]["fullest_ratio"] == 1.0
    assert there[("8081",)] == {"port_queue": 4, "port_limit": 3}
    assert there[("9091",)] == {"port_queue": 0, "port_limit": 101}
    assert states_of(there) == {"ESTAB": 4} == server.ss()
    assert states_of(rows(snapshot, client.pod)) == {"ESTAB": 4, "SYN-SENT": 5} == client.ss()
    assert "4      3" in server.run("ss", "-Htln", "sport", "=", ":8081")


def test_bytes_in_queues_are_those_the_kernel_reports_for_each_socket(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    client, server = pair.left, pair.right
    listener = server.listen(8082, 10)
    first, second = client.connect(pair.right4, 8082), client.connect(pair.right4, 8082)
    accepted(listener, 2, server)
    first.sendall(b"x" * 1009)
    second.sendall(b"x" * 2003)
    until(lambda: outq(first) == outq(second) == 0)
    server.run("ip", "link", "set", "eth0", "down")
    first.sendall(b"y" * 5003)
    second.sendall(b"y" * 3001)

    snapshot = collector_of("tcpsummary").cycle()

    assert rows(snapshot, client.pod)[()]["tcptxqueue"] == 5003 + 3001 == outq(first) + outq(second)
    assert rows(snapshot, server.pod)[()]["tcprxqueue"] == 1009 + 2003
    assert [line.split()[1] for line in server.run("ss", "-Htn").splitlines()] in (["1009", "2003"], ["2003", "1009"])


def test_a_client_whose_syns_vanish_is_in_syn_sent(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    pair.left.run("ip", "route", "add", "192.0.2.0/24", "via", pair.right4)
    pair.right.run("ip", "route", "add", "blackhole", "192.0.2.0/24")
    for _ in range(13):
        pair.left.start_connecting("192.0.2.7", 443)

    found = rows(collector_of(*PROBES).cycle(), pair.left.pod)

    assert states_of(found) == {"SYN-SENT": 13} == pair.left.ss()
    assert (found[()]["tcpsynsentconn"], found[()]["used"], found[()]["busiest_destination"]) == (13, 13, 13)


def half_open(pair: Pair, port: int, count: int) -> None:
    """Handshakes that stay half done: the server's answers go to a machine that does not exist."""
    pair.left.run("ip", "address", "replace", "10.77.0.3/24", "dev", "eth0")
    pair.right.run("ip", "neigh", "replace", "10.77.0.3", "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    for _ in range(count):
        pair.left.start_connecting(pair.right4, port, "10.77.0.3")


def test_handshakes_without_an_end_are_in_syn_recv_also_when_they_come_after_a_quiet_cycle(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    pair.right.listen(8083, 100)
    collector = collector_of(*PROBES)
    quiet = [states_of(rows(collector.cycle(), pair.right.pod)) for _ in range(3)]
    half_open(pair, 8083, 17)
    until(lambda: pair.right.ss()["SYN-RECV"] == 17)

    busy = [rows(collector.cycle(), pair.right.pod) for _ in range(2)]

    assert quiet == [{}, {}, {}]
    assert [states_of(found) for found in busy] == [{"SYN-RECV": 17}] * 2
    assert busy[0][()]["tcpsynrecvconn"] == pair.right.ss()["SYN-RECV"]
