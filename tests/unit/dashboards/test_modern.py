"""The normaliser mends what grafanalib 0.7.1 writes wrongly; its raw tree is the input, so an upgrade shows here."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards import grafana_tree, modern
from dashboards.modern_panels import STYLE
from dashboards.panel import Board, Colour, Form, Link, Mapping, Panel, Query, Row, Step
from dashboards.units import Show
from dashboards.views import NODES, TO_NODE
from exporter.model.metric import Naming
from exporter.model.promql import total
from exporter.probes import softnet

PER_NODE = NODES.rate(softnet.DROPPED)


def board(**changes: Any) -> Board:  # noqa: ANN401 - fields of a panel
    given: dict[str, Any] = {
        "title": "P",
        "description": "What.",
        "queries": (Query(PER_NODE, "{node}"),),
        "unit": Show.PACKETS_PER_SECOND,
        "steps": (Step(5, Colour.BAD),),
        "links": (TO_NODE,),
    }
    return Board(slug="b", title="B", description="B.", rows=(Row("R", (Panel(**(given | changes)),)),))


def made(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    found: dict[str, Any] = modern.render(board(**changes), Naming.KUBESKOOP)["panels"][1]
    return found


def raw(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return grafana_tree.Tree(STYLE, Naming.KUBESKOOP).of(board(**changes))


SOURCE = {"type": "prometheus", "uid": "${datasource}"}
STEPS = {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 5}]}
URL = (
    "/d/net-exporter-node?var-datasource=${datasource}&${job:queryparam}&${instance:queryparam}"
    "&var-node=${__field.labels.k8s_node}&${__url_time_range}"
)


def test_a_time_series_is_what_grafana_8_4_reads() -> None:
    assert made() == {
        "datasource": SOURCE,
        "description": "What.",
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "palette-classic"},
                "custom": {
                    "axisLabel": "",
                    "axisPlacement": "auto",
                    "axisSoftMax": 5,
                    "axisSoftMin": 0,
                    "barAlignment": 0,
                    "drawStyle": "line",
                    "fillOpacity": 0,
                    "gradientMode": "none",
                    "hideFrom": {"legend": False, "tooltip": False, "viz": False},
                    "lineInterpolation": "linear",
                    "lineWidth": 1,
                    "pointSize": 5,
                    "scaleDistribution": {"type": "linear"},
                    "showPoints": "never",
                    "spanNulls": False,
                    "thresholdsStyle": {"mode": "line"},
                },
                "links": [{"targetBlank": False, "title": "Node in detail", "url": URL}],
                "mappings": [],
                "thresholds": STEPS,
                "unit": "pps",
            },
            "overrides": [],
        },
        "gridPos": {"h": 8, "w": 24, "x": 0, "y": 1},
        "id": 16620210,
        "options": {
            "legend": {
                "calcs": ["lastNotNull", "max"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "sortBy": "Last *",
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "pluginVersion": "8.4.0",
        "targets": [
            {
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": "sum by (k8s_node) (rate(kubeskoop_softnet_dropped"
                '{job=~"$job", instance=~"$instance", k8s_node=~"$node"}[$__rate_interval]))',
                "format": "time_series",
                "instant": False,
                "legendFormat": "{{k8s_node}}",
                "range": True,
                "refId": "A",
            }
        ],
        "title": "P",
        "type": "timeseries",
    }


def test_half_resolution_is_what_grafanalib_would_give() -> None:
    panel = raw()["panels"][1]
    assert (panel["maxDataPoints"], panel["targets"][0]["intervalFactor"]) == (100, 2)
    assert not {"maxDataPoints", "intervalFactor"} & {*made(), *made()["targets"][0]}


def test_the_crosshair_survives_because_the_schema_says_so() -> None:
    before, after = raw(), modern.render(board(), Naming.KUBESKOOP)
    assert (before["schemaVersion"], before["sharedCrosshair"]) == (12, False)
    assert (after["schemaVersion"], after["graphTooltip"], "sharedCrosshair" in after) == (36, 1, False)


def test_a_stat_shows_the_last_value_and_zero_for_none() -> None:
    panel = made(form=Form.STAT, queries=(Query(total(PER_NODE), ""),), links=())
    assert panel["options"]["reduceOptions"] == {"calcs": ["lastNotNull"], "fields": "", "values": False}
    assert panel["fieldConfig"]["defaults"] == {
        "color": {"mode": "thresholds"},
        "mappings": [],
        "noValue": "0",
        "thresholds": STEPS,
        "unit": "pps",
    }


def test_a_bar_gauge_gets_its_fields_where_grafana_looks_for_them() -> None:
    assert "fieldOptions" in raw(form=Form.BARGAUGE)["panels"][1]["options"]
    panel = made(form=Form.BARGAUGE, maximum=10.0)
    assert panel["options"] == {
        "displayMode": "gradient",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
    }
    assert {key: panel["fieldConfig"]["defaults"][key] for key in ("max", "min", "thresholds", "unit")} == {
        "max": 10.0,
        "min": 0,
        "thresholds": STEPS,
        "unit": "pps",
    }


def test_a_table_names_its_columns_and_links_them() -> None:
    panel = made(form=Form.TABLE, queries=(Query(PER_NODE, "Dropped"),))
    assert panel["transformations"] == [
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {"Value": 1, "k8s_node": 0},
                "renameByName": {"Value": "Dropped", "k8s_node": "Node"},
            },
        }
    ]
    column = panel["fieldConfig"]["overrides"][1]
    assert column["matcher"] == {"id": "byName", "options": "Node"}
    assert "var-node=${__data.fields.Node}" in column["properties"][0]["value"][0]["url"]
    assert panel["fieldConfig"]["defaults"]["color"] == {"mode": "thresholds"}


def test_a_table_whose_value_tells_nothing_shows_labels_only() -> None:
    panel = made(form=Form.TABLE, queries=(Query(PER_NODE, ""),), ascending=True, links=())
    assert panel["transformations"][0]["options"] == {
        "excludeByName": {"Time": True, "Value": True},
        "indexByName": {"k8s_node": 0},
        "renameByName": {"k8s_node": "Node"},
    }
    assert panel["options"]["sortBy"] == [{"desc": False, "displayName": "Node"}]
    assert panel["fieldConfig"]["overrides"] == []


def test_a_link_that_carries_no_label_keeps_data_source_and_time() -> None:
    panel = made(form=Form.STAT, queries=(Query(total(PER_NODE), ""),), links=(Link("UDP", "udp", ()),))
    assert [link["url"] for link in panel["fieldConfig"]["defaults"]["links"]] == [
        "/d/net-exporter-udp?var-datasource=${datasource}&${job:queryparam}&${instance:queryparam}&${__url_time_range}"
    ]


def test_columns_of_a_table_have_units_and_limits_of_their_own() -> None:
    limits = (Step(2, Colour.WATCH),)
    columns = (Query(PER_NODE, "Dropped"), Query(PER_NODE, "Share", Show.SHARE, limits))
    panel = made(form=Form.TABLE, queries=columns, steps=())
    assert [each["id"] for each in panel["transformations"]] == ["merge", "organize"]
    assert panel["transformations"][1]["options"]["renameByName"] == {
        "k8s_node": "Node", "Value #A": "Dropped", "Value #B": "Share",
    }  # fmt: skip
    steps = [{"color": "green", "value": None}, {"color": "orange", "value": 2}]
    assert panel["fieldConfig"]["overrides"][:2] == [
        {
            "matcher": {"id": "byName", "options": "Dropped"},
            "properties": [{"id": "unit", "value": "pps"}, {"id": "noValue", "value": ""}],
        },
        {
            "matcher": {"id": "byName", "options": "Share"},
            "properties": [
                {"id": "unit", "value": "percentunit"},
                {"id": "noValue", "value": ""},
                {"id": "custom.displayMode", "value": "color-text"},
                {"id": "thresholds", "value": {"mode": "absolute", "steps": steps}},
            ],
        },
    ]
    assert panel["options"]["sortBy"] == [{"desc": True, "displayName": "Dropped"}]


def test_lines_at_zero_are_seen_against_the_first_threshold_or_one() -> None:
    assert [
        made(**changes)["fieldConfig"]["defaults"]["custom"].get("axisSoftMax")
        for changes in (
            {},
            {"unit": Show.PER_SECOND, "steps": ()},
            {"unit": Show.BYTES, "steps": (Step(1e9, Colour.BAD),)},
            {"unit": Show.SECONDS},
        )
    ] == [5, 1, 1024, None]


def test_states_have_names_and_colours() -> None:
    states = (Mapping(0, "working", Colour.GOOD), Mapping(1, "failing", Colour.BAD))
    panel = made(form=Form.STATE_TIMELINE, mappings=states)
    assert panel["fieldConfig"]["defaults"]["mappings"] == [
        {
            "options": {
                "0": {"color": "green", "index": 0, "text": "working"},
                "1": {"color": "red", "index": 1, "text": "failing"},
            },
            "type": "value",
        }
    ]


@pytest.mark.parametrize("position", [0, 1])
def test_rows_and_texts_ask_nothing(position: int) -> None:
    changes = {"form": Form.TEXT, "queries": (), "text": "Hello.", "steps": (), "links": ()}
    panel = modern.render(board(**changes), Naming.KUBESKOOP)["panels"][position]
    assert not {"targets", "datasource", "fieldConfig"} & set(panel)
