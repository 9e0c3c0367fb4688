"""Suspects that all pods of a node share: its tables, its processors, its devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.rules import device as device_rules
from alerts.rules import node as rules
from dashboards.suspect import Suspect, share
from dashboards.units import Show
from dashboards.views import label_of
from exporter.probes import (
    biolatency,
    conntrack,
    kernellatency,
    neigh,
    netdev,
    netiftxlat,
    qdisc,
    softirq,
    softnet,
    virtcmdlatency,
)

if TYPE_CHECKING:
    from dashboards.views import View
    from exporter.model.promql import Expr

_FIVE_MINUTES = 300.0
_TEN_MINUTES = 600.0


def _device_drops(view: View) -> Expr:
    lost = view.rate(netdev.RX_DROPPED) + view.rate(netdev.TX_DROPPED)
    carried = view.rate(netdev.RX_PACKETS) + view.rate(netdev.TX_PACKETS)
    return share(lost, carried, device_rules.DROPS)


TABLE_FULL = Suspect(
    title="Connection table full",
    shows="Tracked connections for each that the table may hold.",
    of=lambda view: view.share(view.now(conntrack.ENTRIES), view.now(conntrack.MAX_ENTRIES)),
    unit=Show.SHARE,
    board="conntrack",
    rules=(rules.CONNTRACK_NEARLY_FULL, rules.CONNTRACK_FULL),
)
INSERT_RACES = Suspect(
    title="Tracking races",
    shows="Entries refused because an equal one had come first, as with two DNS questions sent at once.",
    of=lambda view: view.rate(conntrack.INSERT_FAILED),
    unit=Show.PER_SECOND,
    board="conntrack",
    rules=(rules.CONNTRACK_INSERT,),
)
TRACKING_DROPS = Suspect(
    title="Dropped by tracking",
    shows="Packets dropped, and connections thrown out, because the connection tracking table had no room.",
    of=lambda view: view.rate(conntrack.DROP) + view.rate(conntrack.EARLY_DROP),
    unit=Show.PER_SECOND,
    board="conntrack",
    rules=(rules.CONNTRACK_DROPPING,),
    window=_FIVE_MINUTES,
)
FIT_NO_CONNECTION = Suspect(
    title="Packets of no connection",
    shows="Packets that fit no tracked connection, and so are not translated back.",
    of=lambda view: view.rate(conntrack.INVALID),
    unit=Show.PACKETS_PER_SECOND,
    board="conntrack",
)
DEVICE_DROPS = Suspect(
    title="Devices drop",
    shows="Share of packets that network devices drop on receive and send.",
    of=_device_drops,
    unit=Show.SHARE,
    board="traffic",
    rules=(device_rules.DROPS,),
)
QUEUE_DROPS = Suspect(
    title="Device queues overflow",
    shows="Share of packets that the queueing disciplines of devices drop before they are sent.",
    of=lambda view: share(view.rate(qdisc.DROPS), view.rate(qdisc.PACKETS), device_rules.QDISC_DROPS),
    unit=Show.SHARE,
    board="traffic",
    rules=(device_rules.QDISC_DROPS,),
)
BACKLOG_DROPS = Suspect(
    title="Backlog drops",
    shows="Packets dropped because the backlog of a processor was full.",
    of=lambda view: view.rate(softnet.DROPPED),
    unit=Show.PACKETS_PER_SECOND,
    board="softnet",
    rules=(rules.SOFTNET_DROPS,),
    window=_FIVE_MINUTES,
)
CUT_SHORT = Suspect(
    title="Receive loops cut short",
    shows="Receive loops that ended with packets left, for each packet processed.",
    of=lambda view: share(view.rate(softnet.TIME_SQUEEZE), view.rate(softnet.PROCESSED), rules.SOFTNET_SQUEEZED),
    unit=Show.SHARE,
    board="softnet",
    rules=(rules.SOFTNET_SQUEEZED,),
)
NEIGHBOURS_FULL = Suspect(
    title="Neighbour table full",
    shows="How often the neighbour table had no room for another address.",
    of=lambda view: view.rate(neigh.TABLE_FULLS),
    unit=Show.PER_SECOND,
    board="neighbours",
    rules=(rules.NEIGHBOURS_FULL,),
    window=_TEN_MINUTES,
)
SOFT_INTERRUPTS_WAIT = Suspect(
    title="Soft interrupts wait",
    shows="What 99% of the waits of soft interrupts stay below, by type.",
    of=lambda view: view.value(softirq.SCHEDULE_SECONDS, label_of(softirq.SCHEDULE_SECONDS, "softirq_type")),
    unit=Show.SECONDS,
    board="softnet",
)
IP_LAYER = Suspect(
    title="Slow IP layer",
    shows="What 99% of received packets stay below from the device to their protocol.",
    of=lambda view: view.value(kernellatency.RX.seconds),
    unit=Show.SECONDS,
    board="latency",
)
DEVICE_QUEUES_WAIT = Suspect(
    title="Waits in device queues",
    shows="What 99% of packets stay below in the queue of a device.",
    of=lambda view: view.value(netiftxlat.QDISC.seconds),
    unit=Show.SECONDS,
    board="latency",
)
SLOW_DISKS = Suspect(
    title="Slow disks",
    shows="What 99% of requests to block devices stay below, in the device.",
    of=lambda view: view.value(biolatency.DEVICE_SECONDS, label_of(biolatency.DEVICE_SECONDS, "device")),
    unit=Show.SECONDS,
    board="latency",
)
SLOW_HOST = Suspect(
    title="Slow commands to the host",
    shows="What 99% of the control commands of virtio network devices stay below.",
    of=lambda view: view.value(virtcmdlatency.SECONDS),
    unit=Show.SECONDS,
    board="latency",
)
