"""JSON for Grafana 7.0 to 8.3: `graph` and `singlestat`, data sources by name, schema 27."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards import grafana_tree
from dashboards.legacy_panels import STYLE

if TYPE_CHECKING:
    from dashboards.grafana_tree import Json
    from dashboards.panel import Board
    from exporter.model.metric import Naming

SCHEMA = 27  # of Grafana 7.5; 7.0 to 7.4 read it as theirs, 8.x migrates it
_DASHBOARD = (
    "description", "editable", "graphTooltip", "id", "links", "refresh", "tags", "time", "timezone", "title", "uid",
)  # fmt: skip
_PANEL = ("datasource", "description", "gridPos", "id", "title", "type")
_GRAPH = (
    "aliasColors", "bars", "fill", "legend", "lines", "linewidth", "nullPointMode", "options", "percentage",
    "pointradius", "points", "renderer", "seriesOverrides", "stack", "steppedLine", "thresholds", "tooltip", "xaxis",
    "yaxes", "yaxis",
)  # fmt: skip
_HEATMAP = (
    "cards", "color", "dataFormat", "heatmap", "hideZeroBuckets", "highlightCards", "legend", "reverseYBuckets",
    "tooltip", "xAxis", "xBucketNumber", "xBucketSize", "yAxis", "yBucketBound", "yBucketNumber", "yBucketSize",
)  # fmt: skip
_SINGLESTAT = (
    "colorBackground", "colorValue", "colors", "decimals", "format", "gauge", "links", "mappingType", "mappingTypes",
    "nullPointMode", "nullText", "postfix", "postfixFontSize", "prefix", "prefixFontSize", "rangeMaps", "sparkline",
    "thresholds", "valueFontSize", "valueMaps", "valueName",
)  # fmt: skip
_KEPT = {"graph": _GRAPH, "heatmap": _HEATMAP, "singlestat": _SINGLESTAT}
_ADDED: dict[str, Json] = {
    "graph": {"dashLength": 10, "dashes": False, "spaceLength": 10},
    "singlestat": {"tableColumn": ""},
}
_VARIABLE = (
    "allValue",
    "datasource",
    "hide",
    "includeAll",
    "label",
    "multi",
    "name",
    "query",
    "refresh",
    "sort",
    "type",
)


def render(board: Board, naming: Naming) -> Json:
    """A board as provisionable JSON: it names its data source by a variable."""
    return normalise(grafana_tree.Tree(STYLE, naming).of(board))


def normalise(tree: Json) -> Json:
    """Keep of grafanalib's tree what Grafana 7 reads, and mend what would be read wrongly."""
    return {
        **{key: tree[key] for key in _DASHBOARD},
        "annotations": {"list": [_builtin_annotation()]},
        "panels": [_panel(panel) for panel in tree["panels"]],
        "schemaVersion": SCHEMA,
        "templating": {"list": [_variable(each) for each in tree["templating"]["list"] if _asked(each, tree)]},
        "timepicker": {"refresh_intervals": tree["timepicker"]["refresh_intervals"]},
        "version": 1,
    }


def _asked(variable: Json, tree: Json) -> bool:
    """Whether a panel uses it: a board without rates has no use for their window."""
    if variable["type"] != "interval":
        return True
    panels = [*tree["panels"], *(inner for panel in tree["panels"] for inner in panel.get("panels", ()))]
    return any(STYLE.window in target["expr"] for panel in panels for target in panel["targets"])


def _panel(raw: Json) -> Json:
    kind = raw["type"]
    if kind == "row":
        return {
            "collapsed": raw["collapsed"],
            "datasource": None,
            "gridPos": raw["gridPos"],
            "id": raw["id"],
            "panels": [_panel(panel) for panel in raw["panels"]],
            "title": raw["title"],
            "type": "row",
        }
    panel = {key: raw[key] for key in _PANEL}
    if kind == "text":
        # 7.0 reads content and mode from options; a text panel needs no data source
        return {**panel, "datasource": None, "options": raw["options"]}
    panel["targets"] = [_target(target) for target in raw["targets"]]
    if kind in _KEPT:
        kept = {key: raw[key] for key in _KEPT[kind]}
        return {**panel, **kept, **_ADDED.get(kind, {})}
    if kind == "table":
        return panel | {
            "fieldConfig": _table_fields(raw),
            "options": raw["options"],
            "transformations": raw["transformations"],
        }
    return panel | _bargauge(raw)


def _table_fields(raw: Json) -> Json:
    config = raw["fieldConfig"]
    return {
        "defaults": {**config["defaults"], "color": raw["color"], "mappings": []},
        "overrides": config["overrides"],
    }


def _bargauge(raw: Json) -> Json:
    options = raw["options"]
    lifted = {key: value for key, value in options["fieldOptions"]["defaults"].items() if value is not None}
    lifted.pop("title", None)
    return {
        "fieldConfig": {
            "defaults": {
                **lifted,
                "color": {"mode": "thresholds"},
                "mappings": [],
                "thresholds": raw["fieldConfig"]["defaults"]["thresholds"],
            },
            "overrides": [],
        },
        "options": {
            "displayMode": options["displayMode"],
            "orientation": options["orientation"],
            "reduceOptions": {"calcs": options["fieldOptions"]["calcs"], "fields": "", "values": False},
            "showUnfilled": True,
        },
    }


def _target(raw: Json) -> Json:
    return {
        "expr": raw["expr"],
        "format": raw["format"],
        "instant": raw["instant"],
        "intervalFactor": 1,  # grafanalib's 2 would halve the resolution
        "legendFormat": raw["legendFormat"],
        "refId": raw["refId"],
    }


def _variable(raw: Json) -> Json:
    if raw["type"] == "datasource":
        keys = ("hide", "includeAll", "label", "multi", "name", "query", "type")
        return {key: raw[key] for key in keys} | {"current": {}, "options": [], "refresh": 1, "regex": ""}
    if raw["type"] == "interval":
        return _interval(raw)
    return {key: raw[key] for key in _VARIABLE} | {
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]} if raw["includeAll"] else {},
        "definition": raw["query"],
        "options": [],
        "regex": "",
        "tagValuesQuery": "",
        "tags": [],
        "tagsQuery": "",
        "useTags": False,
    }


def _interval(raw: Json) -> Json:
    auto = {"selected": True, "text": "auto", "value": f"$__auto_interval_{raw['name']}"}
    fixed = [{"selected": False, "text": value, "value": value} for value in raw["query"].split(",")]
    keys = ("auto", "auto_count", "auto_min", "hide", "label", "name", "query", "refresh", "type")
    return {key: raw[key] for key in keys} | {"current": auto, "options": [auto, *fixed]}


def _builtin_annotation() -> Json:
    return {
        "builtIn": 1,
        "datasource": "-- Grafana --",
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }
