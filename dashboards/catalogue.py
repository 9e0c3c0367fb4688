"""All dashboards, in the order in which somebody looks for a cause."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from dashboards import further
from dashboards.boards import (
    conntrack,
    drops,
    exporter,
    flows,
    ip,
    ipvs,
    latency,
    memory,
    neighbours,
    node,
    overview,
    pod,
    processes,
    rdma,
    signs,
    sockets,
    softnet,
    tcp,
    traffic,
    udp,
)
from dashboards.scenarios import dns, jitter, nginx, resets
from exporter.errors import DeclarationError

if TYPE_CHECKING:
    from dashboards.panel import Board
    from exporter.registry import Registry

SUBJECTS = tuple(
    module.SUBJECT
    for module in (
        traffic,
        tcp,
        drops,
        latency,
        udp,
        ip,
        sockets,
        conntrack,
        flows,
        ipvs,
        softnet,
        processes,
        neighbours,
        memory,
        rdma,
    )
)
SCENARIOS = tuple(module.SCENARIO for module in (dns, nginx, resets, jitter))


@cache
def boards(registry: Registry) -> tuple[Board, ...]:
    """Every board, complete with what nobody composed. Raises DeclarationError on a contradiction."""
    known = {spec.name for spec in registry.probes}
    optional = {spec.name for spec in registry.probes if not spec.default}
    composed = (
        overview.BOARD,
        node.board(SUBJECTS, (signs.PODS_IN_TROUBLE,), optional),
        pod.board(SUBJECTS, optional),
        *(scenario.board(optional) for scenario in SCENARIOS),
        *(subject.board(optional) for subject in SUBJECTS),
        exporter.BOARD,
    )
    for board in composed:
        if missing := set(board.probes) - known:
            raise DeclarationError(f"board {board.slug} names unknown probes {sorted(missing)}")
    found = (
        *(further.complete(board, registry) for board in composed),
        *further.unclaimed(composed, registry),
    )
    slugs = [board.slug for board in found]
    if len(slugs) != len(set(slugs)):
        raise DeclarationError(f"two boards share a slug among {slugs}")
    return found
