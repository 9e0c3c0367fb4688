"""Packets on their way between two hooks, which of them are measured and their room: bpf/include/packets.h.

given = under_way(Given.read(env, "kernellatency", OPTIONS))     # OPTIONS has *PACKETS
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.bpf.sampling import option, sampled
from exporter.model.probe import Option

if TYPE_CHECKING:
    from exporter.bpf.netns_latency import Given

_ROOM: Final = Option(
    name="packets",
    help="Room for how many packets that are under way at the same time, measured or not.",
    default=16384,
)
_SAMPLE: Final = option("packets")
PACKETS: Final = (_ROOM, _SAMPLE)

_PER_SET: Final = 4  # PACKETS_PER_SET


def under_way(given: Given) -> Given:
    """With what the options `PACKETS` mean. Only what is measured takes room, so that little stays in the caches."""
    measured = -(-given.values[_ROOM.name] // max(1, given.values[_SAMPLE.name]))
    sets = max(1, -(-measured // _PER_SET))
    given = sampled(given)
    return given._replace(
        variables={**given.variables, "packet_sets": sets}, entries={**given.entries, "packets": sets}
    )
