"""Room for packets on their way between two hooks: the user side of bpf/include/packets.h."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.model.probe import Option

if TYPE_CHECKING:
    from exporter.bpf.netns_latency import Given

PACKETS: Final = Option(
    name="packets", help="Room for how many packets that are under way at the same time.", default=16384
)

_PER_SET: Final = 4  # PACKETS_PER_SET


def room(given: Given) -> Given:
    """With the sizes that the option `packets` means."""
    sets = max(1, -(-given.values[PACKETS.name] // _PER_SET))
    return given._replace(
        variables={**given.variables, "packet_sets": sets}, entries={**given.entries, "packets": sets}
    )
