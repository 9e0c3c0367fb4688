"""A node made of namespaces: two pods, and a neighbour beyond its uplink that the exporter knows nothing of."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.identity.standalone import NAMESPACE
from exporter.model.pod import NetnsRef, Pod
from tests.netns.namespaces import RUN_NETNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace

_NETWORK = os.getpid() % 250  # programs that look at addresses must not meet those of another run


class Place(NamedTuple):
    """A namespace and its addresses.

    Args:
        netns: the namespace.
        v4: its address.
        v6: its other address.
    """

    netns: Namespace
    v4: str
    v6: str

    def address(self, family: int) -> str:
        """The address of this family."""
        return self.v6 if family == socket.AF_INET6 else self.v4

    def receive_on(self, port: int, family: int = socket.AF_INET) -> socket.socket:
        """A UDP socket that keeps what it receives, so that nobody answers that there is none."""
        receiver = self.netns.open(family, socket.SOCK_DGRAM)
        receiver.bind(("", port))
        return receiver

    def qdisc(self, device: str = "eth0") -> dict[str, Any]:
        """What the queueing discipline at the root of a device says; it must be one that counts."""
        found: dict[str, Any] = json.loads(self.netns.run("tc", "-s", "-j", "qdisc", "show", "dev", device, "root"))[0]
        return found


@dataclass
class SmallNode:
    """The node and who is around it. Everything but `outside` belongs to the node."""

    node: Place
    left: Place
    right: Place
    outside: Place

    def discover(self, _env: object) -> tuple[NetnsRef, ...]:
        """In place of the machine's namespaces: this node, and its pods."""
        own = Pod("", "", self.node.netns.pod.netns)
        pods = (self.left.netns, self.right.netns)
        return (
            NetnsRef(own, (), str(RUN_NETNS / self.node.netns.name)),
            *(NetnsRef(Pod(NAMESPACE, pod.name, pod.pod.netns), (), str(RUN_NETNS / pod.name)) for pod in pods),
        )


def build(make_netns: Callable[[], Namespace], *, bridged: bool) -> SmallNode:
    """Pods behind a bridge as most networks have them, or each with a route of its own; `up0` leads off the node."""
    node, left, right, outside = (make_netns() for _ in range(4))
    # A gateway that is also a bridge would tell the pods to go straight to what it redirects.
    for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
                    "net.ipv4.conf.default.send_redirects=0"):  # fmt: skip
        node.run("sysctl", "-qw", setting)
    for pod, device in ((left, "pod0"), (right, "pod1"), (outside, "up0")):
        node.run("ip", "link", "add", device, "type", "veth", "peer", "eth0", "netns", pod.name)
    if bridged:
        node.run("ip", "link", "add", "br0", "type", "bridge")
        for device in ("pod0", "pod1"):
            node.run("ip", "link", "set", device, "master", "br0", "up")
    gateways = ((left, "br0"), (right, "br0")) if bridged else ((left, "pod0"), (right, "pod1"))
    places = []
    for number, (pod, device) in enumerate((*gateways, (outside, "up0")), start=1):
        subnet = 1 if bridged and pod is not outside else number
        v4, v6 = f"10.{_NETWORK}.{subnet}", f"fd99:{_NETWORK}:{subnet}:"
        node.run("ip", "address", "replace", f"{v4}.1/24", "dev", device)
        node.run("ip", "address", "replace", f"{v6}:1/64", "dev", device, "nodad")
        node.run("ip", "link", "set", device, "up")
        pod.run("ip", "address", "add", f"{v4}.{number + 1}/24", "dev", "eth0")
        pod.run("ip", "address", "add", f"{v6}:{number + 1}/64", "dev", "eth0", "nodad")
        pod.run("ip", "link", "set", "eth0", "up")
        pod.run("ip", "route", "add", "default", "via", f"{v4}.1")
        pod.run("ip", "route", "add", "default", "via", f"{v6}:1")
        places.append(Place(pod, f"{v4}.{number + 1}", f"{v6}:{number + 1}"))
    world = SmallNode(Place(node, f"10.{_NETWORK}.3.1", f"fd99:{_NETWORK}:3::1"), *places)
    for target in (world.right, world.outside):  # until neighbours know one another, packets wait
        for address in (target.v4, target.v6):
            left.run("ping", "-q", "-c", "1", "-w", "10", address)
    return world
