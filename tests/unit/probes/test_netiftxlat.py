from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import elf, objects
from exporter.bpf.netns_latency import Given
from exporter.bpf.packets import under_way
from exporter.errors import UnsupportedError
from exporter.model.metric import Metric, Naming
from exporter.probes import netiftxlat as probe

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (
            probe.QDISC.very_slow,
            (
                "kubeskoop_netiftxlat_qdiscslow100ms",
                "inspector_pod_netiftxlatqdiscslow100ms",
                "inspector_pod_netiftxlat_qdiscslow100ms",
            ),
        ),
        (
            probe.NETDEV.very_slow,
            (
                "kubeskoop_netiftxlat_netdevslow100ms",
                "inspector_pod_netiftxlatnetdevslow100ms",
                "inspector_pod_netiftxlat_netdevslow100ms",
            ),
        ),
    ],
)
def test_the_documented_names_are_kept(metric: Metric, names: tuple[str, ...]) -> None:
    assert (*map(metric.name_in, Naming), *metric.aliases) == names


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))


@pytest.mark.parametrize(
    ("packets", "one_in", "sets"), [(16384, 1, 4096), (16384, 16, 256), (5, 1, 2), (4, 1, 1), (0, 1, 1), (5, 100, 1)]
)
def test_packets_that_are_measured_have_room_in_sets(packets: int, one_in: int, sets: int) -> None:
    values = {"packets": packets, "sample_one_in": one_in}
    variables = {"slow_ns": 1, "sample_one_in": one_in, "packet_sets": sets}

    given = under_way(Given(values, {"slow_ns": 1}, {"netns_times": 2}))

    assert given == Given(values, variables, {"netns_times": 2, "packets": sets})


def test_a_set_is_as_large_as_the_program_says() -> None:
    try:
        btf = elf.read_btf(objects.find("netiftxlat"))
    except UnsupportedError as error:
        pytest.skip(str(error))

    assert btf.struct("packet_set").size == 4 * (8 + btf.struct("packet").size)  # each with its owner
