from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError
from exporter.sources import links, netlink
from exporter.sources.links import Link

if TYPE_CHECKING:
    from collections.abc import Callable

DONE = netlink.HEADER.pack(20, netlink.NLMSG_DONE, 2, 1, 0) + bytes(4)
ETH0, ETH1, BOND, VLAN, BRIDGE = (
    Link(2, "eth0", master=4),
    Link(3, "eth1", master=4),
    Link(4, "bond0", "bond"),
    Link(5, "bond0.9", "vlan", lower=4),
    Link(6, "br0", "bridge"),
)
PORT = Link(7, "veth1", "veth", master=6)
ALL = (ETH0, ETH1, BOND, VLAN, BRIDGE, PORT)


def attribute(kind: int, value: bytes) -> bytes:
    return (netlink.ATTRIBUTE.pack(4 + len(value), kind) + value).ljust(4 + len(value) + 3 & ~3, b"\0")


def message(index: int, *attributes: bytes, kind: int = 16) -> bytes:
    payload = struct.pack("=BxHiII", 0, 1, index, 0, 0) + b"".join(attributes)
    return netlink.HEADER.pack(16 + len(payload), kind, 2, 1, 0) + payload


def number(value: int) -> bytes:
    return struct.pack("=I", value)


def test_devices_have_their_name_kind_and_what_they_are_stacked_on(fake_netns: Callable[..., Any]) -> None:
    vlan = attribute(18, attribute(1, b"vlan\0"))
    veth = attribute(18, attribute(1, b"veth\0"))
    answer = (
        message(2, attribute(3, b"eth0\0"))
        + message(5, attribute(3, b"eth0.9\0"), attribute(5, number(2)), vlan)
        + message(7, attribute(3, b"v\xff\0"), attribute(5, number(2)), attribute(37, number(0)), veth)
        + message(8, attribute(3, b"port\0"), attribute(10, number(6)))
        + DONE
    )

    assert links.read(fake_netns(answers={netlink.ROUTE: answer})) == (
        Link(2, "eth0"),
        Link(5, "eth0.9", "vlan", lower=2),
        Link(7, "v\N{REPLACEMENT CHARACTER}", "veth"),
        Link(8, "port", master=6),
    )


@pytest.mark.parametrize(
    "answer",
    [
        message(2, attribute(3, b"eth0\0"))[:-1],
        message(2),
        message(2, attribute(3, b"eth0\0"), kind=20),
        message(2, attribute(3, b"eth0\0"), attribute(10, b"\1")),
        netlink.HEADER.pack(18, 16, 2, 1, 0) + bytes(2),
    ],
    ids=["truncated", "without name", "about something else", "short index", "without header"],
)
def test_a_malformed_dump_is_an_error(answer: bytes) -> None:
    with pytest.raises(SourceError, match=r"RTM_GETLINK|netlink"):
        links.parse(answer)


def test_names_are_matched_whole_or_by_prefix() -> None:
    assert links.named(ALL, ("eth0", "bond0*", "eth")) == {ETH0, BOND, VLAN}
    assert links.named(ALL, ()) == set()


def test_the_lowest_devices_are_members_and_carriers_but_never_ports_of_a_bridge() -> None:
    assert links.lowest(ALL, [VLAN]) == {ETH0, ETH1}
    assert links.lowest(ALL, [BRIDGE, ETH0]) == {BRIDGE, ETH0}


def test_a_device_that_is_stacked_on_itself_or_on_nothing_ends_the_search() -> None:
    first, second = Link(2, "a", "vlan", lower=3), Link(3, "b", "vlan", lower=2)
    orphan, empty = Link(9, "c", "vlan", lower=77), Link(10, "bond1", "bond")

    assert links.lowest([first, second], [first]) == set()
    assert links.lowest([orphan, empty], [orphan, empty]) == {orphan, empty}
