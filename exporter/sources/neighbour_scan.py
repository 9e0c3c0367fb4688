"""Neighbour entries of each namespace as the kernel scan finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.bpf.neighbours import NeighbourScan
from exporter.model.scan import Answer, Part
from exporter.sources import neigh
from exporter.sources.neigh import State

if TYPE_CHECKING:
    from exporter.bpf.neighbours import Neighbours

_BITS = {state.bit_length() - 1: int(state) for state in State}


def entries(found: Neighbours) -> dict[str, dict[int, int]]:
    """What `neigh.read` returns."""
    return {
        family: states
        for family, counts in (("ipv4", found.ipv4), ("ipv6", found.ipv6))
        if any(counts) and (states := {state: counts[bit] for bit, state in _BITS.items() if counts[bit]})
    }


PART = Part("neighbours", NeighbourScan, (Answer(neigh.read, entries),))
