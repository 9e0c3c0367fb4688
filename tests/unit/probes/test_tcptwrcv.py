from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.netns_counts import Counted, Counts
from exporter.errors import UnsupportedError
from exporter.model.pod import Pod
from exporter.probes import tcptwrcv as probe

if TYPE_CHECKING:
    from collections.abc import Callable

GONE = Pod("shop", "cart-0", 4026532999)


class FixedCounts:
    """Stands for the program: how it was attached and what it counted is given."""

    def __init__(self, counts: Counts, way: str = "judged", *, newer: bool = False) -> None:
        self._counts = counts
        self.chosen = {probe.PLACES[0].place: (way,)}
        self.newer = newer
        self.closed = False

    def kinds(self) -> dict[int, str]:
        return dict(enumerate(probe.KIND.values))

    def read(self) -> Counts:
        return self._counts

    def close(self) -> None:
        self.closed = True


def test_each_live_namespace_has_a_total_and_the_kinds_that_occurred(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod
) -> None:
    counts = Counts(
        live=frozenset({host.netns, web.netns}),
        by_netns={web.netns: [Counted(0, 0, 2), Counted(5, 0, 1 << 63)], GONE.netns: [Counted(1, 0, 3)]},
        uncounted=5,
    )
    cycle = fake_cycle({}, pids={host: (1,), web: (7,), GONE: (9,)})

    assert values_of(probe.TcpTwRcv(FixedCounts(counts)).collect(cycle)) == {  # type: ignore[arg-type]
        (host,): {"total": 0, "uncounted_total": 5},
        (web,): {"total": 2 + (1 << 63)},
        (web, "syn_accepted"): {"segments_total": 2},
        (web, "ack"): {"segments_total": 1 << 63},
    }


def test_a_tracepoint_that_does_not_tell_the_socket_is_not_used(
    monkeypatch: pytest.MonkeyPatch, env_of: Callable[..., Any]
) -> None:
    made = FixedCounts(Counts(frozenset(), {}), "drop")
    monkeypatch.setattr("exporter.probes.tcptwrcv.NetnsCounts", lambda *_: made)

    with pytest.raises(UnsupportedError, match=r"takes no fentry programs.*since Linux 6\.11"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))
    assert made.closed


@pytest.mark.parametrize(("way", "newer"), [("drop", True), ("judged", False)])
def test_either_way_that_tells_the_socket_will_do(
    way: str,
    newer: bool,  # noqa: FBT001 -- a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
    env_of: Callable[..., Any],
) -> None:
    made = FixedCounts(Counts(frozenset(), {}), way, newer=newer)
    monkeypatch.setattr("exporter.probes.tcptwrcv.NetnsCounts", lambda *_: made)

    probe.open_probe(env_of("6.18-x86_64-two-pods")).close()

    assert made.closed


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))
