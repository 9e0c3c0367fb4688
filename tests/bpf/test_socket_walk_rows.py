"""Which namespaces the walk over all TCP sockets has a row for, and which it leaves to others."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from exporter.sources.sock_diag import Connections, Listener, Sockets, UsedPorts
from tests.bpf.walked_sockets import open_walk, port_range, walk
from tests.netns.namespaces import Namespace, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.bpf.socket_walk import SocketWalk

__all__ = ["walk"]


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
