"""Kernel memory that networking takes. Node-wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.subject import Subject, worst_nodes
from dashboards.units import Show
from dashboards.views import Topic, label_of, line, topic
from exporter.probes import slab

if TYPE_CHECKING:
    from exporter.model.metric import Metric


_CACHE = label_of(slab.MEMORY, "cache")


def _by_cache(metric: Metric, title: str, description: str, unit: Show) -> Topic:
    return Topic(title, description, unit, (line(metric, "{cache}", _CACHE),))


SUBJECT = Subject(
    slug="memory",
    title="Kernel memory",
    description="Memory that the kernel takes for sockets, packets, tracked connections and routes.",
    probes=("slab",),
    tables=(
        worst_nodes(
            slab.MEMORY,
            "Largest caches",
            "Memory that each object cache takes now, free objects included. The one that grows names the culprit.",
            keep=(_CACHE,),
        ),
    ),
    topics=(
        _by_cache(
            slab.MEMORY,
            "Memory by cache",
            "Memory that each object cache takes. Steady growth is a leak of sockets, packets or routes.",
            Show.BYTES,
        ),
        _by_cache(
            slab.ACTIVE,
            "Objects in use by cache",
            "Objects in use. Compare with the sockets that programs hold: many more are orphans.",
            Show.NUMBER,
        ),
        topic(
            "IPv4 TCP sockets in kernel memory",
            "Sockets in use and sockets with memory set aside. A gap between the two is memory not yet given back.",
            (slab.TCP_ACTIVE, "in use"),
            (slab.TCP_ALLOCATED, "memory set aside"),
        ),
        _by_cache(
            slab.ALLOCATED,
            "Objects with memory set aside by cache",
            "Objects for which memory is set aside. It falls only when whole slabs become free.",
            Show.NUMBER,
        ),
    ),
)
