from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError
from exporter.sources import snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Env

TREE = "6.18-x86_64-two-pods"


@pytest.fixture
def content(env_of: Callable[..., Env]) -> bytes:
    return (env_of(TREE).proc / "102/net/snmp").read_bytes()


@pytest.fixture
def netstat(env_of: Callable[..., Env]) -> bytes:
    return (env_of(TREE).proc / "102/net/netstat").read_bytes()


def test_picked_columns_come_in_the_order_they_were_asked_for(content: bytes) -> None:
    found = snmp.parse(content, "snmp").pick("Tcp", ("PassiveOpens", "ActiveOpens", "CurrEstab"))
    assert found == (0, 10, 4)


def test_maxconn_may_be_minus_one(content: bytes) -> None:
    assert snmp.parse(content, "snmp").pick("Tcp", ("MaxConn",)) == (-1,)


def test_a_section_whose_name_ends_like_another_is_not_mistaken_for_it(netstat: bytes) -> None:
    sections = snmp.parse(netstat, "netstat")
    assert sections.columns("TcpExt")[:2] == ("SyncookiesSent", "SyncookiesRecv")
    assert sections.columns("MPTcpExt")[:2] == ("MPCapableSYNRX", "MPCapableSYNTX")
    assert sections.columns("IpExt")[:2] == ("InNoRoutes", "InTruncatedPkts")


def test_a_column_that_an_old_kernel_lacks_is_a_gap(content: bytes) -> None:
    old = re.sub(rb"(Tcp:.*) InCsumErrors\n(Tcp:.*) \d+\n", rb"\1\n\2\n", content)
    assert snmp.parse(old, "snmp").pick("Tcp", ("ActiveOpens", "InCsumErrors", "PassiveOpens")) == (10, None, 0)


def test_a_column_that_a_new_kernel_adds_moves_nothing(content: bytes) -> None:
    new = re.sub(rb"(Tcp:.*) InCsumErrors\n(Tcp:.*) (\d+)\n", rb"\1 New InCsumErrors\n\2 77 \3\n", content)
    assert snmp.parse(new, "snmp").pick("Tcp", ("InCsumErrors", "New")) == (0, 77)


def test_layouts_of_two_kernels_can_alternate(content: bytes) -> None:
    new = content.replace(b"Tcp: RtoAlgorithm", b"Tcp: New RtoAlgorithm").replace(b"Tcp: 1 ", b"Tcp: 7 1 ")
    for text, expected in ((content, (None, 10)), (new, (7, 10)), (content, (None, 10))):
        assert snmp.parse(text, "snmp").pick("Tcp", ("New", "ActiveOpens")) == expected


def test_a_section_that_the_kernel_lacks_is_all_gaps(content: bytes) -> None:
    sections = snmp.parse(content, "snmp")
    assert sections.pick("Sctp", ("InSegs", "OutSegs")) == (None, None)
    assert sections.columns("Sctp") == ()


def test_counters_reach_the_end_of_64_bits(content: bytes) -> None:
    largest = content.replace(b"Tcp: 1 200 120000 -1 10 ", b"Tcp: 1 200 120000 -1 18446744073709551615 ")
    assert snmp.parse(largest, "snmp").pick("Tcp", ("ActiveOpens",)) == (18446744073709551615,)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        pytest.param(b"Tcp: 1 200", b"Tcp: 1", "snmp line 8", id="a value too few"),
        pytest.param(b"Tcp: 1 200", b"Tcp: 1 200 200", "snmp line 8", id="a value too many"),
        pytest.param(b"-1 10 ", b"-1 many ", "snmp line 8", id="a value that is no number"),
        pytest.param(b"Tcp: 1 200", b"Udp: 1 200", "snmp line 8", id="values of another protocol"),
    ],
)
def test_garbage_is_refused_with_its_place(content: bytes, old: bytes, new: bytes, place: str) -> None:
    assert old in content
    with pytest.raises(SourceError, match=place):
        snmp.parse(content.replace(old, new), "snmp").pick("Tcp", ("RtoMin", "ActiveOpens"))


@pytest.mark.parametrize("length", [0, 1, 100, 700])
def test_a_file_that_was_cut_short_is_refused(content: bytes, length: int) -> None:
    with pytest.raises(SourceError, match=r"snmp line \d+: expected a line end"):
        snmp.parse(content[:length], "snmp")


def test_a_header_without_values_is_refused(content: bytes) -> None:
    headers = content[: content.index(b"\nTcp: 1") + 1]
    with pytest.raises(SourceError, match="expected 15 values for Tcp"):
        snmp.parse(headers, "snmp").pick("Tcp", ("ActiveOpens",))
