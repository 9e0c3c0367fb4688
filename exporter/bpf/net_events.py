"""Events about packets and connections: the user side of bpf/include/net_events.h.

    plan = event_plan.planned(env, "tcpreset")
    event_plan.prepare(bpf, plan)
    bpf.load()
    source = NetEvents(bpf, tell)

`tell(NetEvent)` gives the event's type and the values of its fields, or None where it is no event after all.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exporter.bpf import layout
from exporter.model.event import Connection, Event, EventType

if TYPE_CHECKING:
    from exporter.bpf.loader import BpfObject
    from exporter.model.event import Address

_MAPPED: Final = bytes(10) + b"\xff\xff"  # in front of an IPv4 address
_PROTOCOLS: Final = {1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 51: "AH",
                     58: "ICMPv6", 103: "PIM", 112: "VRRP", 132: "SCTP"}  # fmt: skip
_STATES: Final = ("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
                  "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV")  # fmt: skip
STATES: Final = tuple(f"TCP_{name}" for name in _STATES)  # as in net/tcp_states.h, from 1 on
_AT_ONCE: Final = 1024
_DRIFT: Final = 1_000_000  # ns; below it the difference of the clocks is kept, so that times stay in order
_ATTEMPTS: Final = 3
_INTERRUPTED: Final = 50_000  # ns between two looks at one clock, beyond which the look at the other one is worthless


class NetEvent(NamedTuple):
    """As struct net_event, in its order.

    Args:
        time: ns, of the monotonic clock.
        place: address in the kernel's code where it happened; 0 where it does not say.
        src: source or local address, IPv4 as ::ffff:a.b.c.d.
        dst: destination or remote address.
        device: its name, then zeros.
        netns: inode of the namespace; 0 where it is not known.
        reason: the kernel's number.
        amount: of what the probe counts.
        span: ms.
        sport: port at `src`.
        dport: port at `dst`.
        protocol: above IP.
        ends: whether `src`, `dst` and what belongs to them are known.
        kind: as the probe's own enum says.
        state: of the socket, 0 where there is none.
        detail: as the probe says.
        latency: us; 0 where nothing was measured.
        cpu: on which it happened, where the probe says so.
        pid: of the process that was running there.
    """

    time: int
    place: int
    src: bytes
    dst: bytes
    device: bytes
    netns: int
    reason: int
    amount: int
    span: int
    sport: int
    dport: int
    protocol: int
    ends: int
    kind: int
    state: int
    detail: int
    latency: int
    cpu: int
    pid: int

    @property
    def device_name(self) -> str:
        """Empty where it is not known."""
        return _text(self.device)

    @property
    def state_name(self) -> str:
        """As the kernel spells it, for example TCP_ESTABLISHED; empty where there is none."""
        return STATES[self.state - 1] if 0 < self.state <= len(STATES) else ""


Told: TypeAlias = tuple[EventType, tuple[str | int, ...]] | None
Tell: TypeAlias = Callable[[NetEvent], Told]


class NetEvents:
    """Events of a loaded object. Used by one thread.

    Args:
        bpf: the object, which closes the ring with itself.
        tell: see the module.

    Raises:
        SourceError: the object's record is not the one of this module.
    """

    def __init__(self, bpf: BpfObject, tell: Tell) -> None:
        self._tell = tell
        self._layout = layout.bind(bpf.btf, "net_event", NetEvent)
        self._ring = bpf.ring("events")
        self._clock = WallClock()

    def fileno(self) -> int:
        """A descriptor that is readable when there are events."""
        return self._ring.fileno()

    def take(self) -> list[Event]:
        """The events that are there, at most 1024. Raises SourceError."""
        records = self._ring.consume(_AT_ONCE)
        offset = self._clock.offset()
        unpack, tell, size = self._layout.unpack, self._tell, self._layout.size
        events = []
        for record in records:
            one = unpack(record)
            told = tell(one)
            if told is not None:
                stack = _stack(record[size:], one.place)
                events.append(Event(told[0], one.time + offset, one.netns, connection(one), told[1], stack))
        return events


def connection(one: NetEvent) -> Connection | None:
    """The ends of a record."""
    if not one.ends:
        return None
    protocol = _PROTOCOLS.get(one.protocol) or str(one.protocol)
    return Connection(protocol, address(one.src), one.sport, address(one.dst), one.dport)


@lru_cache(8192)
def address(raw: bytes) -> Address:
    """Of its 16 bytes."""
    return IPv4Address(raw[12:]) if raw.startswith(_MAPPED) else IPv6Address(raw)


@lru_cache(1024)
def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _stack(raw: bytes, place: int) -> tuple[int, ...]:
    """Return addresses, from `place` on where it is one of them: what is before it watches. Without any, only it."""
    found = struct.unpack(f"<{len(raw) // 8}Q", raw) if raw else (place,)
    whole = found[: found.index(0)] if 0 in found else found
    return whole[whole.index(place) :] if place in whole else whole


class WallClock:
    """How far the wall clock is ahead of the monotonic one, in nanoseconds.

    Args:
        wall: reads the former.
        monotonic: reads the latter.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset: int | None = None

    def offset(self) -> int:
        """Now; the same as the last time unless somebody has set the clock, so that events stay in order."""
        measured = self._measured()
        if self._offset is None or abs(measured - self._offset) > _DRIFT:
            self._offset = measured
        return self._offset

    def _measured(self) -> int:
        for _ in range(_ATTEMPTS):
            before = self._monotonic()
            wall = self._wall()
            after = self._monotonic()
            if after - before < _INTERRUPTED:
                break
        return wall - (before + after) // 2
