"""Segments sent again because the other side drops them, counted by the exporter and by the kernel itself."""

from __future__ import annotations

import socket
import struct
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset, so that nothing is sent again afterwards


def kernel(namespace: Namespace) -> dict[str, int]:
    """The kernel's own counters of a namespace since it was made, those that are 0 left out."""
    lines = namespace.run("nstat", "-as").splitlines()[1:]
    return {name: int(value) for name, value, _ in map(str.split, lines)}


def sent_again(namespace: Namespace) -> int:
    """Segments that the kernel says it sent again and no device or queue of its own refused, as on a loaded machine."""
    counted = kernel(namespace)
    return counted.get("TcpRetransSegs", 0) - counted.get("TcpExtTCPRetransFail", 0)


def kinds(found: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, int]:
    """Segments by kind, of one pod."""
    return {labels[0]: values["segments_total"] for labels, values in found.items() if labels}


def drop(namespace: Namespace, *match: str) -> None:
    """Let a namespace lose what it receives by TCP."""
    for program in ("iptables", "ip6tables"):
        namespace.run(program, "-I", "INPUT", "-p", "tcp", *match, "-j", "DROP")


def abandon(*sockets: socket.socket) -> None:
    """End connections in a way that leaves the kernel nothing to send again."""
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        each.close()


def start_connecting(namespace: Namespace, address: str, port: int) -> socket.socket:
    """A TCP connection of either family that is only begun."""
    made = namespace.open(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.settimeout(0)
    made.connect_ex((address, port))
    return made


FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


def address_of_right(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


@FAMILIES
def test_syns_sent_again_are_counted_one_by_one(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("tcpretrans")
    drop(pair.right)

    begun = [start_connecting(pair.left, address_of_right(pair, family), 80) for _ in range(31)]
    until(lambda: sent_again(pair.left) >= 31)
    abandon(*begun)
    snapshot = collector.cycle()

    counted = sent_again(pair.left)
    assert counted >= 31
    assert rows(snapshot, pair.left.pod) == {(): {"total": counted}, ("syn",): {"segments_total": counted}}
    assert rows(snapshot, pair.right.pod) == {(): {"total": 0}}


@FAMILIES
def test_what_a_queue_of_this_node_refuses_was_not_sent_again(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("tcpretrans")
    address = address_of_right(pair, family)
    pair.left.run("ip", "neigh", "replace", address, "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", "eth0")
    pair.left.run("tc", "qdisc", "add", "dev", "eth0", "root", "pfifo", "limit", "0")

    begun = [start_connecting(pair.left, address, 80) for _ in range(7)]
    until(lambda: kernel(pair.left).get("TcpExtTCPRetransFail", 0) >= 7)
    abandon(*begun)

    assert sent_again(pair.left) == 0
    assert rows(collector.cycle(), pair.left.pod) == {(): {"total": 0}}


def test_syn_acks_sent_again_are_the_servers(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("tcpretrans")
    pair.right.listen(80, 100)
    pair.right.listen(80, 100, socket.AF_INET6)
    drop(pair.left)

    begun = [start_connecting(pair.left, pair.right4, 80) for _ in range(4)]
    begun += [start_connecting(pair.left, pair.right6, 80) for _ in range(3)]
    until(lambda: sent_again(pair.right) >= 7)
    abandon(*begun)
    pair.right.run("ip", "link", "set", "eth0", "down")
    snapshot = collector.cycle()

    there, counted = rows(snapshot, pair.right.pod), sent_again(pair.right)
    assert there == {(): {"total": counted}, ("synack",): {"segments_total": counted}}
    assert kinds(rows(snapshot, pair.left.pod)).keys() == {"syn"}


@FAMILIES
def test_a_silent_peer_costs_a_loss_probe_and_then_time_outs(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("tcpretrans")
    pair.right.listen(80, 100, family)
    clients = [pair.left.connect(address_of_right(pair, family), 80) for _ in range(5)]
    drop(pair.right)

    for client in clients:
        client.sendall(b"x")
    until(lambda: sent_again(pair.left) >= 17)
    abandon(*clients)
    found = rows(collector.cycle(), pair.left.pod)

    counted, again = kernel(pair.left), sent_again(pair.left)
    assert found[()] == {"total": again}
    assert kinds(found) == {"tlp": 5, "rto": again - 5}
    assert counted["TcpExtTCPLossProbes"] == 5
    assert counted["TcpExtTCPTimeouts"] >= again - 5  # the host's own queue can hold one back


def test_single_losses_are_repaired_by_fast_retransmissions(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpretrans")
    listener = pair.right.listen(80, 100)
    client = pair.left.connect(pair.right4, 80)
    server = pair.right.sockets.enter_context(listener.accept()[0])
    pair.left.run("ip", "link", "set", "eth0", "gso_max_segs", "1")
    rules = (
        "table ip loss { chain in { type filter hook input priority 0;"
        " tcp dport 80 meta length > 1000 numgen inc mod 97 == 96 drop; }; }"
    )
    subprocess.run(["ip", "netns", "exec", pair.right.name, "nft", "-f", "-"], input=rules, text=True, check=True)

    client.settimeout(0)
    left, taken = 3_000_000, 0
    server.settimeout(10)
    while taken < 3_000_000:
        if left:
            with suppress(BlockingIOError):
                left -= client.send(bytes(min(left, 65536)))
        taken += len(server.recv(1 << 20))
    found = rows(collector.cycle(), pair.left.pod)

    counted = kernel(pair.left)
    assert counted["TcpExtTCPFastRetrans"] > 10
    assert kinds(found)["fast"] == counted["TcpExtTCPFastRetrans"]
    assert found[()]["total"] == sent_again(pair.left) == sum(kinds(found).values())


def test_a_namespace_that_ends_takes_its_counts_with_it_and_the_next_one_starts_from_zero(
    make_netns: Callable[[], Namespace],
    collector_of: Callable[..., Any],
    rows: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    collector = collector_of("tcpretrans")
    first = make_netns()
    drop(first)
    begun = [start_connecting(first, "127.0.0.1", 80) for _ in range(3)]
    until(lambda: sent_again(first) >= 3)
    abandon(*begun)
    counted = sent_again(first)
    pod = first.pod
    before = rows(collector.cycle(), pod)
    first.sockets.close()
    subprocess.run(["ip", "netns", "del", first.name], check=True)
    until(lambda: rows(collector.cycle(), pod) == {})

    later = [make_netns() for _ in range(5)]

    assert counted >= 3
    assert before == {(): {"total": counted}, ("syn",): {"segments_total": counted}}
    assert [rows(collector.cycle(), each.pod) for each in later] == [{(): {"total": 0}}] * 5
