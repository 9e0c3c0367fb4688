"""The importable form: asks for a data source on import instead of having a variable for it.

File provisioning does not evaluate `__inputs`, and a variable survives an import on another Grafana only by luck:
hence two forms of each board.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboards.grafana_tree import Json

_INPUT = "DS_PROMETHEUS"
_REPLACED = (
    ('"${datasource}"', f'"${{{_INPUT}}}"'),
    ('"$datasource"', f'"${{{_INPUT}}}"'),
    ("var-datasource=${datasource}&", ""),
    ("var-datasource=$datasource&", ""),
)
_NAMES = {
    "bargauge": "Bar gauge", "graph": "Graph", "heatmap": "Heatmap", "nodeGraph": "Node Graph",
    "singlestat": "Singlestat", "stat": "Stat", "state-timeline": "State timeline", "table": "Table", "text": "Text",
    "timeseries": "Time series",
}  # fmt: skip


def importable(board: Json, grafana: str) -> Json:
    """The same board for an import by hand or by API into a Grafana of at least that version."""
    chosen = _with_input(board)
    variables = [each for each in chosen["templating"]["list"] if each["type"] != "datasource"]
    return {
        **chosen,
        "__inputs": [
            {
                "description": "Prometheus that scrapes net-exporter.",
                "label": "Prometheus",
                "name": _INPUT,
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
                "type": "datasource",
            }
        ],
        "__requires": [
            {"id": "grafana", "name": "Grafana", "type": "grafana", "version": grafana},
            *({"id": kind, "name": _NAMES[kind], "type": "panel", "version": ""} for kind in _kinds(board)),
            {"id": "prometheus", "name": "Prometheus", "type": "datasource", "version": "1.0.0"},
        ],
        "templating": {"list": variables},
    }


def _with_input(board: Json) -> Json:
    text = json.dumps(board)  # on the text, because a walk over every node costs ten times as much
    for before, after in _REPLACED:
        text = text.replace(before, after)
    found: Json = json.loads(text)
    return found


def _kinds(board: Json) -> list[str]:
    panels = [*board["panels"], *(inner for panel in board["panels"] for inner in panel.get("panels", ()))]
    return sorted({panel["type"] for panel in panels} - {"row"})
