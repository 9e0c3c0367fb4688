"""The devices of every network namespace, by one eBPF program: what they counted, and whether any can hold packets."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import objects
from exporter.bpf.layout import bind
from exporter.bpf.netns_rows import CAPACITY, NetnsRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.bpf.btf import Btf

_SUMMARY: Final = struct.Struct("=8xIIQ")  # devices told, devices not told, devices that can hold packets


class Device(NamedTuple):
    """One device as the program found it; the name ends with zeros."""

    name: bytes
    rx_bytes: int
    rx_packets: int
    rx_errs: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errs: int
    tx_drop: int


class Devices(NamedTuple):
    """The devices of one namespace as one scan found them.

    Args:
        content: the row's bytes.
        told: devices with their numbers, in the kernel's order.
        untold: how many more there are, whose way of counting the program does not know.
        queues: how many of all have a queueing discipline that can hold packets.
    """

    content: bytes
    told: tuple[Device, ...]
    untold: int
    queues: int


class NetnsDevices(NetnsRows[Devices]):
    """The loaded program and the memory that it fills.

    Args:
        capacity: namespaces that have a place.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(objects.find("netns_devices"), self._decoder, capacity)

    @staticmethod
    def _decoder(types: Btf) -> Callable[[bytes], Devices]:
        device = bind(types, "device", Device)

        def decode(content: bytes) -> Devices:
            told, untold, queues = _SUMMARY.unpack_from(content)
            places = range(_SUMMARY.size, _SUMMARY.size + told * device.size, device.size)
            return Devices(content, tuple(device.unpack(content, place) for place in places), untold, queues)

        return decode
