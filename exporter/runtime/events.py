"""Events from the probes to the sinks, put together."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Final, cast

from exporter import registry
from exporter.bpf.netns_list import NetnsList
from exporter.bpf.stacks import Stacks
from exporter.errors import CollectError, StartError, UsageError
from exporter.runtime.attempt import attempt
from exporter.runtime.bus import Bus, Losses, Nowhere, Outlet
from exporter.runtime.event_loop import EventLoop
from exporter.runtime.naming import Naming
from exporter.runtime.recent_events import RecentEvents
from exporter.sinks.context import SinkContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from exporter.config import EventConfig
    from exporter.identity.recent import Owners
    from exporter.model.event import EventSource, EventType
    from exporter.model.metric import Metric
    from exporter.model.pod import NetnsRef
    from exporter.model.probe import Env, EventProbe
    from exporter.runtime.collector import RunningProbe
    from exporter.runtime.health import Samples
    from exporter.settings.entries import SinkEntry

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
        self._owners = owners
        self._sources: dict[str, tuple[object, EventSource | CollectError]] = {}  # with the probe that has it
        self._types: list[EventType] = []
        self._ask(probes)
        self._netns = _listing(env, owners)
        self._naming = Naming(env, owners, Stacks(), discover)
        self._bus: Bus | None = None
        self._loop: EventLoop | None = None
        self._losses: dict[str, Losses] = {}  # by name of a sink, so that they never fall
        self._page = Outlet(PAGE, self.recent, config.queue, Losses())
        self._outlets: dict[str, Outlet] = {}  # by what tells one sink from another

    def _ask(self, probes: Iterable[RunningProbe]) -> None:
        """Have each probe's source of events, which is asked for once."""
        before, probes = self._sources, tuple(probes)
        self._types = [each for opened in probes for each in opened.spec.events]
        self._sources = {}
        for opened in probes:
            owner, source = before.get(opened.spec.name, (None, None))
            if source is None or owner is not opened.probe:
                source = _source(opened)
            self._sources[opened.spec.name] = opened.probe, source

    def start(self) -> None:
        """Open the sinks and begin. Raises StartError and UsageError naming the sink, with nothing left open."""
        try:
            for entry in (*self._config.sinks, *self._config.implied_sinks):
                self._open(self._outlet(entry), entry)
        except (StartError, UsageError):
            for outlet in self._outlets.values():
                attempt(outlet.sink.close)
            self._outlets.clear()
            raise
        self._forget_unopened()
        self._bus = Bus([self._page, *self._outlets.values()])
        sources = {name: source for name, (_, source) in self._sources.items()}
        self._loop = EventLoop(sources, self._types, self._naming, self._bus.publish)
        self._bus.start()
        self._loop.start()
        self._tell()

    def _tell(self) -> None:
        names = [PAGE, *(outlet.sink_name for outlet in self._outlets.values())]
        log.info("events   of %s go to: %s", ", ".join(self._config.options), ", ".join(names))

    def change(self, config: EventConfig, probes: Iterable[RunningProbe]) -> list[str]:
        """Take these probes' events from now on and hand them to these sinks; what stays the same is not touched.

        A sink that is no longer wanted delivers what it has been given, then it is closed, then others are opened:
        they may need its port or its file.

        Returns:
            What the machine refuses of sinks; the others run.
        """
        if self._loop is None or self._bus is None:
            return []
        before, self._config = self._outlets, config
        told = (tuple(self._sources), tuple(before))
        self.naming = config.naming
        self._ask(probes)
        self._loop.change({name: source for name, (_, source) in self._sources.items()}, self._types)
        wanted = {self._key(entry): entry for entry in (*config.sinks, *config.implied_sinks)}
        self._outlets = {key: outlet for key, outlet in before.items() if key in wanted}
        fresh = [(self._outlet(entry), entry) for key, entry in wanted.items() if key not in self._outlets]
        for outlet in (self._page, *self._outlets.values()):
            outlet.room = config.queue
        for outlet, _ in fresh:  # so that what comes meanwhile waits for it
            self._bus.add(outlet)
        self._bus.remove([outlet for key, outlet in before.items() if key not in wanted])
        refused = []
        for outlet, entry in fresh:
            try:
                self._open(outlet, entry)
            except (StartError, UsageError) as error:
                refused.append(str(error))
            outlet.start()
        self._bus.remove(self._forget_unopened())
        if told != (tuple(self._sources), tuple(self._outlets)):
            self._tell()
        return refused

    def _key(self, entry: SinkEntry) -> str:
        return repr((entry[0].name, sorted(entry[1].items()), self.naming))

    def _forget_unopened(self) -> list[Outlet]:
        found = {key: outlet for key, outlet in self._outlets.items() if isinstance(outlet.sink, Nowhere)}
        for key in found:
            del self._outlets[key]
        return list(found.values())

    def _outlet(self, entry: SinkEntry) -> Outlet:
        """The queue of a sink that is yet to be opened."""
        taken = {outlet.sink_name for outlet in self._outlets.values()}
        name = next(name for name in _names(entry[0].name) if name not in taken)
        losses = self._losses.setdefault(name, Losses())
        made = self._outlets[self._key(entry)] = Outlet(name, Nowhere(), self._config.queue, losses)
        return made

    def _open(self, outlet: Outlet, entry: SinkEntry) -> None:
        """Raises StartError and UsageError naming the sink; of one that nobody asked for, only the log tells."""
        spec, args = entry
        types = tuple(registry.load().events())  # so that a filter may name what is not running now
        context = SinkContext(self._node, self.naming, outlet.ending, outlet.losses.count, types)
        try:
            outlet.sink = spec.open(args, context)
        except (StartError, UsageError) as error:
            if entry in self._config.sinks:
                raise type(error)(f"event.sinks: {outlet.sink_name}: {error}") from error
            log.warning("sink %s: %s; `event.port: 0` if it is not wanted", outlet.sink_name, error)

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
        self._owners.list_by(dict)
        if self._netns is not None:
            self._netns.close()


def _listing(env: Env, owners: Owners) -> NetnsList | None:
    """What tells `owners` the cookies of namespaces; without it, events that have one are told without a pod."""
    made = attempt(NetnsList, env.sys)
    if isinstance(made, CollectError):
        log.warning("events   without names of pods where they are from a program: %s", made)
        return None
    owners.list_by(made.read)
    return made


def _names(kind: str) -> Iterator[str]:
    """What sinks of a kind are called, the first, the second and so on."""
    yield kind
    yield from (f"{kind}_{number}" for number in itertools.count(2))


def _source(opened: RunningProbe) -> EventSource | CollectError:
    """Where a probe's events come from, or why there is no such thing."""
    if isinstance(opened.probe, CollectError):
        return opened.probe
    return attempt(cast("EventProbe", opened.probe).event_source)
