"""Events as lines, in the format that a sink's arguments choose, and writing them to a descriptor."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Final

from exporter.model.probe import Option

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Named
    from exporter.sinks.context import SinkContext

TEXT: Final = "text"
JSON: Final = "json"


def option(default: str) -> Option:
    """The argument that chooses the format."""
    return Option(
        name="format",
        help="A line of text, or a JSON record on a line.",
        default=default,
        choices=(TEXT, JSON),
    )


def encoder(form: str, context: SinkContext) -> Callable[[Named], bytes]:
    """What makes a line, with its line feed, of an event."""
    line = context.json if form == JSON else context.text
    return lambda named: line(named).encode("utf-8", "backslashreplace") + b"\n"


def write(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
    """Write all of it, waiting for a pipe's reader; how many bytes were written, and what stopped it."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except OSError as error:
            return len(data) - len(rest), error
    return len(data), None
