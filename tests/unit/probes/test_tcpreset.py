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

    def __init__(self, counts: Counts, *, newer: bool, by: tuple[str, ...] = ("send_reset",)) -> None:
        self._counts = counts
        self.newer = newer
        self.chosen = {"a reset sent": by, "a reset received": ("receive_reset",)}

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


def test_where_the_functions_are_watched_the_total_is_known_without_reasons(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod
) -> None:
    counts = Counts(frozenset({host.netns}), {host.netns: [Counted(NO_SOCKET, 0, 2), Counted(ACTIVE, 0, 3)]})
    cycle = fake_cycle({}, pids={host: (1,)})
    by_functions = FixedCounts(counts, newer=False, by=("answer4_kprobe", "answer6_kprobe", "active_kprobe"))

    assert values_of(probe.TcpReset(by_functions, NAMES).collect(cycle)) == {
        (host,): {"sent_total": 5, "received_total": 0, "unattributed_total": 0, "uncounted_total": 0},
        (host, "no_socket"): {"sent_by_kind_total": 2},
        (host, "active"): {"sent_by_kind_total": 3},
    }


def test_the_tracepoint_goes_first_only_where_it_tells_of_every_reset() -> None:
    newer, older = (probe.places(told=told)[0].ways for told in (True, False))
    assert newer[0] == older[-1] == ("send_reset",)
    assert newer[1:] == older[:-1]
