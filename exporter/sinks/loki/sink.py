"""The running sink: events become lines, and a thread of its own delivers them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from exporter.model.event import Deliveries
from exporter.sinks.loki.protocol import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.event import Named
    from exporter.sinks.loki.backlog import Backlog
    from exporter.sinks.loki.client import Client
    from exporter.sinks.loki.delivery import Delivery
    from exporter.sinks.loki.streams import Streams

log = logging.getLogger(__name__)

_LAST_SECONDS = 0.6  # for what is left when the exporter ends
_ABORT_SECONDS = 0.2  # until a request that was cut off has noticed


class LokiSink:
    """As `exporter.model.event.Sink`. `send` never waits for Loki.

    Args:
        line: text of an event.
        type_name: type string of an event.
        streams: chooses its stream.
        backlog: keeps it until Loki has it.
        delivery: brings it there.
        client: what `delivery` pushes by.
        clock: seconds, of any origin.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        line: Callable[[Named], str],
        type_name: Callable[[Named], str],
        *,
        streams: Streams,
        backlog: Backlog,
        delivery: Delivery,
        client: Client,
        clock: Callable[[], float],
    ) -> None:
        self._line = line
        self._type_name = type_name
        self._streams = streams
        self._backlog = backlog
        self._delivery = delivery
        self._client = client
        self._clock = clock
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loki", daemon=True)
        self._thread.start()

    def send(self, events: Sequence[Named]) -> None:
        """Put them into the backlog; what it has no room for is lost there and counted."""
        self._backlog.put([self._entry(named) for named in events])
        self._wake.set()

    def close(self) -> None:
        """Try for most of a second to deliver what waits; the rest is stored or counted as lost."""
        self._closing.set()
        self._wake.set()
        self._thread.join(_LAST_SECONDS + _ABORT_SECONDS)
        if self._thread.is_alive():
            self._client.abort()
            self._thread.join(_ABORT_SECONDS)
        waiting = self._backlog.waiting
        self._backlog.close()
        if waiting:
            kept = self._backlog.waiting
            log.warning(
                "Loki did not get the last %d events; %d of them are kept on disk, in `spillFolder`", waiting, kept
            )
        if not self._thread.is_alive():
            self._client.close()

    def deliveries(self) -> Deliveries:
        """The books at this moment; may be called by any thread."""
        return Deliveries(self._backlog.sent, self._backlog.waiting, self._delivery.retries, self._streams.folded)

    def _entry(self, named: Named) -> Entry:
        namespace, pod = (named.pod.namespace, named.pod.name) if named.pod else ("", "")
        labels = self._streams.labels(self._type_name(named), namespace, pod)
        return Entry(labels, named.event.time, self._line(named))

    def _run(self) -> None:
        while not self._closing.is_set():
            pause = self._delivery.step()
            if pause is None or pause > 0:
                self._wake.wait(pause)
                self._wake.clear()
        until = self._clock() + _LAST_SECONDS
        while self._clock() < until and self._delivery.step(hurry=True) == 0:
            pass
