from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.bpf.netns_counts import Counted, Counts
from exporter.bpf.reasons import Reasons
from exporter.probes import tcpreset as probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod

NAMES = Reasons({"SK_RST_REASON_NOT_SPECIFIED": 0, "SK_RST_REASON_NO_SOCKET": 1}, probe.PREFIXES)
NO_SOCKET, ANSWER, ACTIVE, CONNECTING = range(4)


class FixedCounts:
    """Stands for the programs: what they counted is given."""

    def __init__(self, counts: Counts, *, newer: bool) -> None:
        self._counts = counts
        self.newer = newer

    def kinds(self) -> dict[int, str]:
        return dict(enumerate((*probe.SENT_KINDS, *probe.RECEIVED_KINDS)))

    def read(self) -> Counts:
        return self._counts

    def close(self) -> None:
        """Nothing was opened."""


def test_resets_are_counted_by_kind_and_those_sent_by_reason(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod, dns: Pod
) -> None:
    counted = [Counted(NO_SOCKET, 1, 2), Counted(ANSWER, 1, 3), Counted(ANSWER, 9, 5), Counted(CONNECTING, 0, 7)]
    counts = Counts(frozenset({host.netns, web.netns}), {web.netns: counted}, [Counted(NO_SOCKET, 1, 11)], 13)
    cycle = fake_cycle({}, pids={host: (1,), web: (7,), dns: (9,)})

    assert values_of(probe.TcpReset(FixedCounts(counts, newer=True), NAMES).collect(cycle)) == {
        (host,): {"sent_total": 0, "received_total": 0, "unattributed_total": 11, "uncounted_total": 13},
        (web,): {"sent_total": 10, "received_total": 7},
        (web, "no_socket"): {"sent_by_kind_total": 2},
        (web, "answer"): {"sent_by_kind_total": 8},
        (web, "connecting"): {"received_by_kind_total": 7},
        (web, "NO_SOCKET"): {"sent_by_reason_total": 5},
        (web, "reason_9"): {"sent_by_reason_total": 5},
    }


def test_a_kernel_that_hides_resets_has_neither_their_total_nor_reasons(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod
) -> None:
    counts = Counts(frozenset({host.netns}), {host.netns: [Counted(ACTIVE, 0, 2)]})
    cycle = fake_cycle({}, pids={host: (1,)})

    assert values_of(probe.TcpReset(FixedCounts(counts, newer=False), NAMES).collect(cycle)) == {
        (host,): {"sent_total": None, "received_total": 0, "unattributed_total": 0, "uncounted_total": 0},
        (host, "active"): {"sent_by_kind_total": 2},
    }
