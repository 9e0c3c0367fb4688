"""Sockets, fragments and port ranges that the kernel scan finds, against sockstat, sockstat6 and the sysctl."""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from exporter.sources import port_range, sockstat
from exporter.sources.state_scan import PART
from tests.netns.scanning import both, differences, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace

NAMESPACES = 50


@pytest.fixture(autouse=True, scope="module")
def _possible() -> None:
    """Nothing is set up for a kernel that cannot be scanned."""
    loaded(PART).close()


def fragment(namespace: Namespace, number: int) -> None:
    """The first half of a packet whose second half never comes."""
    more = 0x2000
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 0, number, more, 64, socket.IPPROTO_UDP, 0, b"\x7f\0\0\1", b"\x7f\0\0\1"
    )
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.sendto(header + bytes(64), ("127.0.0.1", 0))


def populate(namespace: Namespace, index: int) -> None:
    """Sockets of all kinds, as many of each as no other kind and no neighbouring namespace has."""
    server = namespace.listen(80, 64)
    server6 = namespace.listen(81, 64, socket.AF_INET6)
    for _ in range(index % 5):
        client = namespace.connect("127.0.0.1", 80)
        server.accept()[0].close()
        client.close()  # after the other side: the server's end waits
    for _ in range(index % 3):
        namespace.connect("::1", 81)
        namespace.sockets.enter_context(server6.accept()[0])
    for _ in range(index % 7):
        namespace.open(kind=socket.SOCK_DGRAM).bind(("127.0.0.1", 0))
    for _ in range(index % 4):
        namespace.open(socket.AF_INET6, socket.SOCK_DGRAM).bind(("::1", 0))
    with namespace.entered():
        for _ in range(index % 2):
            for family, protocol in ((socket.AF_INET, 1), (socket.AF_INET6, 58)):
                namespace.sockets.enter_context(socket.socket(family, socket.SOCK_RAW, protocol))
    for number in range(index % 6):
        fragment(namespace, number + 1)
    if index % 2:
        namespace.run("sysctl", "-qw", f"net.ipv4.ip_local_port_range={20000 + index} {30001 + index}")


def test_all_numbers_of_50_namespaces_with_sockets_of_all_kinds_equal_those_of_the_files(
    make_netns: Callable[[], Namespace],
) -> None:
    namespaces = [make_netns() for _ in range(NAMESPACES)]
    for index, namespace in enumerate(namespaces):
        populate(namespace, index)

    found = both(PART, namespaces)

    of_files = [one for one in found if one.reader is not port_range.read]
    assert [one.answer for one in of_files] == [{name: one.before[name] for name in one.answer} for one in of_files]
    of_ranges = [one for one in found if one.reader is port_range.read]
    assert [one.answer.ports for one in of_ranges] == [one.before.ports for one in of_ranges]
    # The test would see nothing if the kernel had not counted what was made.
    index = 29
    mine = {one.reader: one.answer for one in found[3 * index : 3 * index + 3]}
    assert mine[sockstat.read] | {"sockets used": 0, "FRAG memory": 0} == {
        "sockets used": 0,
        "TCP inuse": 1,
        "TCP tw": 29 % 5,
        "UDP inuse": 29 % 7,
        "RAW inuse": 1,
        "FRAG inuse": 29 % 6,
        "FRAG memory": 0,
    }
    assert mine[sockstat.read]["FRAG memory"] > 29 % 6 * 64
    assert mine[sockstat.read6] == {
        "TCP inuse": 1 + 2 * (29 % 3),
        "UDP inuse": 29 % 4,
        "RAW inuse": 1,
        "FRAG inuse": 0,
        "FRAG memory": 0,
    }
    assert mine[port_range.read].ports == range(20029, 30031)


def test_sockets_that_come_and_go_are_no_disagreement(make_netns: Callable[[], Namespace]) -> None:
    namespaces = [make_netns() for _ in range(NAMESPACES)]
    servers = [namespace.listen(80, 64) for namespace in namespaces]
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            for namespace, server in zip(namespaces, servers, strict=True):
                with namespace.entered(), socket.create_connection(("127.0.0.1", 80)), server.accept()[0]:
                    pass

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        found = [one for _ in range(5) for one in both(PART, namespaces)]
    finally:
        stop.set()
        thread.join()

    changed = sum(one.before != one.after for one in found)
    # A socket that came and went within a check looks like a disagreement; hence five in a row end the scan, not one.
    assert len(differences(PART, found)) < len(found) // 20
    assert changed > 0


@pytest.mark.parametrize("range_", [(1024, 65535), (32768, 32768)])
def test_both_ends_of_a_port_range(make_netns: Callable[[], Namespace], range_: tuple[int, int]) -> None:
    namespace = make_netns()
    namespace.run("sysctl", "-qw", "net.ipv4.ip_local_port_range={} {}".format(*range_))
    (found,) = [one.answer for one in both(PART, [namespace]) if one.reader is port_range.read]
    assert found.ports == range(range_[0], range_[1] + 1)
