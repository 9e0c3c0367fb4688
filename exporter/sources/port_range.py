"""net.ipv4.ip_local_port_range: the ports that connections get by themselves, for IPv4 and IPv6 alike.

The kernel keeps the sysctl entries of all namespaces under one name and looks through them one by one, so reading
it in 250 namespaces costs as much as all their sockets. It is set when a pod starts and hardly ever after: each
namespace's is read again in every twentieth cycle, in each cycle those of other namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError
from exporter.sources import procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

REREAD = 20  # cycles
_NAME = "ipv4/ip_local_port_range"


class PortRange(NamedTuple):
    """The ports of a namespace, and in how many cycles they are to be read again."""

    ports: range
    cycles: int


def read(netns: Netns) -> PortRange:
    """The ports, not older than `REREAD` cycles. Raises UnsupportedError where the namespace cannot be entered."""
    last = netns.last(read)
    if last is not None and last.cycles:
        return PortRange(last.ports, last.cycles - 1)
    ports = parse(netns.sysctl(_NAME), f"/proc/sys/net/{_NAME}")
    return PortRange(ports, REREAD - 1 if last is not None else netns.pod.netns % REREAD)


def parse(content: bytes, path: str) -> range:
    """First and last port, both included. Raises SourceError."""
    words = content.split()
    if len(words) != 2:  # noqa: PLR2004 -- the two ends
        raise SourceError(path, "two port numbers", content)
    low, high = (procfs.integer(word, path, "a port number") for word in words)
    return range(low, high + 1)
