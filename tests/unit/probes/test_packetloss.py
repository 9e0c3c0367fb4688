from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.bpf.drop_places import DropPlaces
from exporter.bpf.netns_counts import Counted, Counts
from exporter.bpf.reasons import Reasons
from exporter.model.metric import Naming
from exporter.probes import packetloss as probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod

KERNEL = {
    "SKB_CONSUMED": 1,
    "SKB_DROP_REASON_NOT_SPECIFIED": 2,
    "SKB_DROP_REASON_NO_SOCKET": 3,
    "SKB_DROP_REASON_SOCKET_RCVBUFF": 6,
    "SKB_DROP_REASON_NETFILTER_DROP": 12,
    "SKB_DROP_REASON_QUEUE_PURGE": 104,
}
NAMES = Reasons(KERNEL, probe.PREFIXES)


class FixedCounts:
    """Stands for the programs: what they counted is given."""

    newer = True

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def kinds(self) -> dict[int, str]:
        return {0: "unicast", 1: "multicast"}

    def read(self) -> Counts:
        return self._counts

    def close(self) -> None:
        """Nothing was opened."""


def test_drops_are_named_and_summed_by_what_they_mean(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod, dns: Pod
) -> None:
    """Of 1 + 2 + 5 + 3 + 7 + 11 + 2^63 drops, 7 were no loss, and 3 of multicast are not abnormal; 137 has no name."""
    found = [
        Counted(0, 2, 1),
        Counted(0, 3, 2),
        Counted(0, 6, 5),
        Counted(1, 6, 3),
        Counted(0, 104, 7),
        Counted(0, 12, 11),
    ]
    counts = Counts(
        live=frozenset({host.netns, web.netns}),
        by_netns={web.netns: [*found, Counted(0, 137, 1 << 63)]},
        unknown=[Counted(0, 3, 13)],
        uncounted=17,
    )
    cycle = fake_cycle({}, pids={host: (1,), web: (7,), dns: (9,)})

    assert values_of(probe.PacketLoss(FixedCounts(counts), NAMES).collect(cycle)) == {
        (host,): {"total": 0, "abnormal": 0, "netfilter": 0, "uncounted_total": 17},
        (host, "NO_SOCKET"): {"unattributed_total": 13},
        (web,): {"total": 1 + 2 + 5 + 3 + 11 + (1 << 63), "abnormal": 5, "netfilter": 11},
        (web, "NOT_SPECIFIED"): {"drops_total": 1},
        (web, "NO_SOCKET"): {"drops_total": 2},
        (web, "SOCKET_RCVBUFF"): {"drops_total": 8},
        (web, "QUEUE_PURGE"): {"drops_total": 7},
        (web, "NETFILTER_DROP"): {"drops_total": 11},
        (web, "reason_137"): {"drops_total": 1 << 63},
    }


def test_no_reason_is_both_harmless_and_abnormal() -> None:
    assert frozenset() == probe.HARMLESS & probe.ABNORMAL_REASONS


def test_documented_names_are_kept() -> None:
    assert probe.TOTAL.name_in(Naming.KUBESKOOP) == "kubeskoop_packetloss_total"
    assert probe.NETFILTER.name_in(Naming.KUBESKOOP) == "kubeskoop_packetloss_netfilter"
    assert probe.ABNORMAL.name_in(Naming.INSPECTOR) == "inspector_pod_packetloss_abnormal"


def test_functions_stand_for_reasons_where_the_kernel_tells_none(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod, tmp_path: Path
) -> None:
    """What was in a queue that was purged is no loss; which losses are abnormal is unknown."""
    places = {"nf_hook_slow": 0x81000100, "__udp4_lib_rcv": 0x81000200, "skb_queue_purge": 0x81000300}
    lines = [f"{0xFFFFFFFF00000000 + start:x} t {name}\n" for name, start in places.items()]
    (tmp_path / "kallsyms").write_text("".join(["ffffffff81000000 T _text\n", *lines]))
    counted = [Counted(0, start + 3, number) for start, number in zip(places.values(), (2, 3, 5), strict=True)]
    elsewhere = [Counted(0, 0x81000201, 7), Counted(0, 0x71000000, 11)]
    counts = Counts(frozenset({host.netns, web.netns}), {web.netns: counted}, elsewhere)
    cycle = fake_cycle({}, pids={host: (1,), web: (7,)})
    names = DropPlaces(tmp_path / "kallsyms")

    assert values_of(probe.PacketLoss(FixedCounts(counts), names).collect(cycle)) == {
        (host,): {"total": 0, "abnormal": None, "netfilter": 0, "uncounted_total": 0},
        (host, "__udp4_lib_rcv"): {"unattributed_total": 7},
        (host, "unknown"): {"unattributed_total": 11},
        (web,): {"total": 5, "abnormal": None, "netfilter": 2},
        (web, "nf_hook_slow"): {"drops_total": 2},
        (web, "__udp4_lib_rcv"): {"drops_total": 3},
        (web, "skb_queue_purge"): {"drops_total": 5},
    }
    names.close()
