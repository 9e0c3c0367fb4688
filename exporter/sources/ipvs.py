"""/proc/net/ip_vs_stats: what all virtual services of IPVS have done, hexadecimal, per namespace.

Two header lines, a line of five totals, then the same as rates, which nobody needs who has totals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_FILE = "ip_vs_stats"
_TOTALS_LINE = 3


class Ipvs(NamedTuple):
    """Totals since IPVS was loaded, in the order of the file."""

    connections: int
    incoming_packets: int
    outgoing_packets: int
    incoming_bytes: int
    outgoing_bytes: int


def read(netns: Netns) -> Ipvs:
    """Totals of a namespace. Raises UnsupportedError where IPVS is not loaded."""
    try:
        content = netns.read(_FILE)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error}; kube-proxy in IPVS mode loads it, or modprobe ip_vs") from error
    return parse(content, f"{netns.root}/net/{_FILE}")


def parse(content: bytes, path: str) -> Ipvs:
    """The totals line; columns may be wider than their headings. Raises SourceError when it is not as expected."""
    lines = content.splitlines()
    if len(lines) < _TOTALS_LINE:
        raise SourceError(path, "two header lines and a line of totals", content)
    line = lines[_TOTALS_LINE - 1]
    words = line.split()
    if len(words) != len(Ipvs._fields):
        raise SourceError(path, f"{len(Ipvs._fields)} totals", line, line=_TOTALS_LINE)
    return Ipvs(*(procfs.integer(word, path, "hexadecimal totals", base=16, line=_TOTALS_LINE) for word in words))
