"""The self-metrics, as a prometheus_client collector over what the runtime keeps books on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from exporter import __version__
from exporter.errors import CollectError
from exporter.model import health
from exporter.model.additional import NONE
from exporter.model.metric import IDENTITY_LABELS, Identity, Kind, Metric, Naming
from exporter.model.snapshot import Snapshot, Status
from exporter.runtime.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from exporter.model.additional import AdditionalLabels
    from exporter.runtime.collector import Costs

# Label values -> number, for one metric.
Samples: TypeAlias = dict[tuple[str, ...], float]


class Health:
    """Answers prometheus_client's question for the current state, in the exporter's dialects.

    Args:
        node: node name, put into the identity labels.
        namings: dialects to expose.
        costs: the collector's books.
        more: further self-metrics, asked each time; one that fails is left out.
        additional: labels that users add to every series.
    """

    def __init__(
        self,
        node: str,
        namings: Sequence[Naming],
        costs: Costs,
        more: Sequence[Callable[[], Mapping[Metric, Samples]]] = (),
        additional: AdditionalLabels = NONE,
    ) -> None:
        self.render_seconds = 0.0
        self.current = True  # False while the last cycle is too long ago for its findings to be told
        self._node = node
        self._namings = tuple(namings)
        self._costs = costs
        self._more = tuple(more)
        self._additional = additional
        self._snapshot: Snapshot | None = None
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def also(self, ask: Callable[[], Mapping[Metric, Samples]]) -> None:
        """Further self-metrics, of what is made later."""
        self._more = (*self._more, ask)

    def change(self, namings: Sequence[Naming], additional: AdditionalLabels) -> None:
        """Expose these dialects with these labels from now on."""
        self._namings = tuple(namings)
        self._additional = additional

    def publish(self, snapshot: Snapshot) -> None:
        """Take over the outcome of a cycle."""
        self._snapshot = snapshot

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """All families, for prometheus_client."""
        for metric, samples in self._samples().items():
            for naming in self._namings:
                yield self._family(metric, naming, samples)

    def _samples(self) -> Mapping[Metric, Samples]:
        costs, snapshot = self._costs, self._snapshot
        parts = () if costs.scan is None else costs.scan.parts
        samples: dict[Metric, Samples] = {
            health.BUILD_INFO: {(__version__,): 1},
            health.CYCLES: _one(costs.cycles),
            health.CYCLE_CPU_SECONDS: _one(costs.cpu_seconds),
            health.NETNS_GONE: _one(costs.namespaces_gone),
            health.RENDER_SECONDS: _one(self.render_seconds),
            health.SCAN_ACTIVE: {(part.name,): part.active for part in parts},
            health.SCAN_DISAGREEMENTS: {(part.name,): part.disagreements for part in parts},
            health.SCAN_OVER_CAPACITY: {(part.name,): part.over_capacity for part in parts},
        }
        for ask in self._more:
            told = attempt(ask)
            if not isinstance(told, CollectError):
                samples |= told
        if snapshot is None:
            return samples
        samples[health.CYCLE_TIME] = _one(snapshot.taken_at)
        if not self.current:
            return samples
        outcomes = snapshot.outcomes
        samples |= {
            health.CYCLE_SECONDS: _one(snapshot.seconds),
            health.READER_SECONDS: {(reader,): took for reader, took in snapshot.readers.items()},
            health.PODS: _one(_namespaces(snapshot)),
            health.SERIES: _one(len(self._namings) * _series(snapshot)),
            health.PROBE_STATUS: {
                (outcome.probe, status.value): float(outcome.status is status)
                for outcome in outcomes
                for status in Status
            },
            health.PROBE_SECONDS: {(o.probe,): o.seconds for o in outcomes if o.status is not Status.DISABLED},
            # Every probe from the start, so that the first cut is an increase that a query can see.
            health.SERIES_DROPPED: {(o.probe,): costs.series_dropped[o.probe] for o in outcomes},
        }
        return samples

    def _family(self, metric: Metric, naming: Naming, samples: Samples) -> CounterMetricFamily | GaugeMetricFamily:
        kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
        names = (*metric.label_names(naming), *self._additional.names)
        family = kind(metric.name_in(naming), metric.help, labels=names)
        identity = [self._node if each is Identity.NODE else "" for each in IDENTITY_LABELS[naming]]
        added = self._additional.nobodys
        for values, number in samples.items():
            family.add_metric([*identity, *values, *added], number)
        return family


def _namespaces(snapshot: Snapshot) -> int:
    """Pods with a namespace of their own."""
    return len({pod.netns for pod in snapshot.pods}.difference(pod.netns for pod in snapshot.pods if pod.is_host))


def _one(number: float) -> Samples:
    return {(): number}


def _series(snapshot: Snapshot) -> int:
    """Numbers that are not gaps, and all that a histogram makes."""
    count = sum(len(row.values) - row.values.count(None) for table in snapshot.tables for row in table.rows)
    for table in snapshot.tables:
        wide = [(column, metric.width - 1) for column, metric in enumerate(table.metrics) if metric.width > 1]
        count += sum(more for row in table.rows for column, more in wide if row.values[column] is not None)
    return count


def statuses(snapshot: Snapshot) -> Iterable[str]:
    """Lines for people: each probe that did not end OK, with its reason."""
    return [
        f"{outcome.probe}: {outcome.status.value}: {outcome.reason}"
        for outcome in snapshot.outcomes
        if outcome.status not in (Status.OK, Status.DISABLED)
    ]
