from __future__ import annotations

import pytest

from dashboards import legacy, modern
from dashboards.panel import Board, Form, Panel, Query, Row
from dashboards.units import Show
from dashboards.views import PODS, spread
from exporter.errors import DeclarationError
from exporter.model.metric import Naming
from exporter.model.promql import Rendering, buckets
from exporter.probes import tcprtt, udp

HEATMAP, QUANTILES = (topic.panel(PODS) for topic in spread(tcprtt.SECONDS, "Round trips", "What."))
BOARD = Board(slug="b", title="B", description="B.", rows=(Row("R", (HEATMAP, QUANTILES)),))
CHOSEN = 'k8s_node=~"$node", k8s_namespace=~"$namespace", k8s_pod=~"$pod"'


def test_a_histogram_becomes_a_heatmap_and_the_limits_of_shares_of_all_that_is_selected() -> None:
    ours = Rendering(Naming.KUBESKOOP, "5m")
    assert [(query.expr.render(ours), query.legend_in(Naming.KUBESKOOP)) for query in HEATMAP.queries] == [
        (f"sum by (le) (rate(kubeskoop_tcprtt_seconds_bucket{{{CHOSEN}}}[5m]))", "{{le}}")
    ]
    assert [query.legend for query in QUANTILES.queries] == ["50%", "90%", "99%", "99.9%"]
    assert QUANTILES.queries[3].expr.render(ours) == (
        f"histogram_quantile(0.999, sum by (le) (rate(kubeskoop_tcprtt_seconds_bucket{{{CHOSEN}}}[5m])))"
    )


def test_both_shapes_say_that_the_series_are_buckets_in_seconds() -> None:
    new = modern.render(BOARD, Naming.INSPECTOR)["panels"][1]
    old = legacy.render(BOARD, Naming.INSPECTOR)["panels"][1]
    assert (new["type"], new["options"]["calculate"], new["options"]["yAxis"]["unit"]) == ("heatmap", False, "s")
    for panel in (new, old):
        assert (panel["dataFormat"], panel["yBucketBound"], panel["yAxis"]["format"]) == ("tsbuckets", "upper", "s")
        assert [target["format"] for target in panel["targets"]] == ["heatmap"]


def test_only_the_buckets_of_one_histogram_make_a_heatmap() -> None:
    with pytest.raises(DeclarationError, match="a heatmap draws the buckets of one histogram"):
        Panel(
            title="P",
            description="What.",
            form=Form.HEATMAP,
            queries=(Query(PODS.rate(udp.NO_PORTS), ""),),
            unit=Show.NUMBER,
        )
    with pytest.raises(DeclarationError, match=r"udp\.noports is a counter, buckets need a histogram"):
        buckets(udp.NO_PORTS)
