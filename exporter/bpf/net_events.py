"""Events about packets and connections: the user side of bpf/include/net_events.h.

    plan = event_plan.planned(env, "tcpreset")
    event_plan.prepare(bpf, plan)
    bpf.load()
    source = NetEvents(bpf, tell)

`tell(NetEvent)` gives the event's type and the values of its fields, or None where it is no event after all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from exporter.bpf.event_ring import EventRing, Sent, text
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


class NetEvent(NamedTuple):
    """As struct net_event, in its order.

    Args:
        time: ns, of the monotonic clock.
        cookie: of the namespace; 0 where it is not known.
        place: address in the kernel's code where it happened; 0 where it does not say.
        src: source or local address, IPv4 as ::ffff:a.b.c.d.
        dst: destination or remote address.
        device: its name, then zeros.
        command: name of the thread that did it, then zeros; only zeros where it is not told.
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
    cookie: int
    place: int
    src: bytes
    dst: bytes
    device: bytes
    command: bytes
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
        return text(self.device)

    @property
    def process_name(self) -> str:
        """Of the thread that did it; empty where it is not told."""
        return text(self.command)

    @property
    def state_name(self) -> str:
        """As the kernel spells it, for example TCP_ESTABLISHED; empty where there is none."""
        return STATES[self.state - 1] if 0 < self.state <= len(STATES) else ""


Told: TypeAlias = tuple[EventType, tuple[str | int, ...]] | None
Tell: TypeAlias = Callable[[NetEvent], Told]


class NetEvents(EventRing[NetEvent]):
    """Events of a loaded object. Used by one thread.

    Args:
        bpf: the object, which closes the ring with itself.
        tell: see the module.

    Raises:
        SourceError: the object's record is not the one of this module.
    """

    def __init__(self, bpf: BpfObject, tell: Tell) -> None:
        def made(sent: Sent[NetEvent]) -> Event | None:
            one, ahead, stack = sent
            told = tell(one)
            if told is None:
                return None
            ends, where = connection(one), _from(one.place, stack)
            return Event(told[0], one.time + ahead, one.netns, ends, told[1], where, one.cookie)

        super().__init__(bpf, "net_event", NetEvent, made)


def connection(one: NetEvent) -> Connection | None:
    """The ends of a record."""
    if not one.ends:
        return None
    return Connection(protocol_name(one.protocol), address(one.src), one.sport, address(one.dst), one.dport)


def protocol_name(number: int) -> str:
    """Of a protocol above IP; its number where it has no common name."""
    return _PROTOCOLS.get(number) or str(number)


@lru_cache(8192)
def address(raw: bytes) -> Address:
    """Of its 16 bytes."""
    return IPv4Address(raw[12:]) if raw.startswith(_MAPPED) else IPv6Address(raw)


def _from(place: int, stack: tuple[int, ...]) -> tuple[int, ...]:
    """A stack from `place` on where that is on it, as what is before it watches; without a stack, only `place`."""
    if not stack:
        return (place,) if place else ()
    return stack[stack.index(place) :] if place in stack else stack
