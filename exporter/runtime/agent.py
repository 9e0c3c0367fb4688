"""What runs by a configuration: probes, the events of some, sinks. Another configuration changes what differs only."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import CollectError, NetExporterError
from exporter.identity.recent import Owners
from exporter.model.needs import declared, union
from exporter.runtime import naming
from exporter.runtime.attempt import attempt
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.events import Events
from exporter.settings.entries import defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.config import Config
    from exporter.model.probe import Env, ProbeSpec, Requirement
    from exporter.registry import Registry
    from exporter.runtime.identity import InCluster, Standalone
    from exporter.runtime.kernel_scan import KernelScan

log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    """What a configuration asks for: the world with the options, and the probes by name."""

    env: Env
    specs: Mapping[str, ProbeSpec]

    def given(self, name: str) -> tuple[object, object]:
        """All that a probe is opened with."""
        return self.env.options.get(name), self.env.events.get(name)


class Agent:
    """Owns the running probes, the collector that asks them, and where their events go.

    Args:
        config: the first configuration, whose probes are opened at once.
        registry: of all probes.
        world: without the options of probes, which the configuration has.
        whose: tells which namespaces there are and whose they are.
        scan: of the kernel.
        events: whether events are taken; otherwise what a configuration says of them has no effect.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over everything
        self,
        config: Config,
        registry: Registry,
        world: Env,
        whose: Standalone | InCluster,
        *,
        scan: KernelScan | None = None,
        events: bool = False,
    ) -> None:
        self.events: Events | None = None
        self._registry = registry
        self._world = world
        self._whose = whose
        self._scan = scan
        self._with_events = events
        self._owners = Owners(world.node)
        self._wanted = self._plan(config)
        self._running = {name: self._opened(spec) for name, spec in self._wanted.specs.items()}
        self._expose(config)
        if self._wanted.env.events:
            self.events = Events(config.events, self._wanted.env, self._telling(), self._owners, whose.look)
        self.collector = Collector(
            self._wanted.env,
            self._collected(),
            self._disabled(),
            whose.discover,
            max_series=_room(config),
            scan=scan,
            ended=whose.ended,
        )

    def start(self, config: Config) -> None:
        """Open the sinks and take events, when privileges have been given up. Raises StartError, UsageError."""
        if self.events is not None:
            self.events.start()
        elif config.events.sinks:
            log.warning("event.sinks get nothing, as event.probes is empty; name the probes whose events are wanted")

    def reconcile(self, config: Config, between_cycles: Callable[[Callable[[], None]], None]) -> list[str]:
        """Change what differs; what does not runs on untouched.

        A probe whose options changed is opened anew before the old one is closed. One that could not be opened is
        tried again.

        Args:
            config: what to run from here on.
            between_cycles: runs something while no cycle does.

        Returns:
            What the machine refused of sinks; of probes, their outcomes tell.
        """
        before, old = self._wanted, self._running
        self._wanted = self._plan(config)
        self._running = {
            name: RunningProbe(spec, old[name].probe)
            if name in old
            and not isinstance(old[name].probe, CollectError)
            and before.given(name) == self._wanted.given(name)
            else self._opened(spec)
            for name, spec in self._wanted.specs.items()
        }
        self._expose(config)
        refused = self._change_events(config)
        kept = {id(each.probe) for each in self._running.values()}
        retired = [each for each in old.values() if id(each.probe) not in kept]

        def change() -> None:
            self.collector.change(
                self._wanted.env, self._collected(), self._disabled(), max_series=_room(config), retired=retired
            )

        between_cycles(change)
        return refused

    def _plan(self, config: Config) -> _Wanted:
        telling = config.events.probes if self._with_events else ()
        selected = {spec.name: spec for spec in (*config.probes, *telling)}
        only_events = {spec.name: defaults(spec) for spec in telling if spec.name not in config.options}
        env = replace(
            self._world,
            options={**only_events, **config.options},
            events={spec.name: config.events.options[spec.name] for spec in telling},
        )
        return _Wanted(env, {name: selected[name] for name in sorted(selected)})

    def _opened(self, spec: ProbeSpec) -> RunningProbe:
        return RunningProbe(spec, attempt(spec.open, self._wanted.env))

    def _expose(self, config: Config) -> None:
        for name, each in self._running.items():
            each.exposed = name in config.options

    def _telling(self) -> list[RunningProbe]:
        return [each for name, each in self._running.items() if name in self._wanted.env.events]

    def _collected(self) -> list[RunningProbe]:
        """All probes, and who keeps the names for events where some are taken."""
        running = list(self._running.values())
        if self.events is not None:
            step = naming.step(self._owners)
            running.append(RunningProbe(step, attempt(step.open, self._wanted.env), exposed=False))
        return running

    def _disabled(self) -> list[str]:
        return [spec.name for spec in self._registry.probes if spec.name not in self._running]

    def _change_events(self, config: Config) -> list[str]:
        """Before any probe is closed, whose events would be taken from what is there no more."""
        telling = self._telling()
        if self.events is not None and telling:
            return self.events.change(config.events, telling)
        if self.events is not None:
            self.events.close()
            self.events = None
        if telling:
            self.events = Events(config.events, self._wanted.env, telling, self._owners, self._whose.look)
            try:
                self.events.start()
            except NetExporterError as error:
                self.events.close()
                self.events = None
                return [str(error)]
        return []

    def needs(self) -> dict[str, tuple[Requirement, ...]]:
        """Capabilities by who needs them, see `exporter.model.needs`."""
        return declared(self._wanted.specs.values(), scan=self._scan is not None)

    def keep(self) -> frozenset[str]:
        """Capabilities that what could be opened needs."""
        opened = [each.spec for each in self._running.values() if not isinstance(each.probe, CollectError)]
        scanning = self._scan is not None and any(part.active for part in self._scan.parts)
        return union(declared(opened, scan=scanning))

    def close_events(self) -> None:
        """Take no more events, deliver those that were taken; safe to repeat."""
        if self.events is not None:
            self.events.close()

    def close(self) -> None:
        """Give back what was opened, events first; safe to repeat."""
        self.close_events()
        self.collector.close()


def _room(config: Config) -> int:
    return config.max_series // len(config.namings)  # each dialect repeats every series
