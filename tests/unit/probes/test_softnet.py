from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.model.metric import Naming
from exporter.probes import softnet as probe
from exporter.sources import softnet

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


def test_the_node_has_the_only_row(fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod) -> None:
    cycle = fake_cycle({softnet.read: [(host, softnet.Softnet(100, 2, 3))]})
    assert values_of(probe.PROBE.open(cycle.env).collect(cycle)) == {
        (host,): {"processed": 100, "dropped": 2, "timesqueeze": 3}
    }


def test_the_documented_name_of_time_squeeze_is_kept() -> None:
    assert probe.TIME_SQUEEZE.name_in(Naming.INSPECTOR) == "inspector_pod_softnettimesqueeze"
