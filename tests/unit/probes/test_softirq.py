from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.histogram import Hist
from exporter.bpf.softirq_times import TypeTimes
from exporter.bpf.times import Slow, Times
from exporter.errors import UnsupportedError
from exporter.model.metric import Metric, Naming
from exporter.model.snapshot import Histogram
from exporter.probes import softirq as probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


class FixedTimes:
    """Stands for the programs: what they measured is given."""

    def __init__(self, times: dict[str, TypeTimes]) -> None:
        self._times = times

    def read(self) -> dict[str, TypeTimes]:
        return self._times

    def close(self) -> None:
        """Nothing was opened."""


def test_each_type_is_a_row_of_the_node(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod
) -> None:
    waited = Times(Hist((3, 4, *[0] * 29, 1), 3_000_000_000, 8), Slow(2, 1))
    ran = Times(Hist((1 << 63, *[0] * 31), 1_500, 1 << 63), Slow(1 << 63, 5))
    idle = Times(Hist((0,) * 32, 0, 0), Slow(0, 0))
    times = {"net_rx": TypeTimes(waited, ran), "net_tx": TypeTimes(idle, idle)}
    empty = Histogram((0,) * 22, 0.0)

    assert values_of(probe.Softirq(FixedTimes(times)).collect(fake_cycle())) == {
        (host, "net_rx"): {
            "schedslow": 2,
            "schedslow100ms": 1,
            "excuteslow": 1 << 63,
            "excuteslow100ms": 5,
            "schedule_seconds": Histogram((3, 4, *[0] * 19, 1), 3.0),
            "execute_seconds": Histogram((1 << 63, *[0] * 21), 1.5e-06),
        },
        (host, "net_tx"): {
            "schedslow": 0,
            "schedslow100ms": 0,
            "excuteslow": 0,
            "excuteslow100ms": 0,
            "schedule_seconds": empty,
            "execute_seconds": empty,
        },
    }


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (probe.SCHED_SLOW, ("kubeskoop_softirq_schedslow", "inspector_pod_net_softirq_schedslow")),
        (probe.SCHED_VERY_SLOW, ("kubeskoop_softirq_schedslow100ms", "inspector_pod_net_softirq_schedslow100ms")),
        (probe.EXECUTE_SLOW, ("kubeskoop_softirq_excuteslow", "inspector_pod_net_softirq_excuteslow")),
        (probe.EXECUTE_VERY_SLOW, ("kubeskoop_softirq_excuteslow100ms", "inspector_pod_net_softirq_excuteslow100ms")),
        (probe.SCHEDULE_SECONDS, ("kubeskoop_softirq_schedule_seconds", "inspector_node_netsoftirqshed")),
        (probe.EXECUTE_SECONDS, ("kubeskoop_softirq_execute_seconds", "inspector_node_netsoftirq")),
    ],
)
def test_the_documented_names_are_kept(metric: Metric, names: tuple[str, str]) -> None:
    assert (metric.name_in(Naming.KUBESKOOP), metric.name_in(Naming.INSPECTOR)) == names


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))
