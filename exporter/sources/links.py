"""Network devices of a namespace with what they are stacked on (rtnetlink RTM_GETLINK)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.errors import SourceError
from exporter.sources import netlink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from exporter.model.probe import Netns

_RTM_NEWLINK: Final = 16
_RTM_GETLINK: Final = 18
_HEADER: Final = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_NUMBER: Final = struct.Struct("=I")

# linux/if_link.h
_IFNAME, _LINK, _MASTER, _LINKINFO, _EXT_MASK, _LINK_NETNSID = 3, 5, 10, 18, 29, 37
_INFO_KIND: Final = 1
_SKIP_STATS: Final = 1 << 3  # RTEXT_FILTER_SKIP_STATS: they are most of an answer
_MASK_SIZE: Final = netlink.ATTRIBUTE.size + _NUMBER.size
_REQUEST: Final = netlink.request(
    _RTM_GETLINK, bytes(_HEADER.size) + netlink.ATTRIBUTE.pack(_MASK_SIZE, _EXT_MASK) + _NUMBER.pack(_SKIP_STATS)
)

_OF_MEMBERS: Final = frozenset({"bond", "team"})  # devices that send and receive by others
_ON_ANOTHER: Final = frozenset({"vlan", "macvlan", "macvtap", "ipvlan"})


class Link(NamedTuple):
    """One device.

    Args:
        ifindex: index of the device in its namespace.
        name: of the device.
        kind: of virtual devices, for example veth or vlan; else empty.
        master: index of the bridge or bond that it is a port of; 0 when none.
        lower: index of the device in the same namespace that it is made on; 0 when none.
    """

    ifindex: int
    name: str
    kind: str = ""
    master: int = 0
    lower: int = 0


def read(netns: Netns) -> tuple[Link, ...]:
    """All devices of the namespace. Raises SourceError, UnsupportedError."""
    return parse(netns.netlink(netlink.ROUTE, _REQUEST))


def parse(answer: bytes) -> tuple[Link, ...]:
    """Devices in a dump. Raises SourceError on a message that is truncated or about something else."""
    return tuple(_parse(kind, payload) for kind, payload in netlink.messages(answer))


def _parse(kind: int, payload: bytes) -> Link:
    found = netlink.attributes(payload, _HEADER.size)
    if kind != _RTM_NEWLINK or len(payload) < _HEADER.size or _IFNAME not in found:
        raise SourceError("RTM_GETLINK", "a message about a device with a name", payload[:32])
    _, _, index, _, _ = _HEADER.unpack_from(payload)
    info = netlink.attributes(found.get(_LINKINFO, b""))
    elsewhere = _LINK_NETNSID in found  # the peer of a veth has an index of another namespace
    return Link(
        ifindex=index,
        name=_text(found[_IFNAME]),
        kind=_text(info.get(_INFO_KIND, b"")),
        master=_number(found.get(_MASTER)),
        lower=0 if elsewhere else _number(found.get(_LINK)),
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _number(value: bytes | None) -> int:
    if value is None:
        return 0
    if len(value) != _NUMBER.size:
        raise SourceError("RTM_GETLINK", f"{_NUMBER.size} bytes of index", value)
    number: int = _NUMBER.unpack(value)[0]
    return number


def named(links: Iterable[Link], patterns: Collection[str]) -> set[Link]:
    """Devices whose name is one of the patterns, or begins with one that ends in `*`."""
    exact = {pattern for pattern in patterns if not pattern.endswith("*")}
    prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return {link for link in links if link.name in exact or link.name.startswith(prefixes)}


def lowest(links: Collection[Link], chosen: Iterable[Link]) -> set[Link]:
    """The devices by which the chosen ones send and receive: members of a bond, the device under a VLAN, or themselves.

    A packet passes each device of such a stack; only the lowest sees every packet both ways.
    """
    by_index = {link.ifindex: link for link in links}
    found: set[Link] = set()
    passed: set[int] = set()
    waiting = list(chosen)
    while waiting:
        link = waiting.pop()
        if link.ifindex in passed:
            continue
        passed.add(link.ifindex)
        beneath = [each for each in links if each.master == link.ifindex] if link.kind in _OF_MEMBERS else []
        if link.kind in _ON_ANOTHER and link.lower in by_index:
            beneath.append(by_index[link.lower])
        waiting += beneath
        if not beneath:
            found.add(link)
    return found
