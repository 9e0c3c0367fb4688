from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.model.metric import Kind, Naming, Scope
from exporter.model.probe import Env
from exporter.probes import conntrack as probe
from exporter.sources import conntrack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle

ABSENT = UnsupportedError("connection tracking is not loaded")


def test_the_node_has_one_row_with_gaps_for_what_the_kernel_does_not_count(
    fake_cycle: type[FakeCycle], host: Pod, values_of: Callable[..., object]
) -> None:
    found = {"found": 1, "insert_failed": 2, "chain_toolong": 3, "entries": 4, "max_entries": 5}
    assert values_of(probe.Conntrack(None).collect(fake_cycle({conntrack.read: [(host, found)]}))) == {
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
        }
    }


def test_without_tracking_the_reason_is_passed_on(fake_cycle: type[FakeCycle], host: Pod) -> None:
    with pytest.raises(UnsupportedError, match="not loaded"):
        probe.Conntrack(None).collect(fake_cycle({conntrack.read: [(host, ABSENT)]}))


def test_names_that_users_know_exist_and_only_sizes_are_gauges() -> None:
    names = {metric.name_in(Naming.INSPECTOR) for metric in probe.PROBE.metrics}
    assert {"inspector_pod_conntrackinsertfailed", "inspector_pod_conntrackmaxentries"} < names
    gauges = {metric.name for metric in probe.PROBE.metrics if metric.kind is Kind.GAUGE}
    assert gauges == {"entries", "maxentries"}


def test_all_numbers_are_the_node_s() -> None:
    assert {metric.scope for metric in probe.METRICS} == {Scope.NODE}


def test_without_ctnetlink_only_the_events_are_missing(fake_cycle: type[FakeCycle], host: Pod) -> None:
    running = probe.Conntrack(UnsupportedError("ctnetlink tells no changes"))
    (table,) = running.collect(fake_cycle({conntrack.read: [(host, {"found": 3})]}))

    assert (table.metrics[0], table.rows[0].values[0]) == (probe.FOUND, 3)
    with pytest.raises(UnsupportedError, match="ctnetlink tells no changes"):
        running.event_source()
    running.close()


def test_nobody_listens_unless_events_are_wanted(tmp_path: Path) -> None:
    running = probe.open_probe(Env(proc=tmp_path, sys=tmp_path, netns_dir=tmp_path, node="n"))
    with pytest.raises(SourceError, match="events to be wanted"):
        running.event_source()
