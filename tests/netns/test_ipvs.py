"""A virtual service of IPVS under known traffic, against `ipvsadm`."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.model.pod import NetnsRef
from exporter.sources import ipvs
from exporter.sources.netns import Visitor
from tests.netns.namespaces import RUN_NETNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

PORT = 53
CONNECTIONS, QUESTIONS = 5, 7  # sockets, and datagrams of each
QUESTION, ANSWER = b"q" * 100, b"a" * 51
HEADERS = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}


@pytest.fixture
def director(pair: Pair, make_netns: Callable[[], Namespace]) -> tuple[Namespace, Namespace]:
    """The right side of the pair as a node with virtual services, and the server behind it."""
    if subprocess.run(["modprobe", "-q", "ip_vs"], check=False).returncode:
        pytest.skip("this kernel has no module ip_vs")
    if not shutil.which("ipvsadm"):
        pytest.skip("ipvsadm is not installed")
    node, server = pair.right, make_netns()
    node.join(server, "eth1")
    for side, host in ((node, "1"), (server, "2")):
        side.run("ip", "address", "add", f"10.78.0.{host}/24", "dev", "eth1")
        side.run("ip", "address", "add", f"fd78::{host}/64", "dev", "eth1", "nodad")
        side.run("ip", "link", "set", "eth1", "up")
    server.run("ip", "route", "add", "default", "via", "10.78.0.1")
    server.run("ip", "-6", "route", "add", "default", "via", "fd78::1")
    node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    for virtual, real in ((pair.right4, "10.78.0.2"), (f"[{pair.right6}]", "[fd78::2]")):
        node.run("ipvsadm", "-A", "-u", f"{virtual}:{PORT}", "-s", "rr")
        node.run("ipvsadm", "-a", "-u", f"{virtual}:{PORT}", "-r", f"{real}:{PORT}", "-m")
    return node, server


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_connections_packets_and_bytes_are_those_that_passed(
    pair: Pair, director: tuple[Namespace, Namespace], family: socket.AddressFamily, until: Callable[..., None]
) -> None:
    node, server = director
    answering = server.open(family, socket.SOCK_DGRAM)
    answering.bind(("", PORT))
    answering.settimeout(10)
    for _ in range(CONNECTIONS):
        asking = pair.left.open(family, socket.SOCK_DGRAM)
        asking.settimeout(10)
        asking.connect((pair.right4 if family == socket.AF_INET else pair.right6, PORT))
        for _ in range(QUESTIONS):
            asking.send(QUESTION)
            answering.sendto(ANSWER, answering.recvfrom(len(QUESTION))[1])
            assert asking.recv(len(QUESTION)) == ANSWER
    packets = CONNECTIONS * QUESTIONS

    until(lambda: read(node).outgoing_packets == packets)  # the kernel adds its CPUs up every other second

    assert read(node) == ipvs.Ipvs(
        connections=CONNECTIONS,
        incoming_packets=packets,
        outgoing_packets=packets,
        incoming_bytes=packets * (len(QUESTION) + HEADERS[family]),
        outgoing_bytes=packets * (len(ANSWER) + HEADERS[family]),
    )
    told = node.run("ipvsadm", "-Ln", "--stats", "--exact").splitlines()
    services = [[int(word) for word in line.split()[2:]] for line in told if line.startswith("UDP")]
    assert [sum(column) for column in zip(*services, strict=True)] == list(read(node))


def read(namespace: Namespace) -> ipvs.Ipvs:
    """Its totals."""
    ref = NetnsRef(namespace.pod, (), str(RUN_NETNS / namespace.name))
    with closing(Visitor(Path("/proc"))) as visitor, visitor.visit(ref) as netns:
        return ipvs.read(netns)
