"""Where panels stand: left to right in 24 columns, rows below one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dashboards.panel import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.panel import Board, Panel, Row

COLUMNS = 24


class Place(NamedTuple):
    """Grid position and size."""

    x: int
    y: int
    width: int
    height: int


class Placed(NamedTuple):
    """A row with the place of its heading and of each panel."""

    row: Row
    place: Place
    panels: tuple[tuple[Panel, Place], ...]


def arrange(board: Board) -> Iterator[Placed]:
    """Rows with the places of their panels, top to bottom; a collapsed row takes one line only."""
    y = 0
    for row in board.rows:
        panels = tuple(_flow(row.panels, y + 1))
        yield Placed(row, Place(0, y, COLUMNS, 1), panels)
        y += 1
        if not row.collapsed:
            y = max((place.y + place.height for _, place in panels), default=y)


def _flow(panels: tuple[Panel, ...], y: int) -> Iterator[tuple[Panel, Place]]:
    line: list[Panel] = []
    for panel in panels:
        if sum(other.width for other in line) + panel.width > COLUMNS:
            yield from _line(line, y)
            y += max(other.height for other in line)
            line = []
        line.append(panel)
    yield from _line(line, y)


def _line(line: list[Panel], y: int) -> Iterator[tuple[Panel, Place]]:
    height = max((panel.height for panel in line), default=0)
    x = 0
    for panel in line:
        last = panel is line[-1]
        width = COLUMNS - x if last and panel.form is not Form.STAT else panel.width
        yield panel, Place(x, y, width, height)
        x += width
