"""A probe that makes events, with the collector of its metrics: both see the same."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from exporter import registry
from exporter.identity.standalone import discover
from exporter.runtime.collector import Collector, RunningProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from exporter.model.event import Event
    from exporter.model.probe import Env
    from tests.netns.namespaces import Namespace


class Watched(NamedTuple):
    """A probe at work.

    Args:
        probe: itself.
        source: of its events.
        collector: of its metrics.
        told: all events taken so far.
    """

    probe: Any
    source: Any
    collector: Collector
    told: list[Event]

    def counted(self, *names: str) -> int:
        """Sum of these metrics now, over all labels and owners."""
        sums = 0
        for table in self.collector.cycle().tables:
            for at, metric in enumerate(table.metrics):
                if metric.name in names:
                    sums += sum(row.values[at] or 0 for row in table.rows)
        return int(sums)

    def occurred(self) -> int:
        """How often it has happened anywhere on the machine, also where no owner is known."""
        counts = self.probe._counts.read()
        return sum(each.events for found in (counts.unknown, *counts.by_netns.values()) for each in found)

    def of(self, *namespaces: Namespace) -> list[Event]:
        """All events so far in the namespaces, in order."""
        while found := self.source.take():
            self.told.extend(found)
        inodes = {each.pod.netns for each in namespaces}
        return [event for event in self.told if event.netns in inodes]


@pytest.fixture
def watch_events(live_env: Env) -> Iterator[Callable[..., Watched]]:
    """Run a probe whose events are wanted, with arguments for these and options of the probe."""
    with ExitStack() as stack:

        def watch(name: str, options: Mapping[str, object] = MappingProxyType({}), **arguments: object) -> Watched:
            spec = registry.load().probe(name)
            env = replace(live_env, options={name: options}, events={name: arguments})
            probe: Any = spec.open(env)
            collector = Collector(env, [RunningProbe(spec, probe)], (), discover, max_series=1_000_000)
            stack.enter_context(closing(collector))
            return Watched(probe, probe.event_source(), collector, [])

        yield watch
