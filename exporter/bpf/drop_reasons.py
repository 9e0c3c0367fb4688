"""The kernel's reasons to drop a packet: the user side of bpf/include/drop_reason.h."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.bpf import event_plan, reasons

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.bpf.event_plan import Plan
    from exporter.bpf.loader import BpfObject
    from exporter.bpf.reasons import Reasons

PREFIXES: Final = ("SKB_DROP_REASON_",)
_WORD: Final = 1 << 64
_BITS: Final = 128  # of both variables that say which reasons are harmless

# Nothing was lost: the packet had done its work, its content had arrived before, or it was meant for another machine.
HARMLESS: Final = frozenset(
    {
        "SKB_NOT_DROPPED_YET",
        "SKB_CONSUMED",
        "OTHERHOST",  # seen because the device is promiscuous
        "QUEUE_PURGE",  # a socket was closed with data that its program had not read
        "TCP_OFOMERGE",  # all of it had been received before
        "TCP_OLD_DATA",
        "TCP_RESET",  # a reset, after it was obeyed
        "sk_stream_kill_queues",  # as QUEUE_PURGE, where functions stand for reasons
        "skb_queue_purge",
    }
)


def read(path: Path) -> Reasons:
    """Those of the running kernel, whose BTF is at `path`; without names when it has none. Raises UnsupportedError."""
    return reasons.read("skb_drop_reason", PREFIXES, path)


def prepare(bpf: BpfObject, plan: Plan | None, names: Reasons) -> None:
    """Set an object up for events about drops. Before load. Raises SourceError."""
    event_plan.prepare(bpf, plan)
    bits = sum(1 << number for number in names.numbers(HARMLESS) if number < _BITS)
    high, low = divmod(bits, _WORD)
    bpf.set_variable("harmless_low", low)
    bpf.set_variable("harmless_high", high)
