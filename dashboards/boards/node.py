"""One node: all subjects in the host's own namespace, and the pods of the node that suffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panel import Board, Row
from dashboards.views import NODES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from dashboards.panel import Panel
    from dashboards.subject import Subject

_OPEN = 2  # subjects shown at once; the rest opens on a click, and asks nothing before


def board(subjects: Iterable[Subject], suffering: tuple[Panel, ...], optional: AbstractSet[str]) -> Board:
    """The board of a node; `suffering` are tables of its pods."""
    rows = (
        row
        for position, subject in enumerate(subjects)
        for row in subject.rows(NODES, optional, collapsed=position >= _OPEN)
    )
    return Board(
        slug="node",
        title="net-exporter / Node",
        description="One node: its own network by subject, and those of its pods that suffer most.",
        rows=(Row("In trouble now", suffering), *rows),
    )
