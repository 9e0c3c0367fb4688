from __future__ import annotations

import pytest

from dashboards.units import Show
from dashboards.views import NODES, PODS, label_of, share, topic
from exporter.errors import DeclarationError
from exporter.model.metric import Naming
from exporter.model.promql import Rendering
from exporter.probes import neigh, softnet, tcpext, udp

KUBESKOOP = Rendering(Naming.KUBESKOOP, "$__rate_interval", ('job=~"$job"',))


def queries(panel: object) -> list[str]:
    return [query.expr.render(KUBESKOOP) for query in panel.queries]  # type: ignore[attr-defined]


def test_a_node_is_its_host_namespace_and_a_pod_is_what_is_selected() -> None:
    drawn = topic("T", "What.", (udp.NO_PORTS, "no port"))
    assert (queries(drawn.panel(NODES)), queries(drawn.panel(PODS))) == (
        [
            (
                "sum by (k8s_node) (rate(kubeskoop_udp_noports"
                '{job=~"$job", k8s_pod="", k8s_node=~"$node"}[$__rate_interval]))'
            )
        ],
        [
            (
                "topk(10, sum by (k8s_node, k8s_namespace, k8s_pod) (rate(kubeskoop_udp_noports"
                '{job=~"$job", k8s_node=~"$node", k8s_namespace=~"$namespace", k8s_pod=~"$pod"}[$__rate_interval])))'
            )
        ],
    )


def test_a_node_wide_number_has_no_pods_and_no_pod_label() -> None:
    drawn = topic("T", "What.", (softnet.DROPPED, "dropped"))
    assert not drawn.per_pod()
    assert queries(drawn.panel(NODES)) == [
        'sum by (k8s_node) (rate(kubeskoop_softnet_dropped{job=~"$job", k8s_node=~"$node"}[$__rate_interval]))'
    ]
    with pytest.raises(DeclarationError, match="no pod has it"):
        drawn.panel(PODS)


def test_units_that_differ_are_not_drawn_together() -> None:
    with pytest.raises(DeclarationError, match=r"mixes units \['cps', 'pps'\]"):
        topic("T", "What.", (udp.NO_PORTS, "a"), (tcpext.TCP_TIMEOUTS, "b"))


def test_milliseconds_per_second_become_a_share_of_time() -> None:
    drawn = topic("T", "What.", (tcpext.TCP_MEMORY_PRESSURES_CHRONO, ""))
    assert drawn.unit is Show.SHARE
    assert queries(drawn.panel(NODES))[0].endswith("* 0.001")


def test_a_share_is_zero_while_nothing_happens() -> None:
    drawn = share("T", "What.", softnet.DROPPED, softnet.PROCESSED)
    assert ", 0.001)" in queries(drawn.panel(NODES))[0]


def test_series_with_labels_of_their_own_are_limited_and_named_by_them() -> None:
    family = label_of(neigh.TABLE_ENTRIES, "family")
    panel = topic("T", "What.", (neigh.TABLE_ENTRIES, "entries"), keep=(family,)).panel(NODES)
    assert queries(panel)[0].startswith("topk(20, sum by (k8s_node, family)")
    assert panel.queries[0].legend == "{node} {family} entries"
    with pytest.raises(DeclarationError, match="has no label 'device'"):
        label_of(neigh.TABLE_ENTRIES, "device")
