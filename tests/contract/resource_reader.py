"""Reads a v2 resource as the classic dashboard that it stands for, so that one set of rules judges both."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
REFRESH = {"never": 0, "onDashboardLoad": 1, "onTimeRangeChanged": 2}


def read(resource: Json) -> Json:
    assert (resource["apiVersion"], resource["kind"]) == ("dashboard.grafana.app/v2", "Dashboard")
    spec = resource["spec"]
    placed = [item["spec"]["element"]["name"] for row in _rows(spec) for item in _items(row)]
    assert sorted(placed) == sorted(spec["elements"]), "each panel stands in one place"
    return {
        "uid": resource["metadata"]["name"],
        "title": spec["title"],
        "tags": spec["tags"],
        "editable": spec["editable"],
        "refresh": spec["timeSettings"]["autoRefresh"],
        "panels": _panels(spec),
        "templating": {"list": [_variable(each) for each in spec["variables"]]},
    }


def _rows(spec: Json) -> list[Json]:
    return [row["spec"] for row in _inside(spec["layout"], "RowsLayout")["rows"]]


def _items(row: Json) -> list[Json]:
    items: list[Json] = _inside(row["layout"], "GridLayout")["items"]
    return items


def _inside(node: Json, kind: str) -> Json:
    assert node["kind"] == kind
    found: Json = node["spec"]
    return found


def _panels(spec: Json) -> list[Json]:
    found, y = [], 0
    for position, row in enumerate(_rows(spec)):
        items = [_inside(item, "GridLayoutItem") for item in _items(row)]
        inner = [_panel(_inside(spec["elements"][item["element"]["name"]], "Panel"), item, y + 1) for item in items]
        heading = {"type": "row", "id": -1 - position, "title": row["title"], "collapsed": row["collapse"]}
        heading |= {"gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": inner if row["collapse"] else []}
        found += [heading, *([] if row["collapse"] else inner)]
        y += 1 if row["collapse"] else 1 + max(item["y"] + item["height"] for item in items)
    return found


def _panel(spec: Json, item: Json, top: int) -> Json:
    view, data = _inside(spec["vizConfig"], "VizConfig"), _inside(spec["data"], "QueryGroup")
    targets = [_target(_inside(each, "PanelQuery")) for each in data["queries"]]
    panel = {
        "id": spec["id"],
        "title": spec["title"],
        "description": spec["description"],
        "type": spec["vizConfig"]["group"],
        "gridPos": {"x": item["x"], "y": top + item["y"], "w": item["width"], "h": item["height"]},
        "options": view["options"],
    }
    if not targets:
        return panel
    sources = [target["datasource"] for target in targets]
    assert all(source == sources[0] for source in sources)
    transformations = [{"id": each["group"], "options": each["spec"]["options"]} for each in data["transformations"]]
    return panel | {
        "datasource": sources[0],
        "targets": targets,
        "fieldConfig": view["fieldConfig"],
        "transformations": transformations,
    }


def _target(spec: Json) -> Json:
    return {**spec["query"]["spec"], "refId": spec["refId"], "datasource": _source(spec["query"])}


def _source(query: Json) -> Json:
    return {"type": query["group"], "uid": query["datasource"]["name"]}


def _variable(node: Json) -> Json:
    spec = node["spec"]
    found = {key: spec[key] for key in ("name", "label", "multi", "includeAll", "current")}
    found["refresh"] = REFRESH[spec["refresh"]]
    if node["kind"] == "DatasourceVariable":
        return {**found, "type": "datasource", "query": spec["pluginId"]}
    assert node["kind"] == "QueryVariable"
    assert spec["query"]["spec"]["query"] == spec["definition"]
    query = {"query": spec["query"]["spec"]["query"], "datasource": _source(spec["query"])}
    return {**found, **query, "type": "query", "allValue": spec["allValue"]}
