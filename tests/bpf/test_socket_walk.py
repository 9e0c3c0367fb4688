"""The walk over all TCP sockets against NETLINK_SOCK_DIAG in each namespace, number by number."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from exporter.bpf import objects
from exporter.bpf.layout import bind
from exporter.bpf.loader import BpfObject
from exporter.bpf.socket_walk import Row, SocketWalk, unpack
from exporter.sources.sock_diag import Listener, Sockets, State, UsedPorts
from tests.bpf.walked_sockets import Found, assert_equal, connect, listed, port_range, walk, walked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

__all__ = ["walk"]
AT_ONCE = b"\x01\0\0\0\0\0\0\0"  # SO_LINGER: close with a reset


def stop(namespace: Namespace, *match: str) -> None:
    """Let a namespace lose what it receives by TCP."""
    for program in ("iptables", "ip6tables"):
        namespace.run(program, "-I", "INPUT", "-p", "tcp", *match, "-j", "DROP")


def let_through(namespace: Namespace, *match: str) -> None:
    for program in ("iptables", "ip6tables"):
        namespace.run(program, "-D", "INPUT", "-p", "tcp", *match, "-j", "DROP")


def state_of(connection: socket.socket) -> State:
    return State(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])


def every_state(pair: Pair, family: int, base: int, until: Callable[..., None]) -> None:
    """Connections in each state that a connection can stay in, on one side or the other."""
    left, right = pair.left, pair.right
    address = pair.right4 if family == socket.AF_INET else pair.right6
    established = connect(pair, base, family)
    established.client.send(b"x" * 1009)  # waits to be read
    full = connect(pair, base + 1, family)
    full.client.settimeout(0)
    with suppress(BlockingIOError):
        while full.client.send(b"x" * 65536):
            pass
    connect(pair, base + 2, family).client.shutdown(socket.SHUT_WR)  # FIN_WAIT2, CLOSE_WAIT
    connect(pair, base + 3, family).client.close()  # FIN_WAIT2 that no program holds any more, CLOSE_WAIT
    ended = connect(pair, base + 4, family)
    ended.client.close()
    ended.server.close()  # TIME_WAIT
    cut = connect(pair, base + 5, family)
    stop(right, "--dport", str(base + 5))
    cut.client.shutdown(socket.SHUT_WR)  # FIN_WAIT1
    last = connect(pair, base + 6, family)
    last.client.shutdown(socket.SHUT_WR)
    until(lambda: state_of(last.client) is State.FIN_WAIT2)  # the other side may take its time to acknowledge
    stop(left, "--sport", str(base + 6))
    last.server.close()  # LAST_ACK
    closing_ends = connect(pair, base + 7, family)
    stop(left, "--sport", str(base + 7))
    stop(right, "--dport", str(base + 7))
    closing_ends.client.shutdown(socket.SHUT_WR)
    closing_ends.server.shutdown(socket.SHUT_WR)
    let_through(left, "--sport", str(base + 7))  # CLOSING, as soon as the FIN is sent again
    stop(left, "--sport", str(base + 8))
    right.listen(base + 8, 7, family)
    begun = left.open(family)
    begun.settimeout(0)
    begun.connect_ex((address, base + 8))  # SYN_SENT, SYN_RECV
    right.listen(base + 9, 3, family)
    for _ in range(2):
        left.connect(address, base + 9)  # waits to be accepted


STATES = {
    State.ESTABLISHED,
    State.SYN_SENT,
    State.SYN_RECV,
    State.FIN_WAIT1,
    State.FIN_WAIT2,
    State.TIME_WAIT,
    State.CLOSE_WAIT,
    State.LAST_ACK,
    State.CLOSING,
}


def states_of(*all_found: Found) -> set[State]:
    return {State(number) for each in all_found for number, count in enumerate(each.states) if count}


@pytest.mark.parametrize(
    "families",
    [(socket.AF_INET,), (socket.AF_INET6,), (socket.AF_INET, socket.AF_INET6)],
    ids=["ipv4", "ipv6", "both"],
)
def test_every_state_is_found_as_sock_diag_lists_it(
    families: tuple[int, ...], pair: Pair, walk: SocketWalk[Sockets], until: Callable[..., None]
) -> None:
    for index, family in enumerate(families):
        every_state(pair, family, 8000 + 100 * index, until)
    settled = {"CLOSING": len(families), "FIN-WAIT-2": 3 * len(families)}
    until(lambda: settled.items() <= pair.left.ss().items())

    left, right = assert_equal(walk, (pair.left, pair.right))

    assert states_of(left, right) == STATES
    assert left.txqueue > 1000
    assert right.rxqueue > 1009
    assert sorted(right.listeners) == sorted(
        listener
        for index in range(len(families))
        for listener in (Listener(8008 + 100 * index, 0, 7), Listener(8009 + 100 * index, 2, 3))
    )


def test_a_listener_for_both_families_has_connections_of_both(pair: Pair, walk: SocketWalk[Sockets]) -> None:
    listener = pair.right.open(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", 8080))
    listener.listen(31)
    mapped = pair.left.open(socket.AF_INET6)
    mapped.connect((f"::ffff:{pair.right4}", 8080))
    for address in [pair.right4] * 5 + [pair.right6] * 7:
        pair.left.connect(address, 8080)
    for _ in range(4):
        pair.right.sockets.enter_context(closing(listener.accept()[0]))

    left, right = assert_equal(walk, (pair.left, pair.right))

    assert (left.states[State.ESTABLISHED], left.busiest, left.used) == (13, 7, 13)
    assert (right.states[State.ESTABLISHED], right.listeners) == (13, [Listener(8080, 9, 31)])


def test_sockets_of_many_namespaces_do_not_mix(make_netns: Callable[[], Namespace], walk: SocketWalk[Sockets]) -> None:
    namespaces = [make_netns() for _ in range(29)]
    for number, namespace in enumerate(namespaces):
        listener = namespace.listen(80, 64 + number)
        six = namespace.listen(80, 128 + number, socket.AF_INET6)
        for _ in range(number):
            namespace.connect("127.0.0.1", 80)
        for _ in range(number % 5):
            namespace.connect("::1", 80).send(b"x" * number)
            namespace.sockets.enter_context(closing(six.accept()[0]))
        if number % 2:
            namespace.sockets.enter_context(closing(listener.accept()[0]))

    everything = assert_equal(walk, namespaces)

    assert [each.states[State.ESTABLISHED] for each in everything] == [2 * (n + n % 5) for n in range(29)]
    assert [each.busiest for each in everything] == list(range(29))
    assert walk.over_capacity == 0


def test_ss_counts_the_same(pair: Pair, walk: SocketWalk[Sockets], until: Callable[..., None]) -> None:
    every_state(pair, socket.AF_INET, 8000, until)
    until(lambda: pair.left.ss()["CLOSING"] == 1)
    for side in (pair.left, pair.right):
        before = side.ss()
        walk.scan()
        row = walk.row(side.pod.netns)
        assert row is not None
        found_there = {ss_name(state): count for state in State if (count := row.connections.states[state])}
        assert before == side.ss() == found_there


def ss_name(state: State) -> str:
    if state is State.ESTABLISHED:
        return "ESTAB"
    return state.name.replace("_", "-").replace("WAIT1", "WAIT-1").replace("WAIT2", "WAIT-2")


def test_only_ports_of_the_namespaces_own_range_count(pair: Pair, walk: SocketWalk[Sockets]) -> None:
    pair.left.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40001 40050")
    pair.right.listen(8080, 100)
    for _ in range(11):
        pair.left.connect(pair.right4, 8080)
    for port in (40000, 40051, 39999, 60000):
        outside = pair.left.open()
        outside.bind(("", port))
        outside.connect((pair.right4, 8080))

    left, _ = assert_equal(walk, (pair.left, pair.right))

    assert (left.used, left.busiest, left.states[State.ESTABLISHED]) == (11, 15, 15)
    row = walk.row(pair.left.pod.netns)
    assert row is not None
    assert row.connections.ports == UsedPorts(range(40001, 40051), 11)


class Churn:
    """Threads that open and close connections in a namespace until they are told to stop."""

    def __init__(self, namespace: Namespace, threads: int) -> None:
        self.rounds = 0
        self._stop = threading.Event()
        with namespace.entered():
            self._threads = [threading.Thread(target=self._work, args=(8000 + number,)) for number in range(threads)]
        self._namespace = namespace

    def _work(self, port: int) -> None:
        with self._namespace.entered():
            while not self._stop.is_set():
                with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
                    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(16)]
                    servers = [listener.accept()[0] for _ in clients]
                for end in (*clients, *servers):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    end.close()
                self.rounds += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_what_stays_is_exact_while_other_sockets_come_and_go(
    make_netns: Callable[[], Namespace], walk: SocketWalk[Sockets]
) -> None:
    quiet, busy = make_netns(), make_netns()
    for namespace, count in ((quiet, 97), (busy, 89)):
        namespace.listen(80, 128)
        for _ in range(count):
            namespace.connect("127.0.0.1", 80).send(b"x" * 3)
    ports = port_range(quiet)
    expected = listed(quiet, ports)

    with Churn(busy, threads=3) as churn:
        seen = set()
        while churn.rounds < 211 or len(seen) < 2:
            walk.scan()
            assert walk.outcome.unsettled == 0
            assert walked(walk, quiet, ports) == expected
            row = walk.row(busy.pod.netns)
            assert row is not None
            established = row.connections.states[State.ESTABLISHED]
            assert 2 * 89 <= established <= 2 * 89 + 2 * 3 * 16
            assert row.connections.rxqueue == 89 * 3
            assert 1 <= len(row.listeners) <= 4
            seen.add(established)
    assert_equal(walk, (quiet, busy))


def test_sockets_in_a_sockmap_are_right_or_left_to_the_kernel(
    pair: Pair, walk: SocketWalk[Sockets], objects_folder: Path
) -> None:
    client, server = connect(pair, 8080, socket.AF_INET)
    with BpfObject(objects_folder / "sockmap.bpf.o") as opened:
        opened.load()
        opened.map("sockets").update(bytes(4), struct.pack("=Q", server.fileno()))
        client.send(b"x" * 17)
        ports = port_range(pair.left)
        walk.scan()

        assert walked(walk, pair.left, ports) == listed(pair.left, ports)
        newer = b"msg_tot_len" in Path("/sys/kernel/btf/vmlinux").read_bytes()
        assert walked(walk, pair.right, ports) == (None if newer else listed(pair.right, ports))


def test_rows_are_unpacked_as_the_objects_types_say() -> None:
    with BpfObject(objects.find("socket_walk")) as opened:
        layout = bind(opened.btf, "row", Row)
    row = Row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, tuple(range(11, 27)))

    assert unpack(layout.pack(row)) == row
