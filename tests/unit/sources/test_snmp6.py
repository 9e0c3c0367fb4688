from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import snmp6

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Env


@pytest.fixture
def content(env_of: Callable[..., Env]) -> bytes:
    return (env_of("6.18-x86_64-two-pods").proc / "102/net/snmp6").read_bytes()


def test_columns_are_picked_by_the_kernels_names(content: bytes) -> None:
    wanted = ("Udp6OutDatagrams", "Ip6OutNoRoutes", "Icmp6InDestUnreachs", "Ip6Unheard")
    assert snmp6.parse(content, "snmp6").pick(wanted) == (3, 1, 1, None)


def test_counters_reach_the_end_of_64_bits(content: bytes) -> None:
    lines = content.splitlines()
    lines[0] = b"Ip6InReceives\t18446744073709551615"
    assert snmp6.parse(b"\n".join([*lines, b""]), "snmp6").pick(("Ip6InReceives",)) == (18446744073709551615,)


def test_lines_that_a_new_kernel_adds_move_nothing(content: bytes) -> None:
    assert snmp6.parse(b"Ip6New \t5\n" + content, "snmp6").pick(("Ip6OutNoRoutes",)) == (1,)


def test_a_file_that_was_cut_short_is_refused(content: bytes) -> None:
    with pytest.raises(SourceError, match=r"snmp6 line \d+: expected a name and a number on each line"):
        snmp6.parse(content[:-5], "snmp6")


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(SourceError, match="expected whole numbers"):
        snmp6.parse(b"Ip6InReceives many\n", "snmp6").pick(("Ip6InReceives",))


def test_a_kernel_without_ipv6_says_how_to_have_it(fake_netns: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"ipv6\.disable=1"):
        snmp6.read(fake_netns())
