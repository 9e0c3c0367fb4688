from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import neigh, netlink
from exporter.sources.neigh import State, Table
from tests.unit.sources.captured_answers import NEIGHBOURS

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = 76
FAMILY_OFFSET, STATE_OFFSET = 16, 24
ARP_CACHE = (
    b"entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast "
    b"periodic_gc_runs forced_gc_runs unresolved_discards table_fulls\n"
    b"00000011 00000003 00000002 00000000   00000008 00000000 00000005   00000000         00000000         "
    b"00000075         00000003       00000007            0000000b\n"
    b"00000011 00000001 00000000 00000000   00000012 00000006 0000000a   00000000         00000000         "
    b"00000000         00000001       00000000            8000000000000000\n"
)
PATH = "/proc/1/net/stat/arp_cache"


def test_entries_are_counted_and_those_without_resolution_left_out() -> None:
    assert neigh.parse(NEIGHBOURS) == {"ipv4": {State.PERMANENT: 2}}


def test_families_and_states_are_kept_apart() -> None:
    answer = bytearray(NEIGHBOURS)
    for number, (family, state) in enumerate([(10, 0x04), (10, 0x20), (2, 0x01), (10, 0x04)]):
        answer[number * MESSAGE + FAMILY_OFFSET] = family
        answer[number * MESSAGE + STATE_OFFSET] = state

    found = neigh.parse(bytes(answer))

    assert found == {"ipv6": {State.STALE: 2, State.FAILED: 1}, "ipv4": {State.INCOMPLETE: 1}}


def test_entries_of_other_families_are_not_counted() -> None:
    answer = bytearray(NEIGHBOURS)
    for number in range(4):
        answer[number * MESSAGE + FAMILY_OFFSET] = 7  # a bridge's

    assert neigh.parse(bytes(answer)) == {}


def test_an_empty_dump_is_no_entries(fake_netns: Callable[..., Any]) -> None:
    assert neigh.read(fake_netns(answers={netlink.ROUTE: NEIGHBOURS[-20:]})) == {}


@pytest.mark.parametrize("length", [len(NEIGHBOURS) - 1, MESSAGE * 4 - 1, MESSAGE - 1, 20, 3])
def test_a_truncated_dump_is_an_error(length: int) -> None:
    with pytest.raises(SourceError, match="RTM_GETNEIGH"):
        neigh.parse(NEIGHBOURS[:length])


@pytest.mark.parametrize(("offset", "byte"), [(0, 20), (4, 99)])
def test_a_message_about_something_else_is_an_error(offset: int, byte: int) -> None:
    answer = bytearray(NEIGHBOURS)
    answer[offset] = byte

    with pytest.raises(SourceError, match="a message about a neighbour"):
        neigh.parse(bytes(answer))


def test_counters_are_added_over_the_cpus_and_entries_are_not() -> None:
    assert neigh.parse_table(ARP_CACHE, PATH) == {
        "entries": 17,
        "res_failed": 15,
        "forced_gc_runs": 4,
        "unresolved_discards": 7,
        "table_fulls": 2**63 + 11,
    }


def test_a_kernel_that_prints_fewer_columns_has_fewer_numbers() -> None:
    assert neigh.parse_table(b"entries allocs\n00000002 00000003\n", PATH) == {"entries": 2}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", f"{PATH}: "),
        (ARP_CACHE[:-1], f"{PATH}: "),
        (ARP_CACHE.replace(b"entries ", b"things  ", 1), f"{PATH}: "),
        (ARP_CACHE.replace(b"0000000b\n", b"\n"), f"{PATH} line 2: "),
        (ARP_CACHE.replace(b"0000000a", b"0000000x"), f"{PATH} line 3: "),
    ],
)
def test_a_malformed_table_is_an_error_with_its_place(content: bytes, place: str) -> None:
    with pytest.raises(SourceError) as caught:
        neigh.parse_table(content, PATH)

    assert str(caught.value).startswith(place)


def test_both_tables_come_with_their_thresholds(fake_netns: Callable[..., Any]) -> None:
    small = b"entries table_fulls\n00000002 00000003\n"
    sysctls = {
        f"{family}/neigh/default/gc_thresh{level}": b"%d\n" % (level * size)
        for family, size in (("ipv4", 128), ("ipv6", 1024))
        for level in (1, 2, 3)
    }

    found = neigh.read_tables(fake_netns({"stat/arp_cache": small, "stat/ndisc_cache": small}, sysctls))

    thresholds = [{"gc_thresh1": size, "gc_thresh2": 2 * size, "gc_thresh3": 3 * size} for size in (128, 1024)]
    assert found == [
        Table("ipv4", {"entries": 2, "table_fulls": 3} | thresholds[0]),
        Table("ipv6", {"entries": 2, "table_fulls": 3} | thresholds[1]),
    ]


def test_a_kernel_without_ipv6_has_one_table_and_unreadable_thresholds_are_missing(
    fake_netns: Callable[..., Any],
) -> None:
    netns = fake_netns({"stat/arp_cache": b"entries\n00000002\n"}, {"ipv4/neigh/default/gc_thresh3": b"1024\n"})

    assert neigh.read_tables(netns) == [Table("ipv4", {"entries": 2, "gc_thresh3": 1024})]


def test_elsewhere_than_in_the_hosts_namespace_there_are_no_tables(fake_netns: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="exists only in the host's namespace"):
        neigh.read_tables(fake_netns())
