"""Queueing disciplines that drop and hold known packets, against `tc`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from pyroute2 import NetNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

PACKET = 1000 + 8 + 20 + 14  # payload, UDP, IPv4, Ethernet


def silence(namespace: Namespace) -> None:
    """Nothing but what the test sends may pass: no neighbour discovery, no ARP."""
    namespace.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    namespace.run("ip", "neigh", "replace", "10.77.0.2", "lladdr", "02:00:00:00:00:99", "dev", "eth0")


def send(namespace: Namespace, count: int) -> None:
    """So many UDP packets of 1000 bytes."""
    sender = namespace.open(kind=socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    for _ in range(count):
        sender.sendto(b"x" * 1000, ("10.77.0.2", 9))


def tc(namespace: Namespace) -> dict[str, int]:
    """The root discipline of eth0 as `tc` reports it."""
    (found,) = [q for q in namespace.json("tc", "-j", "-s", "qdisc", "show", "dev", "eth0") if q.get("root")]
    return {name: found[name] for name in ("bytes", "packets", "drops", "overlimits", "requeues", "qlen", "backlog")}


def with_our_names(found: dict[str, Any]) -> dict[str, Any]:
    return {("requeues" if name == "requeues_total" else name): value for name, value in found.items()}


def test_a_rate_limit_of_almost_nothing_holds_and_drops_what_is_sent(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    sender = pair.left
    silence(sender)
    # The bucket holds one packet and fills with a bit per second; five more packets fit into the queue.
    limit = str(5 * PACKET)
    words = ("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "8bit", "burst", "1600", "limit", limit)
    sender.run(*words)
    send(sender, 101)

    found = rows(collector_of("qdisc").cycle(), sender.pod)

    assert found.keys() == {("eth0", "tbf")}
    numbers = with_our_names(found["eth0", "tbf"])
    assert numbers == tc(sender)
    assert {name: numbers[name] for name in ("packets", "bytes", "qlen", "backlog", "drops")} == {
        "packets": 1,
        "bytes": PACKET,
        "qlen": 5,
        "backlog": 5 * PACKET,
        "drops": 95,
    }


def test_a_discipline_over_several_queues_is_counted_once(
    make_netns: Callable[[], Namespace], collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    namespace = make_netns()
    namespace.run("ip", "link", "add", "eth0", "numtxqueues", "4", "type", "veth", "peer", "eth1", "numrxqueues", "4")
    namespace.run("ip", "address", "add", "10.77.0.1/24", "dev", "eth0")
    silence(namespace)
    namespace.run("tc", "qdisc", "replace", "dev", "eth0", "root", "handle", "1:", "mq")
    for device in ("eth0", "eth1"):
        namespace.run("ip", "link", "set", device, "up")
    for queue in range(1, 5):
        namespace.run("tc", "qdisc", "replace", "dev", "eth0", "parent", f"1:{queue}", "pfifo", "limit", "50")
    namespace.run("ip", "neigh", "replace", "10.77.0.2", "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    send(namespace, 37)

    found = rows(collector_of("qdisc").cycle(), namespace.pod)

    assert found.keys() == {("eth0", "mq")}
    assert with_our_names(found["eth0", "mq"]) == tc(namespace)
    assert (found["eth0", "mq"]["packets"], found["eth0", "mq"]["bytes"]) == (37, 37 * PACKET)


def test_every_device_with_a_queue_is_there_by_name_and_none_without(
    make_netns: Callable[[], Namespace], collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    namespace = make_netns()
    for number in range(7):
        namespace.run("ip", "link", "add", f"bridge{number}", "type", "bridge")
        if number % 2:
            namespace.run("tc", "qdisc", "add", "dev", f"bridge{number}", "root", "pfifo")

    found = rows(collector_of("qdisc").cycle(), namespace.pod)

    with NetNS(namespace.name) as oracle:
        expected = {
            (oracle.get_links(each["index"])[0].get_attr("IFLA_IFNAME"), each.get_attr("TCA_KIND"))
            for each in oracle.get_qdiscs()
            if each.get_attr("TCA_KIND") != "noqueue"
        }
    assert found.keys() == expected == {(f"bridge{number}", "pfifo") for number in (1, 3, 5)}
