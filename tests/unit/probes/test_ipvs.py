from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import UnsupportedError
from exporter.model.metric import Kind, Naming
from exporter.probes import ipvs as probe
from exporter.sources import ipvs

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle


def test_the_node_has_one_row_in_which_packets_are_not_bytes(
    fake_cycle: type[FakeCycle], host: Pod, values_of: Callable[..., object]
) -> None:
    cycle = fake_cycle({ipvs.read: [(host, ipvs.Ipvs(1, 2, 3, 4, 5))]})
    assert values_of(probe.collect(cycle)) == {
        (host,): {
            "connections": 1,
            "incomingpackets": 2,
            "outgoingpackets": 3,
            "incomingbytes": 4,
            "outgoingbytes": 5,
        }
    }


def test_without_ipvs_the_reason_is_passed_on(fake_cycle: type[FakeCycle], host: Pod) -> None:
    with pytest.raises(UnsupportedError, match="modprobe ip_vs"):
        probe.collect(fake_cycle({ipvs.read: [(host, UnsupportedError("modprobe ip_vs"))]}))


def test_names_that_users_know_exist_and_all_count() -> None:
    assert [metric.name_in(Naming.INSPECTOR) for metric in probe.METRICS] == [
        "inspector_pod_ipvsconnections",
        "inspector_pod_ipvsincomingpackets",
        "inspector_pod_ipvsincomingbytes",
        "inspector_pod_ipvsoutgoingpackets",
        "inspector_pod_ipvsoutgoingbytes",
    ]
    assert {metric.kind for metric in probe.METRICS} == {Kind.COUNTER}
