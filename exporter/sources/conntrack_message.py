"""What ctnetlink says about a change of the connection tracking table."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.errors import SourceError
from exporter.sources import netlink

if TYPE_CHECKING:
    from exporter.model.event import Address

# linux/netfilter/nfnetlink.h: subsystem in the upper byte of a type, and the header behind netlink's own.
CONNTRACK: Final = 1
EXPECTATION: Final = 2
NEW: Final = 0
DELETE: Final = 2
NLM_F_CREATE: Final = 0x400
_FAMILY_BYTES: Final = 4
_U32: Final = struct.Struct(">I")
_PORT: Final = struct.Struct(">H")

# linux/netfilter/nfnetlink_conntrack.h
_ORIGINAL, _REPLY, _STATUS, _PROTOCOL_INFO = 1, 2, 3, 4
_EXPECTED_TUPLE: Final = 2
_ADDRESSES, _PROTOCOL = 1, 2
_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION = 1, 2, 3, 4
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_TCP, _TCP_STATE = 1, 1
_SEEN_REPLY: Final = 1 << 1  # linux/netfilter/nf_conntrack_common.h, as the others
_SOURCE_NAT: Final = 1 << 4
_DESTINATION_NAT: Final = 1 << 5
_STATES: Final = ("NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
                  "CLOSE", "SYN_SENT2")  # fmt: skip


class Ends(NamedTuple):
    """One direction of a connection.

    Args:
        protocol: number above IP.
        source: address.
        source_port: 0 where the protocol has none.
        destination: address.
        destination_port: 0 where the protocol has none.
    """

    protocol: int
    source: Address
    source_port: int
    destination: Address
    destination_port: int


class Change(NamedTuple):
    """One message.

    Args:
        kind: type of the message, subsystem included.
        created: whether it says that there was no such entry.
        original: from who began the connection, or is expected to.
        reply: of the answers, where told.
        replied: whether there was any.
        source_translated: whether who answers sees another source.
        destination_translated: whether somebody else answers.
        state: of TCP as the tracker names it, empty where it does not tell.
    """

    kind: int
    created: bool
    original: Ends
    reply: Ends | None = None
    replied: bool = False
    source_translated: bool = False
    destination_translated: bool = False
    state: str = ""


def parse(message: bytes) -> Change:
    """One message with its header. Raises SourceError."""
    if len(message) < netlink.HEADER.size + _FAMILY_BYTES:
        raise SourceError("ctnetlink", "a whole message header", message)
    _, kind, flags, _, _ = netlink.HEADER.unpack_from(message)
    found = netlink.attributes(message, netlink.HEADER.size + _FAMILY_BYTES)
    expectation = kind >> 8 == EXPECTATION
    original = found.get(_EXPECTED_TUPLE if expectation else _ORIGINAL)
    if original is None:
        raise SourceError("ctnetlink", "the ends of a connection", message)
    if expectation:
        return Change(kind, bool(flags & NLM_F_CREATE), _ends(original))
    status = _number(found.get(_STATUS, bytes(4)), _U32)
    reply = _ends(found[_REPLY]) if _REPLY in found else None
    return Change(
        kind,
        bool(flags & NLM_F_CREATE),
        _ends(original),
        reply,
        replied=bool(status & _SEEN_REPLY),
        source_translated=bool(status & _SOURCE_NAT),
        destination_translated=bool(status & _DESTINATION_NAT),
        state=_state(found.get(_PROTOCOL_INFO, b"")),
    )


def _state(raw: bytes) -> str:
    tcp = netlink.attributes(netlink.attributes(raw).get(_TCP, b"")).get(_TCP_STATE, b"")
    return _STATES[tcp[0]] if tcp and tcp[0] < len(_STATES) else ""


def _ends(raw: bytes) -> Ends:
    nested = netlink.attributes(raw)
    addresses = netlink.attributes(nested.get(_ADDRESSES, b""))
    protocol = netlink.attributes(nested.get(_PROTOCOL, b""))
    source = _address(addresses, _V4_SOURCE, _V6_SOURCE)
    destination = _address(addresses, _V4_DESTINATION, _V6_DESTINATION)
    number = protocol.get(_NUMBER, b"")
    if len(number) != 1:
        raise SourceError("ctnetlink", "the number of a protocol", raw)
    ports = (_number(protocol.get(each, bytes(2)), _PORT) for each in (_SOURCE_PORT, _DESTINATION_PORT))
    source_port, destination_port = ports
    return Ends(number[0], source, source_port, destination, destination_port)


def _address(found: dict[int, bytes], v4: int, v6: int) -> Address:
    raw = found.get(v4, b"") or found.get(v6, b"")
    if len(raw) == 4:  # noqa: PLR2004 -- bytes of an IPv4 address
        return IPv4Address(raw)
    if len(raw) == 16:  # noqa: PLR2004 -- of an IPv6 address
        return IPv6Address(raw)
    raise SourceError("ctnetlink", "an address", raw)


def _number(raw: bytes, layout: struct.Struct) -> int:
    if len(raw) != layout.size:
        raise SourceError("ctnetlink", f"a number of {layout.size} bytes", raw)
    number: int = layout.unpack(raw)[0]
    return number
