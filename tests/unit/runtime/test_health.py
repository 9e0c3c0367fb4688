from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from exporter import __version__
from exporter.model import health as declared
from exporter.model.metric import Naming
from exporter.model.snapshot import Snapshot, Status, Table
from exporter.runtime.collector import Costs
from exporter.runtime.health import Health, statuses
from tests.unit.runtime.worlds import HOST, POD_A, metric, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

REASONS = [("tcp", Status.OK, ""), ("slab", Status.UNSUPPORTED, "may not be read"), ("ipvs", Status.DISABLED, "off")]


def _snapshot() -> Snapshot:
    table = Table((metric(probe="tcp", name="a"), metric(probe="tcp", name="b")))
    table.add(HOST, (1, None))
    table.add(POD_A, (1, 2))
    return snapshot(table, reasons=REASONS)


def _own(families: Iterable[object]) -> dict[tuple[str, ...], float]:
    """Samples that are ours: (name, further label values) -> value."""
    identity = {"k8s_node", "k8s_namespace", "k8s_pod", "node", "namespace", "pod", "netns"}
    return {
        (sample.name, *(value for label, value in sorted(sample.labels.items()) if label not in identity)): sample.value
        for family in families
        for sample in family.samples  # type: ignore[attr-defined] # the client's own family
        if "exporter" in sample.name
    }


def _health(*namings: Naming) -> Health:
    costs = Costs(cycles=3, cpu_seconds=0.5, namespaces_gone=2)
    costs.series_dropped["tcp"] = 7
    return Health("node-a", namings or (Naming.KUBESKOOP,), costs)


def test_before_the_first_cycle_only_what_is_known_is_told() -> None:
    found = _own(parse(generate_latest(_health().registry).decode()))
    assert found == {
        ("kubeskoop_exporter_build_info", __version__): 1,
        ("kubeskoop_exporter_cycles_total",): 3,
        ("kubeskoop_exporter_cycle_cpu_seconds_total",): 0.5,
        ("kubeskoop_exporter_namespaces_gone_total",): 2,
        ("kubeskoop_exporter_render_duration_seconds",): 0,
    }


def test_each_probe_has_one_status_and_series_are_those_exposed() -> None:
    made = _health()
    made.publish(_snapshot())
    found = _own(parse(generate_latest(made.registry).decode()))
    prefix = "kubeskoop_exporter_"
    status = {key[1:]: value for key, value in found.items() if key[0] == f"{prefix}probe_status"}
    expected = {(probe, each.value): float(each is ended) for probe, ended, _ in REASONS for each in Status}
    assert status == expected
    assert {key: value for key, value in found.items() if key[0].removeprefix(prefix) in ("series", "pods")} == {
        (f"{prefix}series",): 3,  # a gap is no series
        (f"{prefix}pods",): 1,
    }
    assert {key[1]: value for key, value in found.items() if key[0] == f"{prefix}series_dropped_total"} == {
        "tcp": 7,
        "slab": 0,
        "ipvs": 0,
    }
    assert {key[1] for key in found if key[0] == f"{prefix}probe_duration_seconds"} == {"tcp", "slab"}


def test_in_both_dialects_the_series_of_both_are_counted() -> None:
    made = _health(Naming.KUBESKOOP, Naming.INSPECTOR)
    made.publish(_snapshot())
    found = _own(parse(generate_latest(made.registry).decode()))
    assert (found["kubeskoop_exporter_series",], found["inspector_pod_exporterseries",]) == (6, 6)


@pytest.mark.parametrize("namings", [(Naming.KUBESKOOP,), (Naming.INSPECTOR,), tuple(Naming)])
def test_every_declared_self_metric_is_exposed_and_no_other(namings: tuple[Naming, ...]) -> None:
    made = _health(*namings)
    made.publish(_snapshot())
    body = openmetrics.generate_latest(made.registry).decode()
    names = {family.name for family in parse_openmetrics(body)}
    declared_names = {
        each.name_in(naming).removesuffix("_total")
        for each in declared.METRICS
        if each is not declared.UP
        for naming in namings
    }
    others = {"process_virtual_memory_bytes", "process_start_time_seconds", "process_open_fds", "process_max_fds"}
    assert names == declared_names | others


def test_lines_for_people_name_what_is_not_ok_with_its_reason() -> None:
    assert list(statuses(_snapshot())) == ["slab: unsupported: may not be read"]
