"""/proc/net/snmp and /proc/net/netstat: pairs of lines, names then values, for each protocol.

The files are alike, so one parser serves both. Together they hold some 300 numbers per namespace, of which the
probes want a third. So the names of a section are read once for as long as the kernel prints the same header, a
line of values is only split when somebody picks from it, and only what is picked becomes a number.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from exporter.errors import SourceError

if TYPE_CHECKING:
    from exporter.model.probe import Counters, Netns

_HEADER = re.compile(rb"\w+: [A-Z]")
_MOST_PLANS = 256  # one per layout and table


class _Layout:
    """What one header line says; compared by identity, as there is one per header."""

    __slots__ = ("header", "places", "prefix", "width")

    def __init__(self, header: bytes) -> None:
        words = header.decode("ascii", "replace").split()
        self.header = header  # with its line end
        self.prefix = words[0].encode() + b" "
        self.places = {name: place for place, name in enumerate(words) if place}
        self.width = len(words)


class _Numbers(dict[bytes | None, int | None]):
    """Text to number. Two thirds of a healthy pod's counters are 0, and looking that up takes a fourth of int()."""

    def __missing__(self, text: bytes) -> int:
        return int(text)


# Number of a text, None of None; raises ValueError.
number = _Numbers({b"0": 0, None: None}).__getitem__
_layouts: dict[str, _Layout] = {}  # by section asked for, so as many as the probes name


class Sections:
    """The counters of one file.

    Args:
        content: the whole file.
        path: where it came from, for error messages.
    """

    __slots__ = ("_content", "_path", "_picked")

    def __init__(self, content: bytes, path: str) -> None:
        self._content = content
        self._path = path
        self._picked: dict[tuple[str, tuple[str, ...]], tuple[int | None, ...]] = {}

    def columns(self, section: str) -> tuple[str, ...]:
        """Names the kernel prints for a section; empty when it does not know the section."""
        start = self._find(section)
        return () if start < 0 else tuple(self._layout(section, start).places)

    def pick(self, section: str, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not print. Raises SourceError on garbage."""
        picked = self._picked.get((section, columns))
        if picked is None:
            picked = self._picked[section, columns] = self._pick(section, columns)
        return picked

    def _pick(self, section: str, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        start = self._find(section)
        if start < 0:
            return (None,) * len(columns)
        layout = self._layout(section, start)
        begin = start + len(layout.header)
        values = self._content[begin : self._content.find(b"\n", begin)]
        words = values.split()
        if len(words) != layout.width or not values.startswith(layout.prefix):
            raise SourceError(self._path, f"{layout.width - 1} values for {section}", values, line=self._line(begin))
        places, absent = _plan(layout, columns)
        try:
            found: tuple[int | None, ...] = tuple(map(number, map(words.__getitem__, places)))
        except ValueError as error:
            raise SourceError(self._path, "whole numbers", values, line=self._line(begin)) from error
        return _with_gaps(found, absent) if absent else found

    def _find(self, section: str) -> int:
        """Where the section's header begins, or -1."""
        name = f"{section}: ".encode()
        if self._content.startswith(name):
            return 0
        place = self._content.find(b"\n" + name)
        return place if place < 0 else place + 1

    def _layout(self, section: str, start: int) -> _Layout:
        known = _layouts.get(section)
        if known is not None and self._content.startswith(known.header, start):
            return known
        layout = _layouts[section] = _Layout(self._content[start : self._content.find(b"\n", start) + 1])
        return layout

    def _line(self, offset: int) -> int:
        return self._content.count(b"\n", 0, offset) + 1


def read(netns: Netns) -> Counters:
    """IPv4 MIB counters of a namespace: sections Ip, Icmp, Tcp, Udp."""
    return netns.parsed("snmp", parse)


def read_netstat(netns: Netns) -> Counters:
    """Linux's own counters of a namespace: sections TcpExt, IpExt."""
    return netns.parsed("netstat", parse)


def parse(content: bytes, path: str) -> Sections:
    """Either file. Raises SourceError when it was cut short; other faults show when the section is picked from."""
    if not content.endswith(b"\n"):
        raise SourceError(path, "a line end", content[-80:], line=content.count(b"\n") + 1)
    if not _HEADER.match(content):
        raise SourceError(path, "a protocol and the names of its counters", content[:80], line=1)
    return Sections(content, path)


@lru_cache(maxsize=_MOST_PLANS)
def _plan(layout: _Layout, columns: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where in the line the wanted columns are, and which of the wanted ones it lacks."""
    places = tuple(layout.places[name] for name in columns if name in layout.places)
    absent = tuple(position for position, name in enumerate(columns) if name not in layout.places)
    return places, absent


def _with_gaps(found: tuple[int | None, ...], absent: tuple[int, ...]) -> tuple[int | None, ...]:
    values = list(found)
    for position in absent:
        values.insert(position, None)
    return tuple(values)
