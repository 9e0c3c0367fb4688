"""What a push request holds and what its answer means: `/loki/api/v1/push` of Loki 2 and 3.

JSON with gzip rather than protobuf with snappy: it needs no library, and of lines as alike as these gzip leaves less.
"""

from __future__ import annotations

import gzip
import json
import re
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.sinks.loki.streams import Labels

CONTENT_TYPE = "application/json"
ENCODING = "gzip"
_LEVEL = 1  # lines are alike: higher ones take several times as long for a few per cent
_OVERHEAD = 200  # bytes that Python takes for an entry besides the characters of its line
_TOO_MANY_REQUESTS = 429
_TIMEOUT = 408
_SERVER_ERRORS = range(500, 600)
_GOOD = range(200, 300)
LOGIN = (401, 403)
_IGNORED = re.compile(r"total ignored: ([0-9]{1,9}) out of ([0-9]{1,9})")


class Entry(NamedTuple):
    """One line on its way to Loki.

    Args:
        labels: its stream.
        time: of the event, nanoseconds since 1970.
        line: text.
    """

    labels: Labels
    time: int
    line: str

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.line) + _OVERHEAD


class Answer(NamedTuple):
    """What came back.

    Args:
        status: of HTTP; 0 when there was no answer.
        text: Loki's words, or what prevented an answer.
        retry_after: the header of this name, or empty.
    """

    status: int
    text: str
    retry_after: str = ""


class Fate(Enum):
    """What becomes of a batch."""

    DELIVERED = "delivered"
    RETRY = "retry"  # Loki is away or busy
    LOGIN = "login"  # refused until somebody corrects the credentials
    REFUSED = "refused"  # as Loki would every time


def fate(status: int) -> Fate:
    """What an answer means for the batch."""
    if status in _GOOD:
        return Fate.DELIVERED
    if status in LOGIN:
        return Fate.LOGIN
    if status in {0, _TIMEOUT, _TOO_MANY_REQUESTS} or status in _SERVER_ERRORS:
        return Fate.RETRY
    return Fate.REFUSED


def refused(text: str, count: int) -> int:
    """How many of `count` events Loki did not keep, going by its words.

    It refuses single events and keeps the rest. All of a batch are taken for refused unless the words account for all.
    """
    told = [(int(ignored), int(total)) for ignored, total in _IGNORED.findall(text)]
    return sum(ignored for ignored, _ in told) if sum(total for _, total in told) == count else count


def encode(entries: Iterable[Entry]) -> bytes:
    """Body of a push request. Entries of a stream are in the order of their times, as Loki wants them."""
    streams: dict[Labels, list[Entry]] = {}
    for entry in entries:
        streams.setdefault(entry.labels, []).append(entry)
    content = [
        {
            "stream": dict(labels),
            "values": [[str(each.time), each.line] for each in sorted(members, key=attrgetter("time"))],
        }
        for labels, members in streams.items()
    ]
    return gzip.compress(json.dumps({"streams": content}, separators=(",", ":")).encode(), _LEVEL, mtime=0)
