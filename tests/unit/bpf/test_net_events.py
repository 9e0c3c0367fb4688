"""Records as programs send them, made into events."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import layout, net_events, objects
from exporter.bpf.elf import read_btf
from exporter.bpf.event_ring import WallClock
from exporter.bpf.net_events import NetEvent, NetEvents
from exporter.model.event import Connection, EventType

if TYPE_CHECKING:
    from exporter.bpf.layout import Layout
    from exporter.bpf.net_events import Tell

TYPE = EventType(probe="tcpreset", name="X", help="X.")
NAMES = (
    "kernellatency",
    "netiftxlat",
    "packetloss",
    "socketlatency",
    "softirq",
    "tcpreset",
    "tcpretrans",
    "tcptwrcv",
)
MAPPED = bytes(10) + b"\xff\xff"
PLACE = 0xFFFFFFFF81000042
RECORD = NetEvent(
    time=1_000,
    cookie=77,
    place=PLACE,
    src=MAPPED + socket.inet_aton("192.0.2.7"),
    dst=MAPPED + socket.inet_aton("192.0.2.9"),
    device=b"eth0".ljust(16, b"\0"),
    command=bytes(16),
    netns=4026531840,
    reason=3,
    amount=1,
    span=0,
    sport=443,
    dport=33488,
    protocol=6,
    ends=1,
    kind=2,
    state=1,
    detail=0,
    latency=0,
    cpu=0,
    pid=0,
)


@pytest.fixture(params=NAMES)
def record_layout(request: pytest.FixtureRequest) -> Layout[NetEvent]:
    """Of each object that has such records."""
    path = objects.find(request.param)
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return layout.bind(read_btf(path), "net_event", NetEvent)


class FixedRing:
    """Stands for the kernel: records are given."""

    def __init__(self, *records: bytes) -> None:
        self._records = list(records)

    def consume(self, limit: int) -> list[bytes]:
        taken, self._records = self._records[:limit], self._records[limit:]
        return taken

    def fileno(self) -> int:
        return 7


class FixedObject:
    """Stands for a loaded object."""

    def __init__(self, name: str, *records: bytes) -> None:
        self.btf = read_btf(objects.find(name))
        self._ring = FixedRing(*records)

    def ring(self, _name: str) -> FixedRing:
        return self._ring


def events_of(*records: bytes, tell: Tell = lambda one: (TYPE, (one.state_name, one.device_name))) -> NetEvents:
    made = NetEvents(FixedObject("tcpreset", *records), tell)  # type: ignore[arg-type]  # stands for one
    made._clock = WallClock(wall=lambda: 5_000_000, monotonic=lambda: 1_000_000)
    return made


def test_every_object_has_the_same_record(record_layout: Layout[NetEvent]) -> None:
    assert record_layout.unpack(record_layout.pack(RECORD)) == RECORD
    assert record_layout.size == 128


def packed(one: NetEvent, *stack: int) -> bytes:
    plain = layout.bind(read_btf(objects.find("tcpreset")), "net_event", NetEvent).pack(one)
    return plain + (struct.pack("<24Q", *stack, *(0,) * (24 - len(stack))) if stack else b"")


def test_a_record_becomes_an_event_of_wall_clock_time_with_names() -> None:
    made = events_of(packed(RECORD))
    (event,) = made.take()

    assert made.fileno() == 7
    assert event == (
        TYPE,
        4_001_000,
        4026531840,
        Connection("TCP", ip_address("192.0.2.7"), 443, ip_address("192.0.2.9"), 33488),
        ("TCP_ESTABLISHED", "eth0"),
        (PLACE,),
        77,
    )


def test_a_stack_begins_where_it_happened_and_ends_before_the_zeros() -> None:
    full = tuple(range(1, 25))
    records = (
        packed(RECORD, 1, 2, PLACE, 4, 5),
        packed(RECORD, 1, 2, 3),
        packed(RECORD._replace(place=0), *full),
        packed(RECORD._replace(place=0)),
    )

    assert [event.stack for event in events_of(*records).take()] == [(PLACE, 4, 5), (1, 2, 3), full, ()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ends": 0}, None),
        ({"protocol": 58}, "ICMPv6"),
        ({"protocol": 253}, "253"),
        ({"src": ip_address("fd77::1").packed}, ip_address("fd77::1")),
        ({"src": bytes(16)}, ip_address("::")),
    ],
)
def test_ends_are_those_of_the_packet_or_unknown(changes: dict[str, Any], expected: object) -> None:
    found = net_events.connection(RECORD._replace(**changes))

    assert (found if found is None else found.source if "src" in changes else found.protocol) == expected


def test_states_and_devices_that_are_not_known_are_empty() -> None:
    states = [RECORD._replace(state=number).state_name for number in (0, 1, 6, 12, 13, 255)]

    assert states == ["", "TCP_ESTABLISHED", "TCP_TIME_WAIT", "TCP_NEW_SYN_RECV", "", ""]
    assert RECORD._replace(device=bytes(16)).device_name == ""
    assert RECORD._replace(device=b"sixteen-letters-").device_name == "sixteen-letters-"
    assert RECORD._replace(device=b"\xff\xfe".ljust(16, b"\0")).device_name == "\ufffd\ufffd"


def test_what_is_no_event_after_all_is_left_out_and_many_are_taken_in_parts() -> None:
    records = [packed(RECORD._replace(detail=number)) for number in range(1500)]
    made = events_of(*records, tell=lambda one: (TYPE, (one.detail,)) if one.detail % 2 else None)

    assert [event.values[0] for event in made.take()] == list(range(1, 1024, 2))
    assert [event.values[0] for event in made.take()] == list(range(1025, 1500, 2))
    assert made.take() == []


def test_the_clock_keeps_its_difference_until_somebody_sets_it() -> None:
    wall = iter([5_000_000, 5_900_000, 7_500_000])
    clock = WallClock(wall=lambda: next(wall), monotonic=lambda: 1_000_000)

    assert [clock.offset() for _ in range(3)] == [4_000_000, 4_000_000, 6_500_000]


def test_a_look_at_the_clock_that_was_interrupted_is_repeated() -> None:
    monotonic = iter([0, 90_000_000, 100_000_000, 100_000_100])
    wall = iter([1, 500_000_050])
    clock = WallClock(wall=lambda: next(wall), monotonic=lambda: next(monotonic))

    assert clock.offset() == 400_000_000
