"""IP addresses of a namespace (rtnetlink RTM_GETADDR), those that mean something outside of it."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.errors import SourceError
from exporter.sources import netlink

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_RTM_NEWADDR: Final = 20
_RTM_GETADDR: Final = 22
_HEADER: Final = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_REQUEST: Final = netlink.request(_RTM_GETADDR, bytes(_HEADER.size))  # any family
_ADDRESS, _LOCAL = 1, 2  # linux/if_addr.h; they differ where a device has a peer, whose address is the former
_LENGTHS: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}
_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK6: Final = bytes(15) + b"\x01"


class Address(NamedTuple):
    """One address.

    Args:
        device: index of its device in the namespace.
        value: 16 bytes, IPv4 as ::ffff:a.b.c.d.
    """

    device: int
    value: bytes


def text(value: bytes) -> str:
    """An address of 16 bytes as people write it."""
    if value.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, value[len(_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, value)


def from_text(address: str) -> bytes:
    """The 16 bytes of an address. Raises OSError when it is none."""
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return _MAPPED + socket.inet_pton(socket.AF_INET, address)


def read(netns: Netns) -> tuple[Address, ...]:
    """Addresses of the namespace without loopback and link-local ones. Raises SourceError, UnsupportedError."""
    return parse(netns.netlink(netlink.ROUTE, _REQUEST))


def parse(answer: bytes) -> tuple[Address, ...]:
    """Addresses in a dump. Raises SourceError on a message that is truncated or about something else."""
    found = []
    for kind, payload in netlink.messages(answer):
        if kind != _RTM_NEWADDR or len(payload) < _HEADER.size:
            raise SourceError("RTM_GETADDR", "a message about an address", payload[:32])
        family, _, _, _, device = _HEADER.unpack_from(payload)
        length = _LENGTHS.get(family)
        if length is None:
            continue
        attributes = netlink.attributes(payload, _HEADER.size)
        value = attributes.get(_LOCAL) or attributes.get(_ADDRESS, b"")
        if len(value) != length:
            raise SourceError("RTM_GETADDR", f"an address of {length} bytes", value)
        if family == socket.AF_INET:
            value = _MAPPED + value
        if _is_known_outside(value):
            found.append(Address(device, value))
    return tuple(found)


def _is_known_outside(value: bytes) -> bool:
    if value.startswith(_MAPPED):
        return value[len(_MAPPED)] != 127  # noqa: PLR2004 -- 127.0.0.0/8
    link_local = value[0] == 0xFE and value[1] & 0xC0 == 0x80  # noqa: PLR2004 -- fe80::/10
    return not link_local and value != _LOOPBACK6
