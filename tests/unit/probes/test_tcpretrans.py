from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.bpf.netns_counts import Counted, Counts
from exporter.bpf.reasons import Reasons
from exporter.model.metric import Naming
from exporter.probes import tcpretrans as probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


class FixedCounts:
    """Stands for the programs: what they counted is given."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def kinds(self) -> dict[int, str]:
        return dict(enumerate(probe.KIND.values))

    def read(self) -> Counts:
        return self._counts

    def close(self) -> None:
        """Nothing was opened."""


def test_each_live_namespace_has_a_total_and_the_kinds_that_occurred(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod, dns: Pod
) -> None:
    counts = Counts(
        live=frozenset({host.netns, web.netns}),
        by_netns={web.netns: [Counted(0, 0, 2), Counted(4, 0, 1 << 63)], 4026533999: [Counted(1, 0, 3)]},
        uncounted=5,
    )
    cycle = fake_cycle({}, pids={host: (1,), web: (7,), dns: (9,)})

    assert values_of(probe.TcpRetrans(FixedCounts(counts), Reasons({}, ())).collect(cycle)) == {
        (host,): {"total": 0, "uncounted_total": 5},
        (web,): {"total": 2 + (1 << 63)},
        (web, "syn"): {"segments_total": 2},
        (web, "tlp"): {"segments_total": 1 << 63},
    }


def test_the_documented_name_is_kept() -> None:
    assert probe.TOTAL.name_in(Naming.KUBESKOOP) == "kubeskoop_tcpretrans_total"
