from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from exporter import __version__
from exporter.bpf.running import Fill, Program, Running, State
from exporter.model import health as declared
from exporter.model.metric import Naming
from exporter.model.snapshot import Snapshot, Status, Table
from exporter.runtime.collector import Costs
from exporter.runtime.health import Health, Samples, statuses
from exporter.runtime.programs import Programs
from tests.unit.runtime.worlds import HOST, POD_A, metric, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.model.metric import Metric

REASONS = [("tcp", Status.OK, ""), ("slab", Status.UNSUPPORTED, "may not be read"), ("ipvs", Status.DISABLED, "off")]

HELD: Mapping[Metric, Samples] = {declared.CAPABILITY_HELD: {("tcp", "CAP_SYS_ADMIN"): False}}
OF_EVENTS: Mapping[Metric, Samples] = {
    declared.EVENTS: {("TCPRetrans",): 11},
    declared.EVENT_SOURCE_ACTIVE: {("tcpretrans",): True},
    declared.EVENTS_SENT: {("loki",): 7},
    declared.EVENTS_LOST: {("loki", "queue_full"): 3},
    declared.EVENT_QUEUE: {("loki",): 1},
    declared.EVENT_BACKLOG: {("loki",): 2},
    declared.EVENT_RETRIES: {("loki",): 5},
    declared.EVENTS_FOLDED: {("loki",): 4},
}
OF_ENDPOINT: dict[Metric, Samples] = {declared.HTTP_REFUSED: {("room",): 1}, declared.WEB_CONFIG_VALID: {(): 1}}
LOADED = Running(
    "flow",
    (
        Program("on_send", "tp_btf/send", State.ATTACHED, 31, 0.5, 2),
        Program("on_send_kprobe", "kprobe/send", State.NOT_LOADED),
        Program("list", "syscall", State.ON_DEMAND, None, None, 0),
    ),
    {"map_full": 3, "lost": 0, "suppressed": 7},
    (Fill("counts", 5, 8192),),
)

_E = "kubeskoop_exporter_ebpf"
OF_PROGRAMS = {  # further label values in the order of their names: hook, object, program, state
    (f"{_E}_program_state", "tp_btf/send", "flow", "on_send", "attached"): 1,
    (f"{_E}_program_state", "kprobe/send", "flow", "on_send_kprobe", "not_loaded"): 1,
    (f"{_E}_program_state", "syscall", "flow", "list", "on_demand"): 1,
    (f"{_E}_program_runs_total", "flow", "on_send"): 31,
    (f"{_E}_program_run_seconds_total", "flow", "on_send"): 0.5,
    (f"{_E}_program_skipped_runs_total", "flow", "on_send"): 2,
    (f"{_E}_program_skipped_runs_total", "flow", "list"): 0,
    (f"{_E}_faults_total", "map_full", "flow"): 3,
    (f"{_E}_faults_total", "lost", "flow"): 0,
    (f"{_E}_faults_total", "suppressed", "flow"): 7,
    (f"{_E}_map_entries", "counts", "flow"): 5,
    (f"{_E}_map_max_entries", "counts", "flow"): 8192,
}


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
    programs = Programs(count_runs=False, survey=lambda **_: (LOADED,))
    more = (_fail, programs.samples, lambda: HELD, lambda: OF_EVENTS)
    return Health("node-a", namings or (Naming.KUBESKOOP,), costs, more)


def _fail() -> Mapping[Metric, Samples]:
    raise ValueError("a defect")


def test_before_the_first_cycle_only_what_is_known_is_told() -> None:
    found = _own(parse(generate_latest(_health().registry).decode()))
    assert found == {
        ("kubeskoop_exporter_build_info", __version__): 1,
        ("kubeskoop_exporter_cycles_total",): 3,
        ("kubeskoop_exporter_cycle_cpu_seconds_total",): 0.5,
        ("kubeskoop_exporter_namespaces_gone_total",): 2,
        ("kubeskoop_exporter_render_duration_seconds",): 0,
        ("kubeskoop_exporter_capability_held", "CAP_SYS_ADMIN", "tcp"): 0,
        ("kubeskoop_exporter_events_total", "TCPRetrans"): 11,
        ("kubeskoop_exporter_event_source_active", "tcpretrans"): 1,
        ("kubeskoop_exporter_events_sent_total", "loki"): 7,
        ("kubeskoop_exporter_events_lost_total", "queue_full", "loki"): 3,
        ("kubeskoop_exporter_event_queue_length", "loki"): 1,
        ("kubeskoop_exporter_event_backlog_length", "loki"): 2,
        ("kubeskoop_exporter_event_delivery_retries_total", "loki"): 5,
        ("kubeskoop_exporter_events_folded_total", "loki"): 4,
        **OF_PROGRAMS,
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
    made.also(lambda: OF_ENDPOINT)
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
