"""What probes make of the records that their programs send."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import objects
from exporter.bpf.elf import read_btf
from exporter.bpf.net_events import NetEvent
from exporter.bpf.netns_counts import Counts
from exporter.bpf.reasons import Reasons
from exporter.bpf.task_events import TaskEvent
from exporter.probes import (
    biolatency,
    kernellatency,
    netiftxlat,
    packetloss,
    softirq,
    tcpreset,
    tcpretrans,
    tcptwrcv,
    virtcmdlatency,
)

if TYPE_CHECKING:
    from exporter.model.event import EventType

DROPS = Reasons({"SKB_DROP_REASON_NO_SOCKET": 3}, ("SKB_DROP_REASON_",))
UNTOLD = Reasons({}, ())
RECORD = NetEvent(
    time=1, cookie=9, place=2, src=bytes(16), dst=bytes(16), device=b"eth0".ljust(16, b"\0"),
    command=b"curl".ljust(16, b"\0"), netns=7, reason=3, amount=4, span=5,
    sport=1, dport=2, protocol=6, ends=1, kind=0, state=1, detail=0, latency=0, cpu=0, pid=42,
)  # fmt: skip
TASK = TaskEvent(
    time=1, cookie=9, took=1, waited=0, place=0, device=b"eth1".ljust(32, b"\0"), command=b"ip".ljust(16, b"\0"),
    netns=7, pid=42, cpu=3, amount=0, kind=0, detail=0,
)  # fmt: skip


class FixedCounts:
    """Stands for the programs."""

    def __init__(self, *kinds: str, newer: bool = True) -> None:
        self._kinds = dict(enumerate(kinds))
        self.newer = newer
        self.chosen = {"a reset sent": ("send_reset",)}

    def kinds(self) -> dict[int, str]:
        return self._kinds

    def read(self) -> Counts:
        return Counts(frozenset(), {})


def test_each_kind_of_reset_has_its_type_in_both_families() -> None:
    kinds = (*tcpreset.SENT_KINDS, *tcpreset.RECEIVED_KINDS)
    probe = tcpreset.TcpReset(FixedCounts(*kinds), Reasons({"NO_SOCKET": 3}, ()))  # type: ignore[arg-type]

    told = [probe._told(RECORD._replace(kind=number)) for number in range(len(kinds))]
    assert [(each.name, each.ack, values) for each, values in told] == [
        ("TCPRESET_NOSOCK", "TCP_SEND_RST_NOSock", ("TCP_ESTABLISHED", "NO_SOCKET", "sent", "eth0")),
        ("TCPRESET_PROCESS", "TCP_SEND_RST", ("TCP_ESTABLISHED", "NO_SOCKET", "sent", "eth0")),
        ("TCPRESET_ACTIVE", "TCP_SEND_RST_ACTIVE", ("TCP_ESTABLISHED", "NO_SOCKET", "sent", "eth0")),
        ("TCPRESET_RECEIVE", "TCP_RCV_RST_SYN", ("TCP_ESTABLISHED", "", "received", "eth0")),
        ("TCPRESET_RECEIVE", "TCP_RCV_RST_ESTAB", ("TCP_ESTABLISHED", "", "received", "eth0")),
        ("TCPRESET_RECEIVE", "TCP_RCV_RST_TW", ("TCP_ESTABLISHED", "", "received", "eth0")),
    ]


def test_a_kernel_without_reset_reasons_tells_none() -> None:
    probe = tcpreset.TcpReset(FixedCounts("active", newer=False), UNTOLD)  # type: ignore[arg-type]

    assert probe._told(RECORD)[1] == ("TCP_ESTABLISHED", "", "sent", "eth0")


def test_a_lost_packet_tells_its_reason_where_there_are_any_and_for_how_many_it_was() -> None:
    kinds = FixedCounts("unicast", "multicast")
    known = packetloss.PacketLoss(kinds, DROPS)  # type: ignore[arg-type]
    unknown = packetloss.PacketLoss(kinds, UNTOLD)  # type: ignore[arg-type]
    for_many = RECORD._replace(dst=bytes(10) + b"\xff\xff" + bytes((239, 1, 2, 3)), state=0)

    assert known._told(RECORD) == (packetloss.LOSS, ("NO_SOCKET", "unicast", "eth0", "TCP_ESTABLISHED"))
    assert known._told(for_many)[1] == ("NO_SOCKET", "multicast", "eth0", "")
    assert unknown._told(RECORD._replace(kind=1))[1] == ("", "multicast", "eth0", "TCP_ESTABLISHED")


def test_a_retransmission_tells_why_and_when_only_with_evidence() -> None:
    probe = tcpretrans.TcpRetrans(FixedCounts("rto"), DROPS)  # type: ignore[arg-type]

    told = [probe._told(RECORD._replace(detail=grade))[1] for grade in range(3)]
    assert told == [
        ("rto", 4, "none", "", "", "TCP_ESTABLISHED", "eth0"),
        ("rto", 4, "connection", "NO_SOCKET", 5, "TCP_ESTABLISHED", "eth0"),
        ("rto", 4, "segment", "NO_SOCKET", 5, "TCP_ESTABLISHED", "eth0"),
    ]


def test_grades_of_evidence_are_those_of_the_program() -> None:
    grades = read_btf(objects.find("tcpretrans")).enum("evidence")

    assert [name.removeprefix("EVIDENCE_").lower() for name in sorted(grades, key=grades.__getitem__)] == [
        *tcpretrans.EVIDENCE
    ]


def test_a_segment_for_a_connection_that_is_over_tells_what_it_was() -> None:
    probe = tcptwrcv.TcpTwRcv(FixedCounts("fin"))  # type: ignore[arg-type]

    assert probe._told(RECORD._replace(state=6)) == (tcptwrcv.RECEIVED, ("fin", "TCP_TIME_WAIT", "eth0"))


def test_values_are_as_many_as_fields_and_of_those_declared() -> None:
    types = (*tcpreset.EVENTS.values(), packetloss.LOSS, tcpretrans.RETRANSMISSION, tcptwrcv.RECEIVED)

    assert {each.name: len(each.fields) for each in types} == {
        "TCPRESET_NOSOCK": 4,
        "TCPRESET_PROCESS": 4,
        "TCPRESET_ACTIVE": 4,
        "TCPRESET_RECEIVE": 4,
        "PacketLoss": 4,
        "TCPRetrans": 7,
        "TCPTWRCV": 3,
    }


def test_a_virtio_command_is_told_by_the_name_of_its_class_or_its_number_where_that_is_new() -> None:
    probe = virtcmdlatency.VirtCmdLatency(None, very_slow_ns=100_000_000)  # type: ignore[arg-type]
    known = TASK._replace(took=100_000_000, kind=2, detail=1)
    unknown = TASK._replace(took=100_000_001, kind=99, device=bytes(32))

    assert probe._told(known) == (virtcmdlatency.COMMAND, (100_000, "vlan", 1, "eth1", "ip", 42, 3))
    assert probe._told(unknown) == (virtcmdlatency.VERY_SLOW_COMMAND, (100_000, "99", 0, "", "ip", 42, 3))


def test_a_slow_request_is_told_with_both_parts_of_its_time() -> None:
    requests = SimpleNamespace(operations={0: "read"})
    probe = biolatency.BioLatency(requests, very_slow_ns=100_000_000)  # type: ignore[arg-type]
    one = TASK._replace(took=12_345_678, waited=2_000_000, place=2048, device=b"vda".ljust(32, b"\0"), amount=4096)

    facts = (12_345, 2_000, 10_345, "vda", "read", 4096, 2048, "ip", 42)
    assert probe._told(one) == (biolatency.REQUEST, facts)


def test_a_slow_packet_tells_both_stages_or_none() -> None:
    known = RECORD._replace(latency=12_000, detail=11_000)

    assert kernellatency._told(kernellatency.RX_SLOW, known) == (kernellatency.RX_SLOW, (12_000, 11_000, 1_000, "eth0"))
    assert kernellatency._told(kernellatency.TX_SLOW, known._replace(detail=0)) == (
        kernellatency.TX_SLOW,
        (12_000, "", "", "eth0"),
    )


def test_a_slow_driver_tells_how_long_the_packet_had_waited_where_that_is_known() -> None:
    known = RECORD._replace(latency=12_000, detail=0)

    assert netiftxlat._waited(known) == (netiftxlat.QDISC_SLOW, (12_000, "eth0"))
    assert netiftxlat._drove(known) == (netiftxlat.NETDEV_SLOW, (12_000, 0, "eth0"))
    assert netiftxlat._drove(known._replace(ends=0)) == (netiftxlat.NETDEV_SLOW, (12_000, "", "eth0"))


@pytest.mark.parametrize(
    ("latency", "executes", "kind"),
    [
        (99_999, False, softirq.WAIT_SLOW),
        (100_000, False, softirq.WAIT_VERY_SLOW),
        (99_999, True, softirq.RUN_SLOW),
        (100_000, True, softirq.RUN_VERY_SLOW),
    ],
)
def test_a_soft_interrupt_is_slow_or_very_slow(latency: int, executes: bool, kind: EventType) -> None:  # noqa: FBT001 -- a case
    probe = softirq.Softirq(None, 100_000)  # type: ignore[arg-type]  # its programs are not asked
    event = RECORD._replace(latency=latency, detail=7, cpu=3, pid=4711)

    waited = (7,) if executes else ()
    assert probe._told("net_rx", event, executes) == (kind, ("net_rx", latency, *waited, 3, 4711))
