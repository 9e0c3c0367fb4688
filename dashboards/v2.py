"""JSON for Grafana 13: the v2 resource, whose panels stand by name in a layout.

It is written from the JSON for 8.4 to 13, as Grafana itself converts a dashboard: two ways to the same panels could
drift apart. Grafana runs none of its migrations on a resource, so the panels must be fitted to 13 before.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dashboards.grafana_tree import Json

API = "dashboard.grafana.app/v2"
_CROSSHAIR = ("Off", "Crosshair", "Tooltip")  # by classic number
_HIDE = ("dontHide", "hideLabel", "hideVariable")
_REFRESH = ("never", "onDashboardLoad", "onTimeRangeChanged")
_SORT = ("disabled", "alphabeticalAsc", "alphabeticalDesc", "numericalAsc", "numericalDesc")
_LABEL_VALUES = 1  # kind of variable query, in Grafana's editor of the Prometheus data source
_QUERY_VERSION = "v0"
_NOT_OF_THE_QUERY = ("datasource", "refId")
_NO_CHOICE = {"text": "", "value": ""}


def resource(board: Json) -> Json:
    """The resource of a board that is fitted to Grafana 13."""
    rows = list(_rows(board["panels"]))
    return {
        "apiVersion": API,
        "kind": "Dashboard",
        "metadata": {"name": board["uid"]},
        "spec": {
            "annotations": [_annotation(each) for each in board["annotations"]["list"]],
            "cursorSync": _CROSSHAIR[board["graphTooltip"]],
            "description": board["description"],
            "editable": board["editable"],
            "elements": {_name(panel): _panel(panel) for _row, panels in rows for panel in panels},
            "layout": _spec("RowsLayout", rows=[_row(row, panels) for row, panels in rows]),
            "links": board["links"],
            "preload": False,
            "tags": board["tags"],
            "timeSettings": {
                "autoRefresh": board["refresh"],
                "autoRefreshIntervals": board["timepicker"]["refresh_intervals"],
                "fiscalYearStartMonth": 0,
                "from": board["time"]["from"],
                "hideTimepicker": False,
                "timezone": board["timezone"],
                "to": board["time"]["to"],
            },
            "title": board["title"],
            "variables": [_variable(each) for each in board["templating"]["list"]],
        },
    }


def _rows(panels: Iterable[Json]) -> Iterator[tuple[Json, list[Json]]]:
    """Each heading with its panels: a collapsed one holds them, after any other they follow."""
    heading: Json = {}
    for is_heading, group in groupby(panels, key=lambda panel: panel["type"] == "row"):
        found = list(group)
        if not is_heading:
            yield heading, found
            continue
        for each in found:
            if each["collapsed"]:
                yield each, each["panels"]
            else:
                heading = each


def _row(row: Json, panels: list[Json]) -> Json:
    top = row["gridPos"]["y"] + row["gridPos"]["h"]
    layout = _spec("GridLayout", items=[_item(panel, top) for panel in panels])
    return _spec("RowsLayoutRow", title=row["title"], collapse=row["collapsed"], layout=layout)


def _item(panel: Json, top: int) -> Json:
    place = panel["gridPos"]
    return _spec(
        "GridLayoutItem",
        x=place["x"],
        y=place["y"] - top,
        width=place["w"],
        height=place["h"],
        element={"kind": "ElementReference", "name": _name(panel)},
    )


def _name(panel: Json) -> str:
    return f"panel-{panel['id']}"


def _panel(panel: Json) -> Json:
    transformations = [
        {"kind": "Transformation", "group": each["id"], "spec": {"options": each["options"]}}
        for each in panel.get("transformations", ())
    ]
    data = _spec(
        "QueryGroup",
        queries=[_query(each) for each in panel.get("targets", ())],
        transformations=transformations,
        queryOptions={},
    )
    config = {
        "fieldConfig": panel.get("fieldConfig", {"defaults": {}, "overrides": []}),
        "options": panel["options"],
    }
    return _spec(
        "Panel",
        id=panel["id"],
        title=panel["title"],
        description=panel["description"],
        links=[],
        data=data,
        vizConfig={"kind": "VizConfig", "group": panel["type"], "version": panel["pluginVersion"], "spec": config},
    )


def _query(target: Json) -> Json:
    asked = {key: value for key, value in target.items() if key not in _NOT_OF_THE_QUERY}
    return _spec("PanelQuery", query=_data_query(target["datasource"], asked), refId=target["refId"], hidden=False)


def _data_query(source: Json, asked: Json) -> Json:
    return {
        "kind": "DataQuery",
        "group": source["type"],
        "version": _QUERY_VERSION,
        "datasource": {"name": source["uid"]},
        "spec": asked,
    }


def _annotation(classic: Json) -> Json:
    return _spec(
        "AnnotationQuery",
        builtIn=bool(classic["builtIn"]),
        enable=classic["enable"],
        hide=classic["hide"],
        iconColor=classic["iconColor"],
        name=classic["name"],
        query=_data_query(classic["datasource"], {}),
    )


def _variable(classic: Json) -> Json:
    both = {
        "name": classic["name"],
        "label": classic["label"],
        "current": classic["current"] or _NO_CHOICE,
        "hide": _HIDE[classic["hide"]],
        "refresh": _REFRESH[classic["refresh"]],
        "regex": classic["regex"],
        "options": [],
        "multi": classic["multi"],
        "includeAll": classic["includeAll"],
        "skipUrlSync": False,
        "allowCustomValue": True,
    }
    if classic["type"] == "datasource":
        return _spec("DatasourceVariable", **both, pluginId=classic["query"])
    asked = {"qryType": _LABEL_VALUES, "query": classic["query"], "refId": "A"}
    return _spec(
        "QueryVariable",
        **both,
        allValue=classic["allValue"],
        definition=classic["definition"],
        query=_data_query(classic["datasource"], asked),
        sort=_SORT[classic["sort"]],
    )


def _spec(kind: str, **spec: Any) -> Json:  # noqa: ANN401 - values of JSON
    return {"kind": kind, "spec": spec}
