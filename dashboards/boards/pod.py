"""One pod: all subjects that a pod has numbers of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panel import Board
from dashboards.views import PODS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from dashboards.subject import Subject

_OPEN = 2  # as on the board of a node


def board(subjects: Iterable[Subject], optional: AbstractSet[str]) -> Board:
    """The board of a pod."""
    rows = (
        row
        for position, subject in enumerate(subjects)
        for row in subject.rows(PODS, optional, collapsed=position >= _OPEN)
    )
    return Board(
        slug="pod",
        title="net-exporter / Pod",
        description="One pod, or a few side by side: traffic, connections and losses by subject.",
        rows=tuple(rows),
    )
