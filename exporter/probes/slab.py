"""Kernel memory that the network stack's objects take."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import NoDataError
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import slabinfo

if TYPE_CHECKING:
    from exporter.model.probe import Cycle

TCP = "TCP"
# What grows in network trouble: sockets by protocol, half-open and closing connections, packets, routes.
CACHES = (
    TCP,
    "TCPv6",
    "UDP",
    "UDPv6",
    "sock_inode_cache",
    "request_sock_TCP",
    "request_sock_TCPv6",
    "tw_sock_TCP",
    "tw_sock_TCPv6",
    "tcp_bind_bucket",
    "tcp_bind2_bucket",
    "nf_conntrack",
    "skbuff_head_cache",
    "skbuff_fclone_cache",
    "skbuff_small_head",
    "ip_dst_cache",
    "ip6_dst_cache",
)

_gauge = partial(Metric, probe="slab", kind=Kind.GAUGE, scope=Scope.NODE, source="/proc/slabinfo")
_CACHE = Label(name="cache", help="Object cache, by the kernel's name.", values=CACHES)
_LEAK = "Compare with the sockets in ss -s: many more objects than sockets are orphans or a leak in the kernel."

TCP_OBJECTS_PER_SLAB = _gauge(
    name="tcpslabobjperslab",
    column="objperslab",
    unit=Unit.OBJECTS,
    help="IPv4 TCP sockets that fit into one slab.",
)
TCP_PAGES_PER_SLAB = _gauge(
    name="tcpslabpagesperslab",
    column="pagesperslab",
    unit=Unit.PAGES,
    help="Pages of memory in one slab of IPv4 TCP sockets.",
)
TCP_ACTIVE = _gauge(
    name="tcpslabobjactive",
    column="active_objs",
    unit=Unit.OBJECTS,
    help="IPv4 TCP sockets in use on the node.",
    advice=_LEAK,
)
TCP_ALLOCATED = _gauge(
    name="tcpslabobjnum",
    column="num_objs",
    unit=Unit.OBJECTS,
    help="IPv4 TCP sockets for which the node has set memory aside.",
    advice=_LEAK,
)
TCP_SIZE = _gauge(
    name="tcpslabobjsize",
    column="objsize",
    unit=Unit.BYTES,
    help="Memory that one IPv4 TCP socket takes.",
)
ACTIVE = _gauge(
    name="objects_active",
    unit=Unit.OBJECTS,
    help="Objects of the cache in use on the node.",
    labels=(_CACHE,),
    advice=_LEAK,
)
ALLOCATED = _gauge(
    name="objects",
    unit=Unit.OBJECTS,
    help="Objects of the cache for which the node has set memory aside.",
    labels=(_CACHE,),
)
OBJECT_SIZE = _gauge(
    name="object_size_bytes",
    unit=Unit.BYTES,
    help="Memory that one object of the cache takes.",
    labels=(_CACHE,),
)
MEMORY = _gauge(
    name="memory_bytes",
    unit=Unit.BYTES,
    help="Memory that the cache takes on the node, its free objects included.",
    labels=(_CACHE,),
    advice="The cache that grows names the culprit: connections, packets queued in the kernel, or routes.",
)

TCP_METRICS = (TCP_OBJECTS_PER_SLAB, TCP_PAGES_PER_SLAB, TCP_ACTIVE, TCP_ALLOCATED, TCP_SIZE)
CACHE_METRICS = (ACTIVE, ALLOCATED, OBJECT_SIZE, MEMORY)


def collect(cycle: Cycle) -> list[Table]:
    """One row for the TCP sockets, one per cache; a cache that the kernel merged with another has none."""
    caches = slabinfo.read(cycle.env.proc, CACHES)
    if not caches:
        raise NoDataError(
            f"{cycle.env.proc}/slabinfo has no network cache; slab_nomerge keeps the kernel from merging them"
        )
    page = os.sysconf("SC_PAGE_SIZE")
    tables = []
    if TCP in caches:
        tcp = Table(TCP_METRICS)
        tcp.pick(cycle.host, caches[TCP]._asdict())
        tables.append(tcp)
    each = Table(CACHE_METRICS)
    for name, cache in caches.items():
        memory = cache.num_slabs * cache.pagesperslab * page
        each.add(cycle.host, (cache.active_objs, cache.num_objs, cache.objsize, memory), name)
    return [*tables, each]


PROBE = ProbeSpec(
    name="slab",
    summary="Kernel memory taken by sockets, packets, tracked connections and routes of the node.",
    metrics=(*TCP_METRICS, *CACHE_METRICS),
    open=stateless(collect),
    requires=(Requirement(RequirementKind.FILE, "/proc/slabinfo", "only root may read it; nothing else tells"),),
)
