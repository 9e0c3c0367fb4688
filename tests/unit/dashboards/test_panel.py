from __future__ import annotations

import pytest

from dashboards.panel import Board, Colour, Form, Link, Panel, Query, Row, Step, panel_id
from exporter.errors import DeclarationError
from exporter.model.metric import Identity, Naming
from exporter.model.promql import rate, total
from exporter.probes import softnet, udp

PER_POD = total(rate(udp.NO_PORTS), Identity.NODE, Identity.POD)


def panel(**changes: object) -> Panel:
    given = {"title": "A", "description": "What.", "queries": (Query(PER_POD, "{pod}"),)} | changes
    return Panel(**given)  # type: ignore[arg-type]


def test_a_legend_is_written_with_the_labels_of_the_dialect() -> None:
    query = Query(PER_POD, "{node}/{pod} no port")
    assert [query.legend_in(naming) for naming in Naming] == [
        "{{k8s_node}}/{{k8s_pod}} no port",
        "{{node}}/{{pod}} no port",
    ]


def test_a_legend_that_names_a_label_the_series_lack_is_refused() -> None:
    with pytest.raises(DeclarationError, match="names label namespace; its series have"):
        Query(PER_POD, "{namespace}")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": ""}, "needs a title"),
        ({"description": "no period"}, "ends with a period"),
        ({"queries": ()}, "every other one has queries"),
        ({"form": Form.TEXT}, "a text panel has text"),
        ({"form": Form.STAT}, "a stat draws one series"),
        ({"form": Form.TABLE, "queries": (Query(PER_POD, ""), Query(total(PER_POD), ""))}, "need the same labels"),
        ({"steps": (Step(2, Colour.BAD), Step(1, Colour.WATCH))}, "thresholds must ascend"),
        ({"links": (Link("Go", "pod", (Identity.NAMESPACE,)),)}, "carries a label it lacks"),
    ],
)
def test_a_panel_that_makes_no_sense_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason):
        panel(**changes)


def test_a_panel_knows_each_metric_it_reads_once() -> None:
    twice = (Query(PER_POD, ""), Query(PER_POD, ""), Query(total(rate(softnet.DROPPED)), ""))
    assert panel(queries=twice).metrics == (udp.NO_PORTS, softnet.DROPPED)


def test_two_panels_of_one_title_in_a_row_are_refused() -> None:
    with pytest.raises(DeclarationError, match="share a title"):
        Board(slug="x", title="X", description="X.", rows=(Row("R", (panel(), panel())),))


@pytest.mark.parametrize("slug", ["", "Upper", "x" * 28])
def test_a_slug_that_makes_no_uid_is_refused(slug: str) -> None:
    with pytest.raises(DeclarationError, match="not a slug"):
        Board(slug=slug, title="X", description="X.", rows=())


def test_a_new_panel_does_not_renumber_the_others() -> None:
    assert panel_id(Row("R", (panel(),)), panel()) == panel_id(Row("R", (panel(title="B"), panel())), panel())
