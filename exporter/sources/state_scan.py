"""Sockets in use and the port range of each namespace as the kernel scan finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.bpf.netns_state import NetnsState
from exporter.errors import UnsupportedError
from exporter.model.scan import Answer, Part, compare
from exporter.sources import port_range, sockstat
from exporter.sources.port_range import PortRange

if TYPE_CHECKING:
    from exporter.bpf.netns_state import State
    from exporter.sources.sockstat import Sockets


def sockets(found: State) -> Sockets:
    """What /proc/net/sockstat prints of the namespace; the node-wide numbers are left out."""
    return found.sockets


def sockets6(found: State) -> Sockets:
    """What /proc/net/sockstat6 prints but UDPLITE. Raises UnsupportedError where IPv6 is off."""
    if not found.has_ip6:
        raise UnsupportedError("IPv6 is off; start the kernel without ipv6.disable=1 to have these numbers")
    return found.sockets6


def ports(found: State) -> PortRange:
    """The ports as they are now."""
    return PortRange(found.ports, 0)


def difference(before: Sockets, found: Sockets, after: Sockets) -> str:
    """The first number that stayed the same between two readings of the file, and is another in the scan."""
    for name, number in found.items():
        if before[name] == after[name] != number:
            return f"sockstat {name}: procfs {before[name]}, the scan {number}"
    return ""


def difference_of_ports(before: PortRange, found: PortRange, after: PortRange) -> str:
    """Empty where both are the same range."""
    return compare(before.ports, found.ports, after.ports)


PART = Part(
    "state",
    NetnsState,
    (
        Answer(sockstat.read, sockets, difference),
        Answer(sockstat.read6, sockets6, difference),
        Answer(port_range.read, ports, difference_of_ports),
    ),
)
