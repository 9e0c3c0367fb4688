"""Connections that come about and that fail in each way, counted by the exporter and by the kernel itself."""

from __future__ import annotations

import ctypes
import errno
import select
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


def kernel(namespace: Namespace) -> dict[str, int]:
    """The kernel's own counters of a namespace since it was made, those that are 0 left out."""
    lines = namespace.run("nstat", "-as").splitlines()[1:]
    return {name: int(value) for name, value, _ in map(str.split, lines)}


def refuse_all(namespace: Namespace, family: int, *how: str) -> None:
    """Let a namespace treat all that it receives by TCP in one way."""
    program = "iptables" if family == socket.AF_INET else "ip6tables"
    namespace.run(program, "-I", "INPUT", "-p", "tcp", "-j", *how)


def right(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


def attempt(namespace: Namespace, address: str, port: int) -> int:
    """Connect; the error it ends with."""
    made = namespace.open(socket.AF_INET6 if ":" in address else socket.AF_INET)
    return made.connect_ex((address, port))


def begin(namespace: Namespace, address: str, port: int) -> socket.socket:
    """A connection that is only begun."""
    made = namespace.open(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.settimeout(0)
    assert made.connect_ex((address, port)) == errno.EINPROGRESS
    return made


@FAMILIES
def test_connections_are_timed_where_they_are_opened(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpconnect")
    pair.right.listen(80, 100, family)

    start = time.monotonic()
    for _ in range(31):
        pair.left.connect(right(pair, family), 80)
    took = time.monotonic() - start
    snapshot = collector.cycle()

    found = rows(snapshot, pair.left.pod)
    assert found.keys() == {()}
    assert sum(found[()]["seconds"].counts) == kernel(pair.left)["TcpActiveOpens"] == 31
    assert 0 < found[()]["seconds"].sum <= took
    assert rows(snapshot, pair.right.pod) == {}


@FAMILIES
def test_refused_connections_count_as_such(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpconnect")

    errors = {attempt(pair.left, right(pair, family), 81) for _ in range(13)}

    assert errors == {errno.ECONNREFUSED}
    assert rows(collector.cycle(), pair.left.pod) == {("refused",): {"failures_total": 13}}
    assert kernel(pair.left)["TcpAttemptFails"] == 13


@FAMILIES
def test_an_icmp_message_makes_it_unreachable(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpconnect")
    how = "icmp-host-unreachable" if family == socket.AF_INET else "icmp6-addr-unreachable"
    pair.right.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    refuse_all(pair.right, family, "REJECT", "--reject-with", how)

    errors = {attempt(pair.left, right(pair, family), 80) for _ in range(7)}

    assert errors == {errno.EHOSTUNREACH}
    assert rows(collector.cycle(), pair.left.pod) == {("unreachable",): {"failures_total": 7}}


@FAMILIES
def test_without_any_answer_it_times_out_unless_the_program_gives_up_before(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("tcpconnect")
    pair.left.run("sysctl", "-qw", "net.ipv4.tcp_syn_retries=1")
    refuse_all(pair.right, family, "DROP")

    for made in [begin(pair.left, right(pair, family), 80) for _ in range(5)]:
        made.close()
    begun = [begin(pair.left, right(pair, family), 80) for _ in range(11)]
    until(lambda: kernel(pair.left).get("TcpAttemptFails", 0) >= 11)

    assert {made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for made in begun} == {errno.ETIMEDOUT}
    assert rows(collector.cycle(), pair.left.pod) == {
        ("timed_out",): {"failures_total": 11},
        ("abandoned",): {"failures_total": 5},
    }


@FAMILIES
def test_running_out_of_local_ports_is_told_from_giving_up(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpconnect")
    pair.right.listen(80, 100, family)
    pair.left.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=30000 30009")

    errors = [attempt(pair.left, right(pair, family), 80) for _ in range(17)]

    found = rows(collector.cycle(), pair.left.pod)
    assert set(errors) == {0, errno.EADDRNOTAVAIL}
    assert found.keys() == {(), ("no_port",)}
    assert sum(found[()]["seconds"].counts) == errors.count(0)
    assert found["no_port",] == {"failures_total": errors.count(errno.EADDRNOTAVAIL)}


def test_a_connection_whose_syn_was_lost_once_takes_over_a_second(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpconnect")
    pair.right.listen(80, 100)
    refuse_all(pair.right, socket.AF_INET, "DROP")
    made = begin(pair.left, pair.right4, 80)
    pair.right.run("iptables", "-F", "INPUT")
    assert select.select([], [made], [], 10)[1]

    seconds = rows(collector.cycle(), pair.left.pod)[()]["seconds"]
    assert sum(seconds.counts[-2:]) == 1  # above half a second
    assert seconds.sum >= kernel(pair.left)["TcpExtTCPSynRetrans"] >= 1


def test_what_fails_on_the_socket_of_an_earlier_connection_is_timed_anew(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpconnect")
    pair.right.listen(80, 100)
    client = pair.left.connect(pair.right4, 80)
    with pair.left.entered():
        disconnect(client)

    assert client.connect_ex((pair.right4, 81)) == errno.ECONNREFUSED
    found = rows(collector.cycle(), pair.left.pod)

    assert sum(found[()]["seconds"].counts) == 1
    assert found["refused",] == {"failures_total": 1}


def disconnect(sock: socket.socket) -> None:
    """As connect() to AF_UNSPEC, after which the socket can be connected again."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.connect(sock.fileno(), bytes(16), 16) == 0
