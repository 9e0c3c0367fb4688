from __future__ import annotations

from dashboards.grid import Place, arrange
from dashboards.panel import Board, Panel, Query, Row
from exporter.model.promql import rate, total
from exporter.probes import udp

QUERY = Query(total(rate(udp.NO_PORTS)), "")


def panel(title: str, width: int, height: int) -> Panel:
    return Panel(title=title, description="What.", queries=(QUERY,), width=width, height=height)


def places(*rows: Row) -> list[tuple[Place, list[Place]]]:
    board = Board(slug="x", title="X", description="X.", rows=rows)
    return [(placed.place, [place for _, place in placed.panels]) for placed in arrange(board)]


def test_panels_flow_left_to_right_and_the_last_of_a_line_fills_it() -> None:
    row = Row("R", (panel("a", 12, 8), panel("b", 12, 6), panel("c", 10, 5)))
    assert places(row, Row("S", ())) == [
        (Place(0, 0, 24, 1), [Place(0, 1, 12, 8), Place(12, 1, 12, 8), Place(0, 9, 24, 5)]),
        (Place(0, 14, 24, 1), []),
    ]


def test_a_collapsed_row_takes_one_line() -> None:
    row = Row("R", (panel("a", 24, 8),), collapsed=True)
    assert places(row, Row("S", (panel("b", 24, 8),))) == [
        (Place(0, 0, 24, 1), [Place(0, 1, 24, 8)]),
        (Place(0, 1, 24, 1), [Place(0, 2, 24, 8)]),
    ]
