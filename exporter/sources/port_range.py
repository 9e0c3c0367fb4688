"""net.ipv4.ip_local_port_range: the ports that connections get by themselves, for IPv4 and IPv6 alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.errors import SourceError
from exporter.sources import procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_NAME = "ipv4/ip_local_port_range"


def read(netns: Netns) -> range:
    """The ports of a namespace. Raises UnsupportedError where it cannot be entered."""
    return parse(netns.sysctl(_NAME), f"/proc/sys/net/{_NAME}")


def parse(content: bytes, path: str) -> range:
    """First and last port, both included. Raises SourceError."""
    words = content.split()
    if len(words) != 2:  # noqa: PLR2004 -- the two ends
        raise SourceError(path, "two port numbers", content)
    low, high = (procfs.integer(word, path, "a port number") for word in words)
    return range(low, high + 1)
