from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.errors import NoDataError, UnsupportedError
from exporter.model.metric import Kind, Naming
from exporter.probes import rdma as probe
from exporter.sources import rdma

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle

REFUSED = UnsupportedError("the kernel does not answer")


@pytest.fixture
def cycle_of(fake_cycle: type[FakeCycle], tmp_path: Path, host: Pod) -> Callable[..., FakeCycle]:
    """A cycle on a machine whose sysfs has the files given; `resources` is what netlink told."""

    def make(files: dict[str, str], resources: object = REFUSED) -> FakeCycle:
        for name, content in files.items():
            path = tmp_path / "class/infiniband" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        world = fake_cycle({rdma.read_resources: [(host, resources)]})
        world.env = replace(world.env, sys=tmp_path)
        return world

    return make


def test_ports_and_objects_of_both_drivers_become_rows(
    cycle_of: Callable[..., FakeCycle], host: Pod, values_of: Callable[..., object]
) -> None:
    cycle = cycle_of(
        {
            "mlx5_0/ports/1/counters/port_rcv_data": "11\n",
            "mlx5_0/ports/1/hw_counters/out_of_buffer": "12\n",
            "erdma_0/ports/1/hw_counters/erdma_aeq_event_cnt": "13\n",
            "erdma_0/ports/1/hw_counters/tx_bytes_cnt": "14\n",
            "rxe0/ports/1/hw_counters/sent_pkts": "15\n",
        },
        {"mlx5_0": {"qp": 7}, "rxe0": {"pd": 1, "srq": 2}},
    )
    found = values_of(probe.collect(cycle))
    assert isinstance(found, dict)
    shown = {key: {name: value for name, value in row.items() if value is not None} for key, row in found.items()}
    assert shown == {
        (host, "mlx5_0", "mlx5"): {"qp": 7},
        (host, "rxe0", "unknown"): {"pd": 1, "srq": 2},
        (host, "mlx5_0", "mlx5", "1"): {"mlx5_port_rcv_data": 11, "mlx5_out_of_buffer": 12},
        (host, "erdma_0", "erdma", "1"): {"erdma_erdma_aeq_event_cnt": 13, "erdma_hw_tx_bytes_cnt": 14},
    }


def test_counters_are_shown_where_netlink_is_refused(cycle_of: Callable[..., FakeCycle]) -> None:
    tables = probe.collect(cycle_of({"mlx5_0/ports/1/counters/symbol_error": "1\n"}))
    assert [table.metrics for table in tables] == [probe.MLX5]


def test_a_device_that_nothing_is_known_of_tells_why(cycle_of: Callable[..., FakeCycle]) -> None:
    with pytest.raises(UnsupportedError, match="does not answer"):
        probe.collect(cycle_of({"rxe0/ports/1/state": "4: ACTIVE\n"}))
    with pytest.raises(NoDataError, match="rxe0"):
        probe.collect(cycle_of({"rxe0/ports/1/state": "4: ACTIVE\n"}, {}))


def test_a_machine_without_rdma_is_unsupported(cycle_of: Callable[..., FakeCycle]) -> None:
    with pytest.raises(UnsupportedError, match="no RDMA device under"):
        probe.collect(cycle_of({}))


def test_all_names_that_users_know_exist() -> None:
    names = [metric.name_in(Naming.KUBESKOOP) for metric in probe.PROBE.metrics]
    assert (len(names), len(set(names)), len(probe.MLX5), len(probe.ERDMA)) == (112, 112, 50, 55)
    assert {"kubeskoop_rdma_mlx5_VL15_dropped", "kubeskoop_rdma_erdma_erdma_aeq_notify_cnt"} < set(names)


def test_objects_are_gauges_and_everything_else_counts() -> None:
    assert {metric.kind for metric in probe.RESOURCES} == {Kind.GAUGE}
    assert {metric.kind for metric in (*probe.MLX5, *probe.ERDMA)} == {Kind.COUNTER}


def test_every_help_text_is_its_own() -> None:
    texts = [metric.help for metric in probe.PROBE.metrics]
    assert len(set(texts)) == len(texts)
