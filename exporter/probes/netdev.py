"""Packets and bytes of network devices: a pod's all added up, the host's only where they leave the node."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import netdev, uplink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.probe import Cycle

_counter = partial(Metric, probe="netdev", kind=Kind.COUNTER, scope=Scope.NETNS, source="/proc/<pid>/net/dev")

RX_BYTES = _counter(
    name="rxbytes",
    unit=Unit.BYTES,
    column="rx_bytes",
    help="Bytes received on all devices but loopback, for the node on its uplinks.",
)
RX_ERRORS = _counter(
    name="rxerrors",
    unit=Unit.PACKETS,
    column="rx_errs",
    help="Packets received with an error.",
    advice="Look at `ethtool -S` of the device: bad frames mean cable, optics or a duplex mismatch.",
)
TX_BYTES = _counter(
    name="txbytes",
    unit=Unit.BYTES,
    column="tx_bytes",
    help="Bytes sent on all devices but loopback, for the node on its uplinks.",
)
TX_ERRORS = _counter(
    name="txerrors",
    unit=Unit.PACKETS,
    column="tx_errs",
    help="Packets that could not be sent because of an error.",
    advice="Look at `ethtool -S` and the kernel log for the device: carrier loss, time-outs, faulty driver.",
)
RX_PACKETS = _counter(name="rxpackets", unit=Unit.PACKETS, column="rx_packets", help="Packets received.")
RX_DROPPED = _counter(
    name="rxdropped",
    unit=Unit.PACKETS,
    column="rx_drop",
    help="Received packets that were dropped by the device or because nobody wanted their protocol.",
    advice="Raise the device's ring (`ethtool -G`), look at softnet drops, and see which protocols arrive unasked for.",
)
TX_PACKETS = _counter(name="txpackets", unit=Unit.PACKETS, column="tx_packets", help="Packets sent.")
TX_DROPPED = _counter(
    name="txdropped",
    unit=Unit.PACKETS,
    column="tx_drop",
    help="Outgoing packets dropped before the device took them.",
    advice="The queue of the device overflows: look at qdisc drops, bandwidth limits and the sender's bursts.",
)

METRICS = (RX_BYTES, RX_ERRORS, TX_BYTES, TX_ERRORS, RX_PACKETS, RX_DROPPED, TX_PACKETS, TX_DROPPED)


def collect(cycle: Cycle) -> list[Table]:
    """One row per namespace; none for one without a device that counts."""
    table = Table(METRICS)
    for pod, devices in cycle.over(netdev.read):
        counted = _uplinks(cycle, devices) if pod.is_host else [name for name in devices if name != "lo"]
        if counted:
            table.pick(pod, netdev.total([devices[name] for name in counted])._asdict())
    return [table]


def _uplinks(cycle: Cycle, devices: Iterable[str]) -> tuple[str, ...]:
    return uplink.devices(devices, cycle.env.sys, cycle.env.proc)


PROBE = ProbeSpec(
    name="netdev",
    summary="Packets, bytes, errors and drops of network devices, per pod and for the node's uplinks.",
    metrics=METRICS,
    open=stateless(collect),
    readers=(netdev.read,),
)
