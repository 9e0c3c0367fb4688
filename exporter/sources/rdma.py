"""RDMA devices: which there are, counters of their ports from sysfs, resources in use by netlink.

`hw_counters` files hold the numbers that RDMA_NLDEV_CMD_STAT_GET would send; files need no socket and are part
of a captured tree.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import CollectError, NoDataError, SourceError, UnsupportedError
from exporter.sources import netlink, procfs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from exporter.model.metric import Unit
    from exporter.model.probe import Netns

MLX5, ERDMA, UNKNOWN = "mlx5", "erdma", "unknown"
TYPES = (MLX5, ERDMA, UNKNOWN)

_CLASS = "class/infiniband"
_THIS_KERNEL = f"/sys/{_CLASS}"
_UNREADABLE = b"N/A"  # what the kernel prints where the port cannot tell

# rdma/rdma_netlink.h
_NETLINK_RDMA = 20
_RES_GET = (5 << 10) + 9  # client RDMA_NL_NLDEV, RDMA_NLDEV_CMD_RES_GET
_DEV_NAME, _SUMMARY, _ENTRY, _ENTRY_NAME, _ENTRY_CURR = 2, 15, 16, 17, 18
_U64 = struct.Struct("=Q")
_TYPE_MASK = 0x3FFF

REQUEST_RESOURCES = netlink.request(_RES_GET, b"")


class Counter(NamedTuple):
    """What is known of one counter of a driver."""

    name: str  # the kernel's
    unit: Unit
    help: str
    advice: str = ""


def devices(sysfs: Path) -> dict[str, str]:
    """Type of each device, by name. Raises UnsupportedError without RDMA, NoDataError without a device."""
    path = f"{sysfs}/{_CLASS}"
    try:
        names = sorted(os.listdir(path))
    except FileNotFoundError as error:
        message = f"no RDMA device under {path}; it appears with the driver of an RDMA adapter"
        raise UnsupportedError(message) from error
    except OSError as error:
        raise SourceError(path, "a readable directory", error.strerror) from error
    if not names:
        raise NoDataError(f"no RDMA device under {path}, although RDMA is loaded")
    return {name: _type_of(name, path) for name in names}


def _type_of(name: str, path: str) -> str:
    """By the name that the driver gave; where udev renamed the device, by the driver."""
    prefix = name.partition("_")[0]
    if prefix not in TYPES:
        try:
            prefix = os.path.basename(os.readlink(f"{path}/{name}/device/driver")).partition("_")[0]
        except OSError:
            return UNKNOWN
    return prefix if prefix in TYPES else UNKNOWN


def read_ports(sysfs: Path, device: str, names: Collection[str]) -> dict[str, dict[str, int]]:
    """The named counters of each port, by port number. What a port does not have or cannot tell is missing.

    Only the named files are opened, because most cost a command to the adapter's firmware.
    """
    ports = sysfs / _CLASS / device / "ports"
    numbers = sorted((name for name in _entries(ports) if name.isdigit()), key=int)
    return {
        number: _read_counters(ports / number / "counters", names)
        | _read_counters(ports / number / "hw_counters", names)
        for number in numbers
    }


def _entries(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _read_counters(directory: Path, names: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in _entries(directory):
        if name not in names:
            continue
        path = directory / name
        try:
            content = procfs.read(path)
        except CollectError:  # a counter that this firmware refuses; the others are good
            continue
        if not content.startswith(_UNREADABLE):
            found[name] = procfs.integer(content, str(path), "a number")
    return found


def read_resources(netns: Netns) -> dict[str, dict[str, int]]:
    """Objects in use by device and kind: pd, cq, qp, cm_id, mr, ctx, srq."""
    # Opening the socket would make the kernel load its RDMA core on machines without any such adapter.
    if not os.path.isdir(_THIS_KERNEL):
        raise UnsupportedError(f"no RDMA device under {_THIS_KERNEL}")
    return parse_resources(netns.netlink(_NETLINK_RDMA, REQUEST_RESOURCES))


def parse_resources(answer: bytes) -> dict[str, dict[str, int]]:
    """Objects in use by device and kind. Raises SourceError on a device without name or a truncated message."""
    found: dict[str, dict[str, int]] = {}
    for kind, payload in netlink.messages(answer):
        if kind != _RES_GET:
            continue
        device = netlink.attributes(payload)
        if _DEV_NAME not in device:
            raise SourceError("RDMA netlink", "the name of a device", payload)
        found[_text(device[_DEV_NAME])] = dict(_entries_of(device.get(_SUMMARY, b"")))
    return found


def _entries_of(summary: bytes) -> Iterator[tuple[str, int]]:
    """The summary repeats one attribute per kind of object."""
    offset = 0
    while offset + netlink.ATTRIBUTE.size <= len(summary):
        length, kind = netlink.ATTRIBUTE.unpack_from(summary, offset)
        if length < netlink.ATTRIBUTE.size or offset + length > len(summary):
            raise SourceError("RDMA netlink", f"{length} bytes of attribute", summary[offset:])
        if kind & _TYPE_MASK == _ENTRY:
            entry = netlink.attributes(summary[offset + netlink.ATTRIBUTE.size : offset + length])
            current = entry.get(_ENTRY_CURR, b"")
            if _ENTRY_NAME not in entry or len(current) != _U64.size:
                raise SourceError("RDMA netlink", "name and number of a kind of object", summary[offset:])
            yield _text(entry[_ENTRY_NAME]), _U64.unpack(current)[0]
        offset += length + 3 & ~3


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("ascii", "replace")
