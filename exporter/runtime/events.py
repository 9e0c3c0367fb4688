"""Events from the probes to the sinks, put together."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final, cast

from exporter import registry
from exporter.bpf.stacks import Stacks
from exporter.errors import CollectError, StartError, UsageError
from exporter.runtime.attempt import attempt
from exporter.runtime.bus import Bus, Losses, Outlet
from exporter.runtime.event_loop import EventLoop
from exporter.runtime.naming import Naming
from exporter.runtime.recent_events import RecentEvents
from exporter.sinks.context import SinkContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from exporter.config import EventConfig
    from exporter.identity.recent import Owners
    from exporter.model.event import EventSource, Sink
    from exporter.model.metric import Metric
    from exporter.model.pod import NetnsRef
    from exporter.model.probe import Env, EventProbe
    from exporter.runtime.collector import RunningProbe
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

PAGE: Final = "page"


class Events:
    """Everything between probes and sinks.

    Made while the exporter has all its privileges, started when it has given them up, which threads would keep.

    Args:
        config: of events.
        env: the world.
        probes: those whose events are wanted.
        owners: who has which namespace and address.
        discover: all namespaces now.
    """

    def __init__(
        self,
        config: EventConfig,
        env: Env,
        probes: Iterable[RunningProbe],
        owners: Owners,
        discover: Callable[[Env], tuple[NetnsRef, ...]],
    ) -> None:
        self.recent = RecentEvents()
        self.naming = config.naming
        self._config = config
        self._node = env.node
        self._ending = threading.Event()
        probes = tuple(probes)
        self._types = [each for opened in probes for each in opened.spec.events]
        self._sources = {opened.spec.name: _source(opened) for opened in probes}
        self._naming = Naming(env, owners, Stacks(), discover)
        self._bus: Bus | None = None
        self._loop: EventLoop | None = None

    def start(self) -> None:
        """Open the sinks and begin. Raises StartError and UsageError naming the sink, with nothing left open."""
        sinks: dict[str, tuple[Sink, Losses]] = {PAGE: (self.recent, Losses())}
        try:
            for name, sink, losses in self._open():
                sinks[name] = sink, losses
        except (StartError, UsageError):
            for sink, _ in sinks.values():
                attempt(sink.close)
            raise
        room = self._config.queue
        self._bus = Bus([Outlet(name, sink, room, losses) for name, (sink, losses) in sinks.items()], self._ending)
        self._loop = EventLoop(self._sources, self._types, self._naming, self._bus.publish)
        self._bus.start()
        self._loop.start()
        log.info("events   of %s go to: %s", ", ".join(self._config.options), ", ".join(sinks))

    def _open(self) -> Iterator[tuple[str, Sink, Losses]]:
        seen: Counter[str] = Counter()
        implied = len(self._config.sinks)
        for number, (spec, args) in enumerate((*self._config.sinks, *self._config.implied_sinks)):
            seen[spec.name] += 1
            name = spec.name if seen[spec.name] == 1 else f"{spec.name}_{seen[spec.name]}"
            losses = Losses()
            types = tuple(registry.load().events())  # so that a filter may name what is not running now
            context = SinkContext(self._node, self.naming, self._ending, losses.count, types)
            try:
                yield name, spec.open(args, context), losses
            except (StartError, UsageError) as error:
                if number < implied:
                    raise type(error)(f"event.sinks: {name}: {error}") from error
                log.warning("sink %s: %s; `event.port: 0` if it is not wanted", name, error)

    def reopen(self) -> None:
        """Have sinks open anew what they write to, after SIGHUP."""
        if self._bus is not None:
            self._bus.reopen()

    def samples(self) -> Mapping[Metric, Samples]:
        """The self-metrics of events; none before the start."""
        if self._loop is None or self._bus is None:
            return {}
        return {**self._loop.samples(), **self._bus.samples()}

    def close(self) -> None:
        """Take no more, deliver what was taken, close the sinks; safe to repeat."""
        if self._loop is not None and self._bus is not None:
            self._loop.stop()
            self._bus.close()
        self._loop = self._bus = None
        self._naming.close()


def _source(opened: RunningProbe) -> EventSource | CollectError:
    """Where a probe's events come from, or why there is no such thing."""
    if isinstance(opened.probe, CollectError):
        return opened.probe
    return attempt(cast("EventProbe", opened.probe).event_source)
