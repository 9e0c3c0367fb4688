"""/proc/net/dev: packets and bytes of each network device of a namespace."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.probe import Netns

_HEADER_LINES = 2
_COLUMNS = 16  # eight for each direction since Linux 2.2; the layout is fixed by the programs that read it
_pick = itemgetter(0, 1, 2, 3, 8, 9, 10, 11)  # the first four of each direction


class Traffic(NamedTuple):
    """Counters of one device, or of several added up. The kernel adds several causes into `errs` and `drop`."""

    rx_bytes: int
    rx_packets: int
    rx_errs: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errs: int
    tx_drop: int


def read(netns: Netns) -> dict[str, Traffic]:
    """Traffic of each device, in the kernel's order, loopback included."""
    return netns.parsed("dev", parse)


def parse(content: bytes, path: str) -> dict[str, Traffic]:
    """Device name -> traffic. Raises SourceError on a line that is not a device's or is cut short."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    if lines[-1] or len(lines) <= _HEADER_LINES:
        raise SourceError(path, "two header lines, then whole lines", lines[-1], line=len(lines))
    found: dict[str, Traffic] = {}
    for number, line in enumerate(lines[_HEADER_LINES:-1], start=_HEADER_LINES + 1):
        name, colon, rest = line.rpartition(":")
        words = rest.split()
        if not colon or len(words) < _COLUMNS:
            raise SourceError(path, f"a device and {_COLUMNS} numbers", line, line=number)
        try:
            found[name.strip()] = Traffic._make(map(int, _pick(words)))
        except ValueError as error:
            raise SourceError(path, "whole numbers", line, line=number) from error
    return found


def total(traffic: Iterable[Traffic]) -> Traffic:
    """All devices added up."""
    return Traffic(*map(sum, zip(*traffic, strict=True)))
