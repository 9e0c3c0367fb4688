"""Queueing disciplines of a namespace's devices, from an RTM_GETQDISC dump."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import GoneError, SourceError
from exporter.sources import netlink

if TYPE_CHECKING:
    from exporter.model.probe import Netns

# linux/rtnetlink.h, linux/pkt_sched.h, linux/gen_stats.h
_RTM_NEWLINK = 16
_RTM_GETLINK = 18
_RTM_NEWQDISC = 36
_RTM_GETQDISC = 38
_TCMSG = struct.Struct("=B3xiIII")  # family, device, handle, parent, info
_IFINFOMSG = struct.Struct("=BxHiII")  # family, type, device, flags, change
_REQUEST = netlink.request(_RTM_GETQDISC, _TCMSG.pack(0, 0, 0, 0, 0))
_TC_H_ROOT = 0xFFFFFFFF
_TCA_KIND = 1
_TCA_STATS = 3
_TCA_STATS2 = 7
_TCA_STATS_BASIC = 1
_TCA_STATS_QUEUE = 3
_TCA_STATS_PKT64 = 8
_IFLA_IFNAME = 3
_IFLA_EXT_MASK = 29

_OLD_STATS = struct.Struct("=QIIIIIII")  # bytes, packets, drops, overlimits, bps, pps, qlen, backlog
_BASIC = struct.Struct("=QI")  # bytes, packets
_QUEUE = struct.Struct("=IIIII")  # qlen, backlog, drops, requeues, overlimits
_LONG = struct.Struct("=Q")

# What a device without a queue has, such as a veth; the kind is always a discipline's first attribute.
_IS_NO_QUEUE = netlink.ATTRIBUTE.pack(netlink.ATTRIBUTE.size + 8, _TCA_KIND) + b"noqueue\0"
_WITHOUT_STATS = netlink.ATTRIBUTE.pack(netlink.ATTRIBUTE.size + 4, _IFLA_EXT_MASK) + struct.pack("=I", 1 << 3)


class Qdisc(NamedTuple):
    """The discipline at the root of one device; of a multi-queue one, the kernel's sum over the queues.

    Args:
        device: name of the device.
        kind: name of the discipline, for example fq_codel.
        bytes: sent.
        packets: sent; where the kernel gives 32 bits only, it wraps.
        drops: packets dropped; wraps at 32 bits, as do requeues and overlimits.
        overlimits: times a packet had to wait for its rate limit.
        requeues: times the device took a packet back.
        qlen: packets queued now.
        backlog: bytes queued now.
    """

    device: str
    kind: str
    bytes: int
    packets: int
    drops: int
    overlimits: int
    requeues: int | None
    qlen: int
    backlog: int


class Root(NamedTuple):
    """A discipline as the dump has it, before its device has a name."""

    number: int
    kind: str
    attributes: dict[int, bytes]


def read(netns: Netns) -> list[Qdisc]:
    """Root disciplines that can hold packets; pods rarely have any, so names are only asked for those that do."""
    found = []
    for root in parse(netns.netlink(netlink.ROUTE, _REQUEST)):
        try:
            found.append(statistics(root, _name(netns, root.number)))
        except GoneError:  # the device went away between the two requests, as those of pods do on a host
            continue
    return found


def _name(netns: Netns, index: int) -> str:
    payload = _IFINFOMSG.pack(0, 0, index, 0, 0) + _WITHOUT_STATS
    return parse_name(netns.netlink(netlink.ROUTE, netlink.request(_RTM_GETLINK, payload, netlink.NLM_F_REQUEST)))


def parse_name(answer: bytes) -> str:
    """Name of the device that a link message is about. Raises SourceError."""
    for kind, payload in netlink.messages(answer):
        name = netlink.attributes(payload, _IFINFOMSG.size).get(_IFLA_IFNAME)
        if kind == _RTM_NEWLINK and name:
            return name.rstrip(b"\0").decode("utf-8", "replace")
    raise SourceError("RTM_GETLINK", "the name of a device", answer[:64])


def parse(answer: bytes) -> list[Root]:
    """Disciplines at the root of a device, those without a queue left out. Raises SourceError."""
    roots = []
    for kind, payload in netlink.messages(answer):
        if kind != _RTM_NEWQDISC or len(payload) < _TCMSG.size:
            raise SourceError("RTM_GETQDISC", "a message about a queueing discipline", payload[:32])
        _, index, _, parent, _ = _TCMSG.unpack_from(payload)
        # The children of mq are summed by mq itself; adding them again would double every number.
        if parent != _TC_H_ROOT or payload.startswith(_IS_NO_QUEUE, _TCMSG.size):
            continue
        attributes = netlink.attributes(payload, _TCMSG.size)
        roots.append(Root(index, attributes.get(_TCA_KIND, b"").rstrip(b"\0").decode("utf-8", "replace"), attributes))
    return roots


def statistics(root: Root, device: str) -> Qdisc:
    """The numbers of one discipline. Raises SourceError when they are missing or cut short."""
    try:
        if _TCA_STATS2 not in root.attributes:
            return _old_statistics(root, device)
        nested = netlink.attributes(root.attributes[_TCA_STATS2])
        count, packets = _BASIC.unpack_from(nested[_TCA_STATS_BASIC])
        if _TCA_STATS_PKT64 in nested:
            (packets,) = _LONG.unpack_from(nested[_TCA_STATS_PKT64])
        qlen, backlog, drops, requeues, overlimits = _QUEUE.unpack_from(nested[_TCA_STATS_QUEUE])
    except (KeyError, struct.error) as error:
        raise SourceError("RTM_GETQDISC", f"the statistics of {root.kind} on {device}", str(error)) from error
    return Qdisc(device, root.kind, count, packets, drops, overlimits, requeues, qlen, backlog)


def _old_statistics(root: Root, device: str) -> Qdisc:
    """Kernels before 2.6.13, and modules that never learned more, give these and no requeues."""
    count, packets, drops, overlimits, _, _, qlen, backlog = _OLD_STATS.unpack_from(root.attributes[_TCA_STATS])
    return Qdisc(device, root.kind, count, packets, drops, overlimits, None, qlen, backlog)
