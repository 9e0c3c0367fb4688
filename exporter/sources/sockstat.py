"""/proc/net/sockstat and sockstat6: sockets that exist now, and the memory they hold.

Which columns belong to the namespace and which to the whole node was tried on Linux 6.18, with sockets, unread
data, half-received fragments and orphans in one of two namespaces while the other was read:

    per namespace   sockets: used; TCP: inuse, tw; UDP, UDPLITE, RAW: inuse; FRAG: inuse, memory; all of sockstat6
    node-wide       TCP: orphan, alloc, mem; UDP: mem

TCP and UDP memory is counted in pages, fragment memory in bytes. UDP memory lags: a processor settles its account
only after a mebibyte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from exporter.errors import SourceError
from exporter.sources import procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

# Protocol and column -> value, for example found["TCP tw"]; protocols are named alike in both files.
Sockets: TypeAlias = dict[str, int]


class _Layout(NamedTuple):
    names: tuple[str, ...]
    places: tuple[int, ...]  # of the numbers, among all words of the file
    width: int


_MOST_LAYOUTS = 16  # a kernel prints two
_DIGITS = b"0123456789"
_layouts: dict[bytes, _Layout] = {}  # by the file without its digits


def read(netns: Netns) -> Sockets:
    """IPv4 sockets of a namespace and the node-wide numbers; keys such as `TCP inuse` and `sockets used`."""
    return netns.parsed("sockstat", parse)


def read6(netns: Netns) -> Sockets:
    """IPv6 sockets of a namespace, under the same keys. Raises UnsupportedError where IPv6 is off."""
    return netns.parsed("sockstat6", parse)


def parse(content: bytes, path: str) -> Sockets:
    """Either file. Raises SourceError on a line that is not a protocol and pairs of a name and a number."""
    words = content.split()
    layout = _layouts.get(content.translate(None, _DIGITS))
    if layout is None or layout.width != len(words):
        layout = _learn(content, path)
    return dict(zip(layout.names, [int(words[place]) for place in layout.places], strict=True))


def _learn(content: bytes, path: str) -> _Layout:
    """Check every word; done once for each form of the file that a kernel prints."""
    if not content.endswith(b"\n"):
        raise SourceError(path, "a line end", content[-80:], line=content.count(b"\n") + 1)
    names: list[str] = []
    places: list[int] = []
    width = 0
    for number, line in enumerate(content.splitlines(), start=1):
        protocol, *pairs = line.split() or [b""]
        if len(pairs) % 2 or not protocol.endswith(b":"):
            raise SourceError(path, "a protocol, then names and numbers", line, line=number)
        for offset in range(0, len(pairs), 2):
            procfs.integer(pairs[offset + 1], path, "whole numbers", line=number)
            names.append(f"{protocol.decode('ascii', 'replace').rstrip(':').rstrip('6')} {pairs[offset].decode()}")
            places.append(width + offset + 2)
        width += 1 + len(pairs)
    layout = _Layout(tuple(names), tuple(places), width)
    if len(_layouts) < _MOST_LAYOUTS:
        _layouts[content.translate(None, _DIGITS)] = layout
    return layout
