"""What a sink is: its declaration, and the world it may touch."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from exporter.events import record, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.model.event import EventNaming, EventType, Named, Sink
    from exporter.model.probe import Option


def _uncounted(_reason: str, _count: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink gets besides its arguments.

    Args:
        node: name of this node.
        naming: family of type strings.
        ending: set when the exporter stops; whoever waits, to try again perhaps, then does not wait any longer.
        lost: counts events that this sink has lost, by a reason of a word or two, where `send` does not raise.
        types: of events, all that exist; for filters.
    """

    node: str
    naming: EventNaming
    ending: Flag = field(default_factory=Flag)
    lost: Callable[[str, int], None] = _uncounted
    types: tuple[EventType, ...] = ()

    def text(self, named: Named) -> str:
        """An event as a line of text, without a line feed."""
        return text.line(named, self.naming)

    def record(self, named: Named) -> dict[str, Any]:
        """An event as a JSON record."""
        return record.record(named, self.naming)

    def json(self, named: Named) -> str:
        """The record on one line, without a line feed."""
        return record.line(named, self.naming)

    def type_name(self, named: Named) -> str:
        """Type string of an event."""
        return named.event.type.name_in(self.naming)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """The declaration of one sink: the constant `SINK` of its module.

    Args:
        name: in the configuration, equals the module's name.
        summary: one sentence.
        open: makes it, from all options with their defaults filled in. Raises UsageError for arguments that make no
            sense and StartError where the machine refuses; the text names the place and the next step.
        options: its arguments.
        default: whether it runs without being asked for, as soon as a probe's events are wanted.
    """

    name: str
    summary: str
    open: Callable[[Mapping[str, Any], SinkContext], Sink]
    options: tuple[Option, ...] = ()
    default: bool = False
