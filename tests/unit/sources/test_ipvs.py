from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import ipvs

if TYPE_CHECKING:
    from tests.conftest import FakeNetns

PATH = "/proc/1/net/ip_vs_stats"
CONTENT = b"""\
   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      1F       A0       B1             C0DE             BEEF

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       1        2        3                4                5
"""
TOTALS = b"      1F       A0       B1             C0DE             BEEF"


def test_totals_are_hexadecimal_and_packets_are_not_bytes(fake_netns: type[FakeNetns]) -> None:
    expected = ipvs.Ipvs(
        connections=31, incoming_packets=160, outgoing_packets=177, incoming_bytes=49374, outgoing_bytes=48879
    )
    assert ipvs.read(fake_netns(files={"ip_vs_stats": CONTENT})) == expected


def test_columns_wider_than_their_headings_and_numbers_above_2_to_63_are_read() -> None:
    wide = b"123456789 FFFFFFFFFFFFFFFF 8000000000000000 FEDCBA9876543210 1"
    expected = ipvs.Ipvs(0x123456789, 2**64 - 1, 2**63, 0xFEDCBA9876543210, 1)
    assert ipvs.parse(CONTENT.replace(TOTALS, wide), PATH) == expected


def test_without_the_module_its_name_is_told(fake_netns: type[FakeNetns]) -> None:
    with pytest.raises(UnsupportedError, match="modprobe ip_vs"):
        ipvs.read(fake_netns())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"{PATH}: expected two header lines"),
        (b"\n".join(CONTENT.split(b"\n")[:2]), f"{PATH}: expected two header lines"),
        (CONTENT.replace(TOTALS, TOTALS[:-5]), f"{PATH} line 3: expected 5 totals"),
        (CONTENT.replace(b"C0DE", b"C0DX"), f"{PATH} line 3: expected hexadecimal totals"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        ipvs.parse(content, PATH)
