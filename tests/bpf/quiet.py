"""A network that carries only what a test sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.netns.namespaces import Pair


@pytest.fixture
def quiet(pair: Pair) -> Pair:
    """The pair with known neighbours, and without answers by ICMP and reports of groups."""
    for side, other, addresses in (
        (pair.left, pair.right, (pair.right4, pair.right6)),
        (pair.right, pair.left, (pair.left4, pair.left6)),
    ):
        side.run("ip6tables", "-I", "OUTPUT", "-p", "icmpv6", "-j", "DROP")
        for protocol in ("icmp", "igmp"):
            side.run("iptables", "-I", "OUTPUT", "-p", protocol, "-j", "DROP")
        mac = other.json("ip", "-j", "link", "show", "dev", "eth0")[0]["address"]
        for address in addresses:
            side.run("ip", "neighbour", "replace", address, "lladdr", mac, "dev", "eth0")
    return pair
