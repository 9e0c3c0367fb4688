"""Messages of ctnetlink, as they are and broken."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import SourceError
from exporter.sources import conntrack_message, netlink
from exporter.sources.conntrack_message import Change, Ends

CREATED = 0x600  # NLM_F_CREATE | NLM_F_EXCL
NESTED = 0x8000


def attribute(kind: int, *content: bytes) -> bytes:
    raw = b"".join(content)
    return netlink.ATTRIBUTE.pack(netlink.ATTRIBUTE.size + len(raw), kind) + raw + bytes(-len(raw) % 4)


def ends(kind: int, source: str, destination: str, protocol: int, *ports: int) -> bytes:
    packed = [ip_address(each).packed for each in (source, destination)]
    first = 1 if len(packed[0]) == 4 else 3
    addresses = attribute(NESTED | 1, *(attribute(first + at, each) for at, each in enumerate(packed)))
    numbers = [attribute(2 + at, port.to_bytes(2, "big")) for at, port in enumerate(ports)]
    return attribute(NESTED | kind, addresses, attribute(NESTED | 2, attribute(1, bytes([protocol])), *numbers))


def message(kind: int, flags: int, *content: bytes) -> bytes:
    raw = bytes((2, 0, 0, 0)) + b"".join(content)
    return netlink.HEADER.pack(netlink.HEADER.size + len(raw), kind, flags, 0, 0) + raw


TRANSLATED = message(
    1 << 8,
    CREATED,
    ends(1, "192.0.2.7", "192.0.2.1", 6, 40100, 80),
    ends(2, "198.51.100.9", "203.0.113.5", 6, 8080, 50001),
    attribute(3, (0x3A).to_bytes(4, "big")),
    attribute(NESTED | 4, attribute(NESTED | 1, attribute(1, b"\x03"))),
)


def test_a_translated_connection_is_read_in_both_directions_with_ports_in_host_order() -> None:
    assert conntrack_message.parse(TRANSLATED) == Change(
        256,
        created=True,
        original=Ends(6, ip_address("192.0.2.7"), 40100, ip_address("192.0.2.1"), 80),
        reply=Ends(6, ip_address("198.51.100.9"), 8080, ip_address("203.0.113.5"), 50001),
        replied=True,
        source_translated=True,
        destination_translated=True,
        state="ESTABLISHED",
    )


def test_ipv6_without_ports_or_answer_is_read_too() -> None:
    raw = message(1 << 8 | 2, 0, ends(1, "fd77::1", "fd77::2", 58))
    original = Ends(58, ip_address("fd77::1"), 0, ip_address("fd77::2"), 0)
    assert conntrack_message.parse(raw) == Change(258, created=False, original=original)


def test_an_expectation_is_told_with_the_ends_that_are_expected() -> None:
    master = ends(1, "192.0.2.7", "192.0.2.1", 6, 40100, 21)
    raw = message(2 << 8, CREATED, master, ends(2, "192.0.2.1", "192.0.2.7", 6, 0, 50001))
    original = Ends(6, ip_address("192.0.2.1"), 0, ip_address("192.0.2.7"), 50001)
    assert conntrack_message.parse(raw) == Change(512, created=True, original=original)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "a whole message header"),
        (TRANSLATED[:19], "a whole message header"),
        (message(256, 0), "the ends of a connection"),
        (message(256, 0, attribute(1)), "the number of a protocol|an address"),
        (message(256, 0, attribute(1, attribute(1, attribute(1, b"xx")))), "an address"),
        (TRANSLATED[:40], "bytes of attribute"),
    ],
)
def test_a_broken_message_is_refused_by_name(raw: bytes, expected: str) -> None:
    with pytest.raises(SourceError, match=f"expected .*({expected})"):
        conntrack_message.parse(raw)


@given(st.integers(0, len(TRANSLATED) - 1), st.binary(min_size=1, max_size=4))
def test_whatever_is_wrong_with_one_is_a_source_error(at: int, junk: bytes) -> None:
    broken = TRANSLATED[:at] + junk + TRANSLATED[at + len(junk) :]
    with suppress(SourceError):
        conntrack_message.parse(broken)
