from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError
from exporter.sources import addresses, netlink
from exporter.sources.addresses import Address

if TYPE_CHECKING:
    from collections.abc import Callable

DONE = netlink.HEADER.pack(20, netlink.NLMSG_DONE, 2, 1, 0) + bytes(4)


def message(device: int, address: str, local: str = "", *, kind: int = 20, family: int = 0) -> bytes:
    inferred = socket.AF_INET6 if ":" in address else socket.AF_INET
    payload = struct.pack("=BBBBI", family or inferred, 24, 0, 0, device)
    for number, text in ((1, address), (2, local)):
        if text:
            value = socket.inet_pton(inferred, text)
            payload += netlink.ATTRIBUTE.pack(4 + len(value), number) + value
    return netlink.HEADER.pack(16 + len(payload), kind, 2, 1, 0) + payload


@pytest.mark.parametrize("text", ["192.0.2.7", "fd00::7", "::fffe:c000:207"])
def test_addresses_survive_the_way_to_bytes_and_back(text: str) -> None:
    assert len(addresses.from_text(text)) == 16
    assert addresses.text(addresses.from_text(text)) == text


def test_addresses_that_mean_something_elsewhere_are_found_with_their_device(fake_netns: Callable[..., Any]) -> None:
    answer = b"".join((
        message(1, "127.0.0.1"), message(1, "127.3.2.1"), message(1, "::1"), message(2, "fe80::1"),
        message(2, "febf::1"), message(2, "192.0.2.7"), message(3, "fec0::1"), message(3, "fd00::7"), DONE,
    ))  # fmt: skip

    assert addresses.read(fake_netns(answers={netlink.ROUTE: answer})) == (
        Address(2, addresses.from_text("192.0.2.7")),
        Address(3, addresses.from_text("fec0::1")),
        Address(3, addresses.from_text("fd00::7")),
    )


def test_a_device_with_a_peer_has_its_own_address_not_the_peers() -> None:
    assert addresses.parse(message(4, "192.0.2.1", "192.0.2.2")) == (Address(4, addresses.from_text("192.0.2.2")),)


def test_other_families_are_left_out() -> None:
    assert addresses.parse(message(4, "192.0.2.1", family=28)) == ()


@pytest.mark.parametrize(
    "answer",
    [
        message(2, "192.0.2.7")[:-1],
        message(2, "192.0.2.7", kind=16),
        message(2, "192.0.2.7", family=socket.AF_INET6),
        netlink.HEADER.pack(24, 20, 2, 1, 0) + struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 2),
        netlink.HEADER.pack(18, 20, 2, 1, 0) + bytes(2),
    ],
    ids=["truncated", "about something else", "of the wrong length", "without address", "without header"],
)
def test_a_malformed_dump_is_an_error(answer: bytes) -> None:
    with pytest.raises(SourceError, match=r"RTM_GETADDR|netlink"):
        addresses.parse(answer)
