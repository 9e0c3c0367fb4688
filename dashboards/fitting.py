"""Which features of Grafana the panels use, and bringing a board to a version that has them or has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.targets import grafana
from alerts.targets.feature import Note
from dashboards import modern
from dashboards.legacy_panels import STYLE as LEGACY_STYLE
from dashboards.panel import Form
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from alerts.targets.feature import Feature
    from alerts.targets.grafana import Grafana
    from dashboards.grafana_tree import Json
    from dashboards.panel import Board, Panel

_NAMED = 3  # panels of a board that are named in the report; more are counted


def _has_window(panel: Panel) -> bool:
    rendering = Rendering(Naming.KUBESKOOP, LEGACY_STYLE.window)
    return any(LEGACY_STYLE.window in query.expr.render(rendering) for query in panel.queries)


def _has_colours_in_cells(panel: Panel) -> bool:
    steps = (panel.steps if query.steps is None else query.steps for query in panel.queries)
    return panel.form is Form.TABLE and any(steps)


USED: dict[Feature, Callable[[Panel], bool]] = {
    grafana.NODE_GRAPH: lambda panel: panel.form is Form.NODE_GRAPH,
    grafana.STATE_TIMELINE: lambda panel: panel.form is Form.STATE_TIMELINE,
    grafana.LINKS_KEEP_CHOICE: lambda panel: bool(panel.links),
    grafana.RATE_INTERVAL: _has_window,
    grafana.HEATMAP_OPTIONS: lambda panel: panel.form is Form.HEATMAP,
    grafana.CELL_OPTIONS: _has_colours_in_cells,
}


def notes(boards: Iterable[Board], version: Grafana) -> Iterator[Note]:
    """What the panels would use and the version lacks."""
    boards = tuple(boards)
    for feature, used in USED.items():
        places = () if version.has(feature) else tuple(_places(boards, used))
        if places:
            yield Note(feature, places)


def fit(board: Json, version: Grafana) -> Json:
    """JSON for 8.4 to 13 as JSON for the version and later ones, in the schema that it writes itself."""
    return {
        **board,
        "panels": [_fit_panel(panel, version) for panel in board["panels"]],
        "schemaVersion": version.schema,
    }


def _fit_panel(panel: Json, version: Grafana) -> Json:
    if panel["type"] == "row":
        return {**panel, "panels": [_fit_panel(inner, version) for inner in panel["panels"]]}
    panel = {**panel, "pluginVersion": f"{version.oldest[0]}.{version.oldest[1]}.0"}
    if panel["type"] == "heatmap" and version.has(grafana.HEATMAP_OPTIONS):
        return {key: value for key, value in panel.items() if key not in modern.HEATMAP_BEFORE}
    if panel["type"] == "table" and version.has(grafana.CELL_OPTIONS):
        config = panel["fieldConfig"]
        overrides = [
            {**override, "properties": [_cell_options(each) for each in override["properties"]]}
            for override in config["overrides"]
        ]
        panel["fieldConfig"] = {**config, "overrides": overrides}
    return panel


def _cell_options(option: Json) -> Json:
    if option["id"] != "custom.displayMode":
        return option
    return {"id": "custom.cellOptions", "value": {"type": option["value"]}}


def _places(boards: Iterable[Board], used: Callable[[Panel], bool]) -> Iterator[str]:
    for board in boards:
        found = [panel.title for panel in board.panels() if used(panel)]
        if len(found) > _NAMED:
            yield f"{_name(board)}: {len(found)} panels"
        else:
            yield from (f"{_name(board)} › {title}" for title in found)


def _name(board: Board) -> str:
    return board.title.rpartition(" / ")[2]
