from __future__ import annotations

from typing import Any

from dashboards import legacy
from dashboards.panel import Board, Colour, Form, Panel, Query, Row, Step
from dashboards.units import Show
from dashboards.views import NODES, TO_NODE
from exporter.model.metric import Naming
from exporter.model.promql import total
from exporter.probes import conntrack, softnet

PER_NODE = NODES.rate(softnet.DROPPED)


def render(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a panel
    given: dict[str, Any] = {
        "title": "P",
        "description": "What.",
        "queries": (Query(PER_NODE, "{node}"),),
        "unit": Show.PACKETS_PER_SECOND,
        "steps": (Step(1, Colour.WATCH), Step(5, Colour.BAD)),
        "links": (TO_NODE,),
    }
    row = Row("R", (Panel(**(given | changes)),))
    return legacy.render(Board(slug="b", title="B", description="B.", rows=(row,)), Naming.INSPECTOR)


def test_a_time_series_is_a_graph_with_its_unit_on_the_axis() -> None:
    panel = render()["panels"][1]
    assert (panel["type"], panel["datasource"]) == ("graph", "$datasource")
    assert [(axis["format"], axis["min"]) for axis in panel["yaxes"]] == [("pps", 0), ("short", None)]
    assert [(step["value"], step["colorMode"]) for step in panel["thresholds"]] == [(1, "warning"), (5, "critical")]
    assert [link["url"] for link in panel["options"]["dataLinks"]] == [
        "/d/net-exporter-node?var-datasource=$datasource&var-node=${__field.labels.node}&${__url_time_range}"
    ]
    assert panel["targets"] == [
        {
            "expr": 'sum by (node) (rate(inspector_pod_softnetdropped{job=~"$job", instance=~"$instance", '
            'node=~"$node"}[$interval]))',
            "format": "time_series",
            "instant": False,
            "intervalFactor": 1,
            "legendFormat": "{{node}}",
            "refId": "A",
        }
    ]


def test_a_stat_is_a_singlestat_with_three_colours() -> None:
    panel = render(form=Form.STAT, queries=(Query(total(PER_NODE), ""),), links=())["panels"][1]
    found = {key: panel[key] for key in ("type", "format", "thresholds", "colors", "valueName", "nullText")}
    assert found == {
        "type": "singlestat",
        "format": "pps",
        "thresholds": "1,5",
        "colors": ["green", "orange", "red"],
        "valueName": "current",
        "nullText": "0",
    }


def test_one_threshold_keeps_its_colour_to_the_top() -> None:
    query = Query(total(PER_NODE), "")
    panel = render(form=Form.STAT, queries=(query,), links=(), steps=(Step(1, Colour.BAD),))["panels"][1]
    assert (panel["thresholds"], panel["colors"]) == ("1", ["green", "red", "red"])


def test_the_window_of_rates_is_a_variable_only_where_something_is_rated() -> None:
    gauge = Query(NODES.now(conntrack.ENTRIES), "{node}")
    names = [[each["name"] for each in board["templating"]["list"]] for board in (render(), render(queries=(gauge,)))]
    assert names == [["datasource", "job", "instance", "node", "interval"], ["datasource", "job", "instance", "node"]]


def test_the_interval_starts_at_auto() -> None:
    interval = render()["templating"]["list"][-1]
    assert interval["current"] == {"selected": True, "text": "auto", "value": "$__auto_interval_interval"}
    assert [option["value"] for option in interval["options"]][1:] == interval["query"].split(",")
