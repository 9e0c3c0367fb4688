from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import NoDataError, UnsupportedError
from exporter.model.metric import Naming
from exporter.probes import slab as probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle

HEADER = """\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables
"""
TCP = "TCP                   21     26   2368   13    8 : tunables    0    0    0 : slabdata      2      2      0\n"
SKB = "skbuff_head_cache    336    352    256   16    1 : tunables    0    0    0 : slabdata     22     22      0\n"
OTHER = "bio-312               12     12    320   12    1 : tunables    0    0    0 : slabdata      1      1      0\n"
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def cycle_of(fake_cycle: type[FakeCycle], tmp_path: Path) -> Callable[[str], FakeCycle]:
    """A cycle on a machine with that slabinfo."""

    def make(content: str) -> FakeCycle:
        (tmp_path / "slabinfo").write_text(HEADER + content)
        world = fake_cycle()
        world.env = replace(world.env, proc=tmp_path)
        return world

    return make


def test_tcp_sockets_and_each_network_cache_have_a_row(
    cycle_of: Callable[[str], FakeCycle], host: Pod, values_of: Callable[..., object]
) -> None:
    assert values_of(probe.collect(cycle_of(TCP + OTHER + SKB))) == {
        (host,): {
            "tcpslabobjperslab": 13,
            "tcpslabpagesperslab": 8,
            "tcpslabobjactive": 21,
            "tcpslabobjnum": 26,
            "tcpslabobjsize": 2368,
        },
        (host, "TCP"): {
            "objects_active": 21,
            "objects": 26,
            "object_size_bytes": 2368,
            "memory_bytes": 16 * PAGE,
        },
        (host, "skbuff_head_cache"): {
            "objects_active": 336,
            "objects": 352,
            "object_size_bytes": 256,
            "memory_bytes": 22 * PAGE,
        },
    }


def test_a_cache_that_was_merged_with_another_leaves_a_gap(cycle_of: Callable[[str], FakeCycle]) -> None:
    assert [table.metrics for table in probe.collect(cycle_of(SKB))] == [probe.CACHE_METRICS]


def test_without_any_network_cache_there_is_no_data(cycle_of: Callable[[str], FakeCycle]) -> None:
    with pytest.raises(NoDataError, match="slab_nomerge"):
        probe.collect(cycle_of(OTHER))


def test_without_the_file_the_probe_is_unsupported(fake_cycle: type[FakeCycle], tmp_path: Path) -> None:
    cycle = fake_cycle()
    cycle.env = replace(cycle.env, proc=tmp_path)
    with pytest.raises(UnsupportedError, match="slabinfo does not exist"):
        probe.collect(cycle)


def test_names_that_users_know_exist() -> None:
    assert [metric.name_in(Naming.INSPECTOR) for metric in probe.TCP_METRICS] == [
        "inspector_pod_slabtcpslabobjperslab",
        "inspector_pod_slabtcpslabpagesperslab",
        "inspector_pod_slabtcpslabobjactive",
        "inspector_pod_slabtcpslabobjnum",
        "inspector_pod_slabtcpslabobjsize",
    ]


def test_this_machine_s_tcp_sockets_are_told(fake_cycle: type[FakeCycle], host: Pod) -> None:
    if not os.access("/proc/slabinfo", os.R_OK):
        pytest.skip("only root may read /proc/slabinfo")
    cycle = fake_cycle()
    cycle.env = replace(cycle.env, proc=Path("/proc"))
    ((owner, _, values), *_) = probe.collect(cycle)[0].rows
    assert (owner, all(value is not None and value >= 0 for value in values)) == (host, True)
