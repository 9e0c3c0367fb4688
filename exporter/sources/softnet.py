"""/proc/net/softnet_stat: one line per CPU, hexadecimal, the same in every namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError
from exporter.sources import procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_FEWEST_COLUMNS = 3  # all kernels since 2.6 print at least these


class Softnet(NamedTuple):
    """Work of the receive soft interrupt, added over all CPUs."""

    processed: int
    dropped: int
    time_squeeze: int


def read(netns: Netns) -> Softnet:
    """The node's totals."""
    return netns.parsed("softnet_stat", parse)


def parse(content: bytes, path: str) -> Softnet:
    """Totals over the CPUs. Raises SourceError on a short or non-hexadecimal line."""
    if not content.endswith(b"\n"):
        raise SourceError(path, "a line for each CPU", content[-80:])
    totals = [0] * _FEWEST_COLUMNS
    for number, line in enumerate(content.splitlines(), start=1):
        words = line.split()
        if len(words) < _FEWEST_COLUMNS:
            raise SourceError(path, f"at least {_FEWEST_COLUMNS} columns", line, line=number)
        for column in range(_FEWEST_COLUMNS):
            totals[column] += procfs.integer(words[column], path, "hexadecimal numbers", base=16, line=number)
    return Softnet(*totals)
