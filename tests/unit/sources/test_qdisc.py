from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import GoneError, SourceError
from exporter.sources import netlink, qdisc
from exporter.sources.qdisc import Qdisc
from tests.unit.sources.captured_answers import QDISCS

if TYPE_CHECKING:
    from collections.abc import Callable

MQ = Qdisc("eth0", "mq", bytes=23966, packets=23, drops=0, overlimits=0, requeues=0, qlen=0, backlog=0)
TBF = Qdisc("br0", "tbf", bytes=1042, packets=1, drops=17, overlimits=22, requeues=0, qlen=5, backlog=5210)


def attribute(kind: int, value: bytes) -> bytes:
    return netlink.ATTRIBUTE.pack(netlink.ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def link(name: bytes) -> bytes:
    """An RTM_NEWLINK message."""
    return netlink.request(16, bytes(16) + attribute(13, bytes(4)) + attribute(3, name + b"\0"), 0)


class _Netns:
    """Answers the dump and the requests for names; a device it has no name for is gone."""

    def __init__(self, names: dict[int, bytes], dump: bytes = QDISCS) -> None:
        self._names = names
        self._dump = dump
        self.asked: list[int] = []

    def netlink(self, protocol: int, request: bytes) -> bytes:
        _, kind, flags, _, _ = netlink.HEADER.unpack_from(request)
        if (protocol, kind) == (netlink.ROUTE, 38):
            return self._dump
        assert (protocol, kind, flags) == (netlink.ROUTE, 18, netlink.NLM_F_REQUEST)
        (index,) = struct.unpack_from("=i", request, netlink.HEADER.size + 4)
        self.asked.append(index)
        if index not in self._names:
            raise GoneError("No such device")
        return link(self._names[index])


def test_root_disciplines_are_read_and_only_those_with_a_queue_are_named() -> None:
    netns: Any = _Netns({3: b"eth0", 4: b"br0"})

    assert qdisc.read(netns) == [MQ, TBF]
    assert netns.asked == [3, 4]


def test_a_device_that_goes_away_meanwhile_costs_only_its_own_row() -> None:
    netns: Any = _Netns({4: b"br0"})

    assert qdisc.read(netns) == [TBF]


def test_a_name_that_is_not_text_is_shown_all_the_same() -> None:
    assert qdisc.parse_name(link(b"e\xff0")) == "e\N{REPLACEMENT CHARACTER}0"


def test_an_answer_without_a_name_is_an_error() -> None:
    with pytest.raises(SourceError, match="the name of a device"):
        qdisc.parse_name(netlink.request(16, bytes(16), 0))


def root(**attributes: bytes) -> qdisc.Root:
    numbers = {"stats": 3, "stats2": 7}
    return qdisc.Root(3, "fq", {numbers[name]: value for name, value in attributes.items()})


BASIC = attribute(1, struct.pack("=QI4x", 2**63 + 5, 7))
QUEUE = attribute(3, struct.pack("=IIIII", 2, 3, 5, 11, 13))


def test_bytes_above_two_to_the_sixty_three_and_64_bit_packets_are_kept() -> None:
    packets = attribute(8, struct.pack("=Q", 2**63 + 1))

    found = qdisc.statistics(root(stats2=BASIC + packets + QUEUE), "eth0")

    assert found == Qdisc("eth0", "fq", 2**63 + 5, 2**63 + 1, drops=5, overlimits=13, requeues=11, qlen=2, backlog=3)


def test_old_statistics_serve_where_there_are_no_newer_ones() -> None:
    old = struct.pack("=QIIIIIII", 2**63 + 5, 7, 5, 13, 0, 0, 2, 3)

    found = qdisc.statistics(root(stats=old), "eth0")

    assert found == Qdisc("eth0", "fq", 2**63 + 5, 7, drops=5, overlimits=13, requeues=None, qlen=2, backlog=3)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"stats": bytes(35)},
        {"stats2": BASIC},
        {"stats2": QUEUE},
        {"stats2": BASIC + attribute(3, bytes(19))},
        {"stats2": attribute(1, bytes(8)) + QUEUE},
    ],
)
def test_missing_or_short_statistics_are_an_error_that_names_the_device(attributes: dict[str, bytes]) -> None:
    with pytest.raises(SourceError, match="the statistics of fq on eth0"):
        qdisc.statistics(root(**attributes), "eth0")


@pytest.mark.parametrize("length", [len(QDISCS) - 1, len(QDISCS) - 21, 150, 17])
def test_a_truncated_dump_is_an_error(length: int) -> None:
    with pytest.raises(SourceError):
        qdisc.parse(QDISCS[:length])


def test_a_message_about_something_else_is_an_error() -> None:
    with pytest.raises(SourceError, match="a message about a queueing discipline"):
        qdisc.parse(link(b"eth0"))


def test_a_namespace_without_disciplines_has_no_rows(fake_netns: Callable[..., Any]) -> None:
    assert qdisc.read(fake_netns(answers={netlink.ROUTE: QDISCS[-20:]})) == []
