"""/proc/net/snmp6: IPv6, ICMPv6 and UDP over IPv6 counters of a namespace, a name and a number on each line."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import snmp

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_MOST_PLANS = 64  # one per table


class Counters(Protocol):
    """Counters by the kernel's names."""

    def pick(self, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not count. Raises SourceError on garbage."""


class FileCounters:
    """The counters of one file; what is not asked for stays text.

    Args:
        words: the kernel's name -> text of the number.
        path: where they came from, for error messages.
    """

    __slots__ = ("_path", "_words")

    def __init__(self, words: dict[bytes, bytes], path: str) -> None:
        self._words = words
        self._path = path

    def columns(self) -> tuple[str, ...]:
        """Names the kernel prints."""
        return tuple(name.decode("ascii", "replace") for name in self._words)

    def pick(self, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not print. Raises SourceError on garbage."""
        words = tuple(map(self._words.get, _encoded(columns)))
        try:
            return tuple(map(snmp.number, words))
        except ValueError as error:
            raise SourceError(self._path, "whole numbers", words) from error


def read(netns: Netns) -> Counters:
    """All counters of a namespace. Raises UnsupportedError where IPv6 is off."""
    try:
        return netns.parsed("snmp6", parse)
    except UnsupportedError as error:
        message = f"{error}: IPv6 is off; start the kernel without ipv6.disable=1 to have these counters"
        raise UnsupportedError(message) from error


def parse(content: bytes, path: str) -> FileCounters:
    """The file. Raises SourceError when it was cut short or is not pairs of a name and a number."""
    words = content.split()
    if len(words) % 2 or not content.endswith(b"\n"):
        raise SourceError(path, "a name and a number on each line", content[-80:], line=content.count(b"\n") + 1)
    return FileCounters(dict(zip(words[::2], words[1::2], strict=True)), path)


@lru_cache(maxsize=_MOST_PLANS)
def _encoded(columns: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(column.encode() for column in columns)
