from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.metric import Naming
from exporter.probes import conntrack_netns as probe
from exporter.sources import conntrack

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from tests.conftest import FakeCycle


def test_each_namespace_tells_its_entries(
    fake_cycle: type[FakeCycle], host: Pod, web: Pod, values_of: Callable[..., object]
) -> None:
    cycle = fake_cycle({conntrack.read_entries: [(host, 4), (web, 9)]})
    assert values_of(probe.collect(cycle)) == {(host,): {"entries": 4}, (web,): {"entries": 9}}


def test_the_probe_is_off_by_default_and_its_name_says_whose_entries_it_counts() -> None:
    name = probe.ENTRIES.name_in(Naming.KUBESKOOP)
    assert (probe.PROBE.default, name) == (False, "kubeskoop_conntrack_netns_entries")
