"""Which of the host's devices lead off the node.

A packet on its way to a pod is counted again by every bond, bridge, tunnel and veth that it passes; adding up all
devices of a host would count it two to five times.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import procfs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ROUTE_COLUMNS = 8  # device, destination, gateway, flags, ..., mask
_ROUTE6_COLUMNS = 10  # destination, its prefix length, ..., flags, device
_REJECT = 0x200  # RTF_REJECT of linux/route.h: the "unreachable" route that every IPv6 namespace ends with


def devices(present: Iterable[str], sys: Path, proc: Path) -> tuple[str, ...]:
    """Those of the host's devices that count a packet when it enters or leaves the node.

    They are the ones with hardware behind them; where none has (the node is itself a container), those that carry a
    default route. Never `lo`.

    Args:
        present: names of the host's devices.
        sys: root of a sysfs that shows the host's devices.
        proc: root of a procfs, for the host's routes.
    """
    candidates = [device for device in present if device != "lo"]
    hardware = tuple(device for device in candidates if _is_hardware(f"{sys}/class/net/{device}"))
    if hardware:
        return hardware
    carriers = _default_route_devices(proc)
    return tuple(device for device in candidates if device in carriers)


def _is_hardware(device: str) -> bool:
    """A virtual function enslaved to a Hyper-V or failover device is left out: its master counts its packets too."""
    return os.path.lexists(f"{device}/device") and not os.path.lexists(f"{device}/master/device")


def _default_route_devices(proc: Path) -> frozenset[str]:
    found: set[str] = set()
    for name, parse in (("route", parse_route), ("ipv6_route", parse_ipv6_route)):
        path = proc / "1" / "net" / name
        try:
            found |= parse(procfs.read(path), str(path))
        except UnsupportedError:
            continue  # the kernel has this family switched off
    return frozenset(found)


def parse_route(content: bytes, path: str) -> set[str]:
    """Devices of the default routes in /proc/net/route. Raises SourceError."""
    found = set()
    for number, line in enumerate(content.splitlines()[1:], start=2):
        words = line.split()
        if len(words) < _ROUTE_COLUMNS:
            raise SourceError(path, f"{_ROUTE_COLUMNS} columns", line, line=number)
        flags = procfs.integer(words[3], path, "hexadecimal flags", base=16, line=number)
        if not flags & _REJECT and not words[1].strip(b"0") and not words[7].strip(b"0"):
            found.add(os.fsdecode(words[0]))
    return found


def parse_ipv6_route(content: bytes, path: str) -> set[str]:
    """Devices of the default routes in /proc/net/ipv6_route. Raises SourceError."""
    found = set()
    for number, line in enumerate(content.splitlines(), start=1):
        words = line.split()
        if len(words) < _ROUTE6_COLUMNS:
            raise SourceError(path, f"{_ROUTE6_COLUMNS} columns", line, line=number)
        flags = procfs.integer(words[8], path, "hexadecimal flags", base=16, line=number)
        if not flags & _REJECT and not words[0].strip(b"0") and not words[1].strip(b"0"):
            found.add(os.fsdecode(words[9]))
    return found
