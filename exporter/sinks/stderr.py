"""Events on standard error, where the container's log has them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import SinkError, StartError
from exporter.sinks import lines
from exporter.sinks.context import SinkSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.model.event import Named, Sink
    from exporter.sinks.context import SinkContext

_STDERR: Final = 2


class StderrSink:
    """Writes a line for each event. Each is one write, so that the log's own lines do not come in between.

    Args:
        line: makes it.
        descriptor: to write to.
    """

    def __init__(self, line: Callable[[Named], bytes], descriptor: int = _STDERR) -> None:
        self._line = line
        self._descriptor = descriptor

    def send(self, events: Sequence[Named]) -> None:
        """Write them; waits while the reader does not read. Raises SinkError, counting those not written."""
        for done, named in enumerate(events):
            _, error = lines.write(self._descriptor, self._line(named))
            if error is not None:
                hint = "see what became of the terminal or of whoever collects the log"
                text = f"standard error cannot be written to ({error.strerror}); {hint}"
                raise SinkError(text, lost=len(events) - done) from error

    def close(self) -> None:
        """Standard error stays open."""


def open_sink(args: Mapping[str, Any], context: SinkContext) -> Sink:
    """Make it. Raises StartError without a standard error, whose number may be anything's then."""
    if sys.stderr is None:
        raise StartError("stderr: standard error is closed; start the exporter with one, or name another sink")
    return StderrSink(lines.encoder(args["format"], context))


SINK = SinkSpec(
    name="stderr",
    summary="Writes events to standard error.",
    open=open_sink,
    options=(lines.option(lines.TEXT),),
)
