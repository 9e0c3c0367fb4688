"""What cheap files tell about the TCP sockets of a namespace: how many there are, and whether anything happened."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import procfs, snmp

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_SEGMENTS = ("InSegs", "OutSegs")


class Activity(NamedTuple):
    """Numbers of one namespace, IPv4 and IPv6 together.

    Args:
        sockets: TCP sockets in any state but CLOSED and TIME_WAIT; a request still in its handshake is none yet.
        time_wait: connections that live on only as TIME_WAIT entries, or as such in FIN_WAIT2.
        segments: TCP segments received and sent, retransmissions excluded, since the namespace began.
    """

    sockets: int
    time_wait: int
    segments: tuple[int | None, ...]


def read(netns: Netns) -> Activity:
    """From sockstat, sockstat6 and snmp; a kernel without IPv6 has no sockstat6."""
    sockets, time_wait = parse(netns.read("sockstat"), f"{netns.root}/net/sockstat")
    with suppress(UnsupportedError):
        sockets += parse6(netns.read("sockstat6"), f"{netns.root}/net/sockstat6")
    return Activity(sockets, time_wait, snmp.read(netns).pick("Tcp", _SEGMENTS))


def parse(content: bytes, path: str) -> tuple[int, int]:
    """IPv4 sockets in use and TIME_WAIT entries of both families. Raises SourceError."""
    words = _line(content, b"TCP:", path)
    found = dict(zip(words[1::2], words[2::2], strict=False))
    return _number(found, b"inuse", path), _number(found, b"tw", path)


def parse6(content: bytes, path: str) -> int:
    """IPv6 sockets in use. Raises SourceError."""
    words = _line(content, b"TCP6:", path)
    return _number(dict(zip(words[1::2], words[2::2], strict=False)), b"inuse", path)


def _line(content: bytes, name: bytes, path: str) -> list[bytes]:
    place = 0 if content.startswith(name) else content.find(b"\n" + name) + 1
    end = content.find(b"\n", place)
    if end < 0 or not content.startswith(name, place):
        raise SourceError(path, f"a line {name.decode()}", content[:80])
    return content[place:end].split()


def _number(found: dict[bytes, bytes], name: bytes, path: str) -> int:
    if name not in found:
        raise SourceError(path, f"a TCP line with {name.decode()}", b" ".join(found))
    return procfs.integer(found[name], path, "a whole number")
