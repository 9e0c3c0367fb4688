from __future__ import annotations

from exporter.model.health import METRICS
from exporter.model.metric import Kind, Label, Metric, Naming, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.registry import Registry, load
from scrape import limits

STATE = Label(name="state", help="State.", values=("up", "down", "unknown"))
DEVICE = Label(name="device", help="Device.", budget=16)


def metric(scope: Scope, *labels: Label) -> Metric:
    return Metric(
        probe="link",
        name="links",
        kind=Kind.GAUGE,
        unit=Unit.OBJECTS,
        help="Links.",
        scope=scope,
        source="x",
        labels=labels,
    )


def test_a_node_wide_number_is_one_series() -> None:
    assert limits.worst_case(metric(Scope.NODE), 250) == 1


def test_a_number_per_namespace_exists_for_every_pod_and_the_host() -> None:
    assert limits.worst_case(metric(Scope.NETNS), 250) == 251


def test_closed_labels_multiply() -> None:
    assert limits.worst_case(metric(Scope.POD, STATE), 250) == 251 * 3


def test_a_budget_limits_all_rows_of_an_owner() -> None:
    assert limits.worst_case(metric(Scope.NETNS, DEVICE, STATE), 250) == 251 * 16


def test_the_limit_is_rounded_up_and_leaves_room_for_the_exporter_itself() -> None:
    spec = ProbeSpec(name="link", summary="Links.", metrics=(metric(Scope.NETNS),), open=stateless(lambda _cycle: []))
    found = limits.of(Registry((spec,), METRICS), Naming.KUBESKOOP)
    # node, namespace, pod, and four that tell eBPF programs apart; job and instance; 30 additional ones
    assert found == limits.Limits(samples=10_000, labels=7 + 2 + 30)


def test_the_real_registry_fits_a_scrape() -> None:
    for naming in Naming:
        assert 10_000 <= limits.of(load(), naming).samples <= 1_000_000
