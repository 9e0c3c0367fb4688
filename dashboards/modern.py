"""JSON for Grafana 8.4 to 13.

Written as schema 36, that of Grafana 8.5 and 9.0: Grafana 8.4 reads it as its own 35 with a data source object on
annotations and variables, which it knows; later versions run their own, well-tried migrations from there. Where a
later schema only adds a key that earlier ones ignore (`legend.showLegend`, `hideFrom.tooltip`), the key is
written already. No Angular panel, no shape that any of these versions lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards import grafana_tree
from dashboards.modern_panels import STYLE

if TYPE_CHECKING:
    from dashboards.grafana_tree import Json
    from dashboards.panel import Board
    from exporter.model.metric import Naming

SCHEMA = 36
HEATMAP_BEFORE = (
    "dataFormat",
    "hideZeroBuckets",
    "yAxis",
    "yBucketBound",
)  # what Grafana before 9.1 reads of a heatmap
_LARGEST_FIRST = {"sortBy": "Last *", "sortDesc": True}  # by the heading that Grafana gives the last value
_OLDEST = "8.4.0"
_DASHBOARD = (
    "description", "editable", "graphTooltip", "id", "links", "refresh", "tags", "time", "timezone", "title", "uid",
)  # fmt: skip
_PANEL = ("description", "gridPos", "id", "title", "type")
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
    """Keep of grafanalib's tree what Grafana reads, and mend what would be read wrongly."""
    return {
        **{key: tree[key] for key in _DASHBOARD},
        "annotations": {"list": [_builtin_annotation()]},
        "panels": [_panel(panel) for panel in tree["panels"]],
        "schemaVersion": SCHEMA,
        "templating": {"list": [_variable(variable) for variable in tree["templating"]["list"]]},
        "timepicker": {"refresh_intervals": tree["timepicker"]["refresh_intervals"]},
        "version": 1,
    }


def _panel(raw: Json) -> Json:
    if raw["type"] == "row":
        return {
            "collapsed": raw["collapsed"],
            "gridPos": raw["gridPos"],
            "id": raw["id"],
            "panels": [_panel(panel) for panel in raw["panels"]],
            "title": raw["title"],
            "type": "row",
        }
    panel = {key: raw[key] for key in _PANEL} | {"pluginVersion": _OLDEST, "options": dict(raw["options"])}
    if raw["type"] == "text":
        return panel
    panel["datasource"] = raw["datasource"]
    panel["targets"] = [_target(target) for target in raw["targets"]]
    if raw["type"] == "heatmap":
        return panel | _heatmap(raw)
    if raw["transformations"]:
        panel["transformations"] = raw["transformations"]
    panel["fieldConfig"] = _field_config(raw)
    options = panel["options"]
    if raw["type"] == "bargauge":
        options = {
            "displayMode": options["displayMode"],
            "orientation": options["orientation"],
            "reduceOptions": {"calcs": options["fieldOptions"]["calcs"], "fields": "", "values": False},
            "showUnfilled": True,
        }
    if "legend" in options:
        options["legend"] = {"calcs": [], **options["legend"], "showLegend": True} | _LARGEST_FIRST
    if "tooltip" in options:
        options["tooltip"] = {"sort": "none", **options["tooltip"]}
    panel["options"] = options
    return panel


def _heatmap(raw: Json) -> Json:
    """Options for Grafana 9.1 and later; the keys beside them are those of before, which later ones pass over."""
    unit = raw["yAxis"]["format"]
    return {
        **{key: raw[key] for key in HEATMAP_BEFORE},
        "fieldConfig": {
            "defaults": {"custom": {"scaleDistribution": {"type": "linear"}}, "mappings": [], "unit": unit},
            "overrides": [],
        },
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": False,
                "scale": "exponential",
                "scheme": "Oranges",
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
        },
    }


def _field_config(raw: Json) -> Json:
    config = raw["fieldConfig"]
    defaults = {key: value for key, value in config["defaults"].items() if value is not None}
    if raw["type"] == "bargauge":
        lifted = raw["options"]["fieldOptions"]["defaults"]
        defaults |= {key: value for key, value in lifted.items() if value is not None and key != "title"}
        defaults["color"] = {"mode": "thresholds"}
    if raw["type"] == "table":
        defaults["color"] = raw["color"]  # grafanalib puts it on the panel, where nobody reads it
        defaults["mappings"] = []
    if "custom" in defaults:
        defaults["custom"] = {
            key: value for key, value in defaults["custom"].items() if value is not None and value != {}
        }
        if raw["type"] == "timeseries":
            defaults["custom"]["scaleDistribution"] = {"type": "linear"}
        if not defaults["custom"]:
            del defaults["custom"]
    defaults.setdefault("mappings", [])
    return {"defaults": defaults, "overrides": config.get("overrides", [])}


def _target(raw: Json) -> Json:
    return {
        "datasource": raw["datasource"],
        "editorMode": "code",
        "expr": raw["expr"],
        "format": raw["format"],
        "instant": raw["instant"],
        "legendFormat": raw["legendFormat"],
        "range": not raw["instant"],
        "refId": raw["refId"],
    }


def _variable(raw: Json) -> Json:
    if raw["type"] == "datasource":
        keys = ("hide", "includeAll", "label", "multi", "name", "query", "type")
        return {key: raw[key] for key in keys} | {"current": {}, "options": [], "refresh": 1, "regex": ""}
    return {key: raw[key] for key in _VARIABLE} | {
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]} if raw["includeAll"] else {},
        "definition": raw["query"],
        "options": [],
        "regex": "",
    }


def _builtin_annotation() -> Json:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }
