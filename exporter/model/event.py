"""An exception that happened once, to somebody: its declaration, and how it travels from the kernel to the sinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.model.pod import Pod

Address: TypeAlias = IPv4Address | IPv6Address


class EventNaming(Enum):
    """The families of type strings that users filter by; `event.naming` in the configuration chooses one."""

    KUBESKOOP = "kubeskoop"  # as the peer's current version sends them
    ACK = "ack"  # as the documents of ACK Net Exporter list them


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A fact that events of a type tell besides the connection.

    Args:
        name: key in JSON and in the text.
        help: what it is, one sentence.
        values: the closed set of values, or empty for an open one.
    """

    name: str
    help: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventType:
    """One kind of exception. Declared once, in the module of its probe; equals only itself.

    Args:
        probe: name of the probe that sees it.
        name: type string of the peer's current version, or ours where it has none, for example TCPRESET_NOSOCK.
        ack: type string in the ACK documents where it is another one.
        help: one sentence.
        advice: what to do when it happens.
        fields: further facts, in the order in which they are told.
        aliases: further spellings in documents, accepted by filters, never sent.
    """

    probe: str
    name: str
    help: str
    ack: str = ""
    advice: str = ""
    fields: tuple[Field, ...] = ()
    aliases: tuple[str, ...] = ()

    def name_in(self, naming: EventNaming) -> str:
        """Type string in one family."""
        return self.ack if naming is EventNaming.ACK and self.ack else self.name

    def all_names(self) -> tuple[str, ...]:
        """Every spelling, that of the peer's current version first."""
        return tuple(dict.fromkeys(filter(None, (self.name, self.ack, *self.aliases))))


class Connection(NamedTuple):
    """The two ends of a packet or connection, as the event's packet travels or the socket sees it.

    Args:
        protocol: above IP, for example TCP; its number where it has no common name.
        source: address that sent, or the local one of a socket.
        source_port: its port in host order; 0 where the protocol has none.
        destination: address that is to receive, or the remote one.
        destination_port: its port in host order.
    """

    protocol: str
    source: Address
    source_port: int
    destination: Address
    destination_port: int


class Event(NamedTuple):
    """One exception as a probe tells it.

    Args:
        type: what happened.
        time: when, in nanoseconds since 1970.
        netns: inode of the network namespace; 0 where it is not known.
        connection: whose packet or connection; None where there is none.
        values: of the type's fields, in their order; an empty text where one is not known.
        stack: return addresses in the kernel, innermost first; unless asked for, at most the place where it happened.
        cookie: of the network namespace, which no other ever gets, as its inode may; 0 where that alone is known.
    """

    type: EventType
    time: int
    netns: int
    connection: Connection | None = None
    values: tuple[str | int, ...] = ()
    stack: tuple[int, ...] = ()
    cookie: int = 0


@dataclass(frozen=True, slots=True)
class Named:
    """An event with everybody in it named: what sinks and formats get.

    Args:
        event: as the probe told it.
        node: name of the node.
        pod: owner of the namespace; None where it is not known (any more).
        source: owner of the source address, where known.
        destination: owner of the destination address, where known.
        stack: the stack's functions as `name+0x1f`, innermost first.
        container: id of the container that the event's process is in; empty where it is not known.
    """

    event: Event
    node: str
    pod: Pod | None
    source: Mapping[str, str] = field(default_factory=dict)
    destination: Mapping[str, str] = field(default_factory=dict)
    stack: tuple[str, ...] = ()
    container: str = ""


class EventSource(Protocol):
    """Where a running probe's events come from. Used by one thread."""

    def fileno(self) -> int:
        """A descriptor that is readable when there are events."""

    def take(self) -> Sequence[Event]:
        """The events that are there, a bounded number. Raises SourceError."""


class Sink(Protocol):
    """Where events go to. Each has a thread of its own, which calls these."""

    def send(self, events: Sequence[Named]) -> None:
        """Deliver, in order. May block for as long as it wants. Raises SinkError when events are lost."""

    def close(self) -> None:
        """Deliver what is buffered within a second or so, and give back what was opened."""


class Deliveries(NamedTuple):
    """What has become of the events that a sink took over to deliver them later; what it lost is told to its context.

    Args:
        sent: delivered.
        waiting: in memory, on disk and under way.
        retries: attempts to deliver that followed a failed one.
        folded: delivered under a shared label, because there were too many of their own.
    """

    sent: int
    waiting: int
    retries: int = 0
    folded: int = 0


@runtime_checkable
class Buffering(Protocol):
    """A sink whose `send` only takes events over: what it was given is not delivered yet."""

    def deliveries(self) -> Deliveries:
        """Its books at this moment; may be called by any thread."""


@runtime_checkable
class Reopening(Protocol):
    """A sink that has something to open anew when SIGHUP says so; called by its thread."""

    def reopen(self) -> None:
        """Do so. Raises SinkError."""
