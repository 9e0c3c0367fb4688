from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import UnsupportedError
from exporter.model.metric import Kind, Naming, Scope
from exporter.probes import conntrack as probe
from exporter.sources import conntrack

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle

ABSENT = UnsupportedError("connection tracking is not loaded")


def test_the_node_has_one_row_and_each_namespace_its_entries(
    fake_cycle: type[FakeCycle], host: Pod, web: Pod, values_of: Callable[..., object]
) -> None:
    found = {"found": 1, "insert_failed": 2, "chain_toolong": 3, "entries": 4, "max_entries": 5}
    cycle = fake_cycle({conntrack.read: [(host, found)], conntrack.read_entries: [(host, 4), (web, 9)]})
    assert values_of(probe.collect(cycle)) == {
        (host,): {
            "found": 1,
            "invalid": None,
            "ignore": None,
            "insert": None,
            "insertfailed": 2,
            "drop": None,
            "earlydrop": None,
            "error": None,
            "searchrestart": None,
            "clash_resolve_total": None,
            "chain_toolong_total": 3,
            "entries": 4,
            "maxentries": 5,
            "netns_entries": 4,
        },
        (web,): {"netns_entries": 9},
    }


def test_the_node_s_row_remains_where_namespaces_cannot_be_entered(fake_cycle: type[FakeCycle], host: Pod) -> None:
    cycle = fake_cycle({conntrack.read: [(host, {"entries": 4})], conntrack.read_entries: [(host, ABSENT)]})
    assert [table.metrics for table in probe.collect(cycle)] == [probe.NODE_METRICS]


def test_without_tracking_the_reason_is_passed_on(fake_cycle: type[FakeCycle], host: Pod) -> None:
    with pytest.raises(UnsupportedError, match="not loaded"):
        probe.collect(fake_cycle({conntrack.read: [(host, ABSENT)], conntrack.read_entries: [(host, ABSENT)]}))


def test_names_that_users_know_exist_and_only_sizes_are_gauges() -> None:
    names = {metric.name_in(Naming.INSPECTOR) for metric in probe.PROBE.metrics}
    assert {"inspector_pod_conntrackinsertfailed", "inspector_pod_conntrackmaxentries"} < names
    gauges = {metric.name for metric in probe.PROBE.metrics if metric.kind is Kind.GAUGE}
    assert gauges == {"entries", "maxentries", "netns_entries"}


def test_only_the_entries_of_a_namespace_are_told_for_each() -> None:
    assert [metric.name for metric in probe.PROBE.metrics if metric.scope is not Scope.NODE] == ["netns_entries"]
