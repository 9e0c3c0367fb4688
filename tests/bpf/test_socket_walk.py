"""The walk over all TCP sockets against NETLINK_SOCK_DIAG in each namespace, number by number."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest

from exporter.bpf import objects
from exporter.bpf.layout import bind
from exporter.bpf.loader import BpfObject
from exporter.bpf.socket_walk import CAPACITY, Row, SocketWalk, unpack
from exporter.errors import UnsupportedError
from exporter.sources import netlink, sock_diag, socket_scan
from exporter.sources.sock_diag import Connections, Listener, Sockets, State, UsedPorts
from tests.netns.namespaces import Namespace, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.netns.namespaces import Pair

AT_ONCE = b"\x01\0\0\0\0\0\0\0"  # SO_LINGER: close with a reset


class Found(NamedTuple):
    """A namespace's sockets, so that two ways to them compare."""

    listeners: list[Listener]
    states: tuple[int, ...]
    rxqueue: int
    txqueue: int
    used: int | None
    busiest: int


def open_walk(*, capacity: int = 3 * CAPACITY, **sizes: int) -> SocketWalk[Sockets]:
    """With room for the namespaces of other tests, too."""
    try:
        return SocketWalk(socket_scan.make, capacity=capacity, **sizes)
    except UnsupportedError as error:
        pytest.skip(f"no walk over sockets here: {error}")


@pytest.fixture
def walk() -> Iterator[SocketWalk[Sockets]]:
    with closing(open_walk()) as made:
        yield made


def port_range(namespace: Namespace) -> range:
    low, high = namespace.run("sysctl", "-n", "net.ipv4.ip_local_port_range").split()
    return range(int(low), int(high) + 1)


def found(listeners: Sequence[Listener], connections: Connections, ports: range) -> Found:
    used = connections.used_ports(ports)
    states, rxqueue, txqueue, _, busiest = connections
    return Found(sorted(listeners), states, rxqueue, txqueue, used, busiest)


def listed(namespace: Namespace, ports: range) -> Found:
    """What NETLINK_SOCK_DIAG lists."""
    with namespace.entered(), closing(netlink.open_socket(netlink.SOCK_DIAG)) as asked:
        answer = netlink.exchange(asked, sock_diag.ALL)
    return found(*sock_diag.parse(answer), ports)


def walked(walk: SocketWalk[Sockets], namespace: Namespace, ports: range) -> Found | None:
    row = walk.row(namespace.pod.netns)
    return None if row is None else found(row.listeners, row.connections, ports)


def assert_equal(walk: SocketWalk[Sockets], namespaces: Sequence[Namespace]) -> list[Found]:
    """The walk finds in each namespace what is listed there, seen while nothing changes in any of them."""
    ranges = [port_range(namespace) for namespace in namespaces]
    for _ in range(50):
        before = [listed(*each) for each in zip(namespaces, ranges, strict=True)]
        walk.scan()
        after = [listed(*each) for each in zip(namespaces, ranges, strict=True)]
        if before == after:
            break
    assert before == after, "sockets did not hold still"
    assert [walked(walk, *each) for each in zip(namespaces, ranges, strict=True)] == before
    assert walk.outcome.unsettled == 0
    return before


def stop(namespace: Namespace, *match: str) -> None:
    """Let a namespace lose what it receives by TCP."""
    for program in ("iptables", "ip6tables"):
        namespace.run(program, "-I", "INPUT", "-p", "tcp", *match, "-j", "DROP")


def let_through(namespace: Namespace, *match: str) -> None:
    for program in ("iptables", "ip6tables"):
        namespace.run(program, "-D", "INPUT", "-p", "tcp", *match, "-j", "DROP")


class Ends(NamedTuple):
    """Both ends of a connection."""

    client: socket.socket
    server: socket.socket


def connect(pair: Pair, port: int, family: int) -> Ends:
    """A connection from left to right."""
    listener = pair.right.listen(port, 100, family)
    client = pair.left.connect(pair.right4 if family == socket.AF_INET else pair.right6, port)
    with listener:
        return Ends(client, pair.right.sockets.enter_context(closing(listener.accept()[0])))


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


def test_namespaces_come_and_go(
    make_netns: Callable[[], Namespace], walk: SocketWalk[Sockets], until: Callable[..., None]
) -> None:
    first = make_netns()
    walk.scan()
    second = make_netns()
    before = [walk.row(each.pod.netns) is not None for each in (first, second)]
    gone = first.pod.netns
    run("ip", "netns", "del", first.name)

    def is_gone() -> bool:
        walk.scan()
        return walk.row(gone) is None

    until(is_gone)
    row = walk.row(second.pod.netns)
    assert before == [True, False]
    assert row == Sockets((), Connections((0,) * 16, 0, 0, UsedPorts(port_range(second), 0), 0))


def test_while_nothing_changes_in_a_namespace_its_row_is_the_same_object(
    make_netns: Callable[[], Namespace], walk: SocketWalk[Sockets]
) -> None:
    still, other = make_netns(), make_netns()
    still.listen(80, 3)
    walk.scan()
    before = walk.row(still.pod.netns), walk.row(other.pod.netns)
    other.listen(80, 3)
    walk.scan()

    assert walk.row(still.pod.netns) is before[0]
    assert walk.row(other.pod.netns) == before[1]._replace(listeners=(Listener(80, 0, 3),)) if before[1] else None


def test_namespaces_without_a_place_have_no_row_and_are_counted(make_netns: Callable[[], Namespace]) -> None:
    namespaces = [make_netns() for _ in range(5)]
    with closing(open_walk(capacity=3)) as small:
        small.scan()

        assert small.over_capacity >= 3  # of the 6 at least that there are, the host's included
        assert sum(small.row(namespace.pod.netns) is not None for namespace in namespaces) <= 3


def test_a_namespace_whose_listeners_found_no_place_has_no_row(make_netns: Callable[[], Namespace]) -> None:
    many, none = make_netns(), make_netns()
    for port in range(1, 102):
        many.listen(port, 1)
    with closing(open_walk(listeners=100)) as small:
        small.scan()

        assert small.row(many.pod.netns) is None
        assert small.row(none.pod.netns) is not None
        assert small.over_capacity >= 1


def test_a_namespace_whose_ports_found_no_place_has_no_row(make_netns: Callable[[], Namespace]) -> None:
    many, none = make_netns(), make_netns()
    many.listen(80, 128)
    for _ in range(67):
        many.connect("127.0.0.1", 80)
    with closing(open_walk(counted=64)) as small:
        small.scan()

        assert small.row(many.pod.netns) is None
        assert small.row(none.pod.netns) is not None


def test_a_namespace_with_a_table_of_its_own_has_no_row(
    make_netns: Callable[[], Namespace], walk: SocketWalk[Sockets]
) -> None:
    parent = make_netns()
    child = Namespace(f"{parent.name}own", 0)
    parent.run("sysctl", "-qw", "net.ipv4.tcp_child_ehash_entries=1024")
    with parent.entered():
        run("ip", "netns", "add", child.name)
    try:
        walk.scan()

        assert child.run("sysctl", "-n", "net.ipv4.tcp_ehash_entries") == "1024\n"
        assert walk.row(child.pod.netns) is None
        assert walk.row(parent.pod.netns) is not None
    finally:
        run("ip", "netns", "del", child.name)


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
