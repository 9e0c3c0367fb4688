from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import slabinfo

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/proc/slabinfo"
CONTENT = b"""\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> \
<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCPv6                 26     26   2496   13    8 : tunables    0    0    0 : slabdata      2      2      0
tw_sock_TCP            5     32    256   16    1 : tunables    0    0    0 : slabdata      1      2      0
TCP                   21     26   2368   13    8 : tunables    0    0    0 : slabdata      2      2      0
"""


def test_only_the_named_caches_are_given_and_names_match_whole() -> None:
    expected = {"TCP": slabinfo.Cache(21, 26, 2368, 13, 8, 2), "tw_sock_TCP": slabinfo.Cache(5, 32, 256, 16, 1, 2)}
    assert slabinfo.parse(CONTENT, PATH, ("TCP", "tw_sock_TCP", "nf_conntrack")) == expected


def test_numbers_above_2_to_63_are_read() -> None:
    content = CONTENT.replace(b"   21 ", b"18446744073709551615 ")
    assert slabinfo.parse(content, PATH, ("TCP",))["TCP"].active_objs == 2**64 - 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected slabinfo version 2"),
        (CONTENT.replace(b"version: 2.1", b"version: 3.0"), "line 1: expected slabinfo version 2"),
        (CONTENT.replace(b"<num_objs> <objsize>", b"<objsize> <num_objs>"), "line 1: expected slabinfo version 2"),
        (CONTENT.replace(b"2368", b"many"), "line 5: expected five numbers"),
        (CONTENT[:-20], "line 5: expected five numbers"),
        (CONTENT[:-60], "line 5: expected five numbers"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=f"{PATH} {message}"):
        slabinfo.parse(content, PATH, ("TCP",))


def test_a_kernel_without_the_file_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="slabinfo does not exist"):
        slabinfo.read(tmp_path, ("TCP",))
