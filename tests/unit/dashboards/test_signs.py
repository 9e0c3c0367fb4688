from __future__ import annotations

from dashboards.boards.signs import NODES_IN_TROUBLE, PODS_IN_TROUBLE
from dashboards.views import PODS
from exporter.model.metric import Naming
from exporter.model.promql import Rendering, reaches
from exporter.probes import listen

KUBESKOOP = Rendering(Naming.KUBESKOOP, "5m")


def test_a_pod_without_one_of_the_metrics_keeps_its_other_signs() -> None:
    """A pod that listens nowhere has no accept queue: each sign falls back to zero, or the sum would lack the pod."""
    for panel, signs in ((PODS_IN_TROUBLE, 7), (NODES_IN_TROUBLE, 7)):
        counted = panel.queries[0].expr.render(KUBESKOOP)
        outer = counted.count("* 0)") if panel is PODS_IN_TROUBLE else counted.count(") or on (k8s_node) (")
        assert signs == outer


def test_cells_appear_from_the_same_limit_as_signs_and_colours() -> None:
    counted = PODS_IN_TROUBLE.queries[0].expr.render(KUBESKOOP)
    for column in PODS_IN_TROUBLE.queries[1:]:
        assert column.steps
        limit = f"{column.steps[0].at:g}"
        assert column.expr.render(KUBESKOOP).endswith(f" >= {limit})")
        assert f">= bool {limit})" in counted


def test_reaching_a_limit_is_one_and_missing_it_zero() -> None:
    full = reaches(PODS.now(listen.FULLEST_RATIO), 0.5)
    assert full.render(KUBESKOOP).endswith("}) >= bool 0.5)")
    assert full.labels == PODS.now(listen.FULLEST_RATIO).labels
