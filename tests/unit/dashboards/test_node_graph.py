from __future__ import annotations

import json

from dashboards import legacy, modern, node_graph
from dashboards.boards import flows
from dashboards.panel import Board, Form, Panel, Row
from dashboards.views import NODES
from exporter.model.metric import Label, Naming
from exporter.model.promql import Rendering, total
from exporter.probes import flow

ACK = Rendering(Naming.INSPECTOR, "5m")
(GRAPH,) = [panel for panel in flows.SUBJECT.tables if panel.form is Form.NODE_GRAPH]


def board(*panels: Panel) -> Board:
    return Board(slug="b", title="B", description="B.", rows=(Row("R", panels),))


def label(name: str) -> Label:
    return next(each for each in flow.BYTES.labels if each.name == name)


SOURCE = node_graph.End(label("src"), label("src_pod"), label("src_namespace"))
TARGET = node_graph.End(label("dst"), label("dst_pod"), label("dst_namespace"))
ENDS = (SOURCE.address, SOURCE.pod, SOURCE.namespace, TARGET.address, TARGET.pod, TARGET.namespace)
PAIRS = total(NODES.rate(flow.BYTES, *ENDS), *ENDS)


def test_an_edge_has_an_id_and_its_two_ends() -> None:
    found = node_graph.edges(PAIRS, SOURCE, TARGET)
    assert found.labels == {node_graph.ID, node_graph.SOURCE, node_graph.TARGET}
    text = found.render(ACK)
    assert text.startswith("sum by (id, source, target) (label_join(label_join(label_join(sum by (src, src_pod,")
    assert text.endswith('"source", " > ", "src"), "target", " > ", "dst"), "id", " > ", "src", "dst"))')


def test_a_node_is_named_after_its_pod_or_else_its_address_and_receivers_that_send_nothing_are_there_too() -> None:
    sending, receiving = node_graph.nodes(PAIRS, SOURCE, TARGET).render(ACK).split(" or on (id, subtitle, title) ")
    for text, end in ((sending, "src"), (receiving, "dst")):
        assert text.startswith("sum by (id, title, subtitle) (label_join(label_replace(label_join(label_join(")
        assert f'"title", " > ", "{end}"), "title", "$1", "{end}_pod", "(.+)")' in text


def test_values_get_the_name_that_the_graph_looks_for_and_a_unit() -> None:
    panel = modern.render(board(GRAPH), Naming.INSPECTOR)["panels"][1]
    (organised,) = panel["transformations"]
    assert organised["options"]["renameByName"] == {"Value #A": "mainstat", "Value #B": "mainstat"}
    assert [(target["format"], target["instant"]) for target in panel["targets"]] == [("table", True)] * 2
    assert panel["options"] == {"nodes": {"mainStatUnit": "Bps"}, "edges": {"mainStatUnit": "Bps"}}


def test_where_there_is_no_such_panel_it_is_left_out_with_a_row_that_has_no_other() -> None:
    table = flows.SUBJECT.tables[0]
    both = legacy.render(board(table, GRAPH), Naming.INSPECTOR)["panels"]
    assert [panel["type"] for panel in both] == ["row", "table"]
    assert legacy.render(board(GRAPH), Naming.INSPECTOR)["panels"] == []
    assert "nodeGraph" not in json.dumps(both)
