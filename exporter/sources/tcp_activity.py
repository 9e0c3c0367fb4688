"""What cheap files tell about the TCP sockets of a namespace: how many there are, and whether anything happened."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import snmp

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_TCP = re.compile(rb"^TCP: inuse (\d+) orphan \d+ tw (\d+)\b", re.MULTILINE)
_TCP6 = re.compile(rb"^TCP6: inuse (\d+)$", re.MULTILINE)
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
    sockets, time_wait = netns.parsed("sockstat", parse)
    with suppress(UnsupportedError):
        sockets += netns.parsed("sockstat6", parse6)
    return Activity(sockets, time_wait, snmp.read(netns).pick("Tcp", _SEGMENTS))


def parse(content: bytes, path: str) -> tuple[int, int]:
    """IPv4 sockets in use and TIME_WAIT entries of both families. Raises SourceError."""
    found = _TCP.search(content)
    if found is None:
        raise SourceError(path, "a line `TCP: inuse N orphan N tw N`", content[:80])
    return int(found[1]), int(found[2])


def parse6(content: bytes, path: str) -> int:
    """IPv6 sockets in use. Raises SourceError."""
    found = _TCP6.search(content)
    if found is None:
        raise SourceError(path, "a line `TCP6: inuse N`", content[:80])
    return int(found[1])
