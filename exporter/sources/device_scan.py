"""What the devices of each namespace counted, and that none of them has a queue, as the kernel scan finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.bpf.netns_devices import NetnsDevices
from exporter.model.scan import Answer, Part
from exporter.sources import netdev, qdisc
from exporter.sources.netdev import Traffic

if TYPE_CHECKING:
    from exporter.bpf.netns_devices import Devices
    from exporter.sources.qdisc import Qdisc


def traffic(found: Devices) -> dict[str, Traffic] | None:
    """Traffic of each device; None where one counts in a way that the scan does not know."""
    if found.untold:
        return None
    return {
        name.rstrip(b"\0").decode("utf-8", "surrogateescape"): Traffic._make(numbers) for name, *numbers in found.told
    }


def disciplines(found: Devices) -> list[Qdisc] | None:
    """Nothing, where no device has a discipline that can hold packets; None where one has, for the kernel to list."""
    return None if found.queues else []


def difference(before: dict[str, Traffic], found: dict[str, Traffic], after: dict[str, Traffic]) -> str:
    """The first number of a device that was there both times and does not lie between what it was then."""
    for device in before.keys() & after.keys():
        if device not in found:
            return f"{device} is in /proc/net/dev, not in the scan"
        numbers = zip(Traffic._fields, before[device], found[device], after[device], strict=True)
        for name, low, number, high in numbers:
            if not low <= number <= high:
                return f"{device} {name}: procfs {low}, then scan {number}, then procfs {high}"
    return ""


PART = Part("devices", NetnsDevices, (Answer(netdev.read, traffic, difference), Answer(qdisc.read, disciplines)))
