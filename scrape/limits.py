"""How much one scrape may hold before Prometheus refuses it: computed from what the registry can emit at worst."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING

from exporter.model.metric import Metric, Naming, Scope

if TYPE_CHECKING:
    from exporter.registry import Registry

PODS = 250  # largest number of pods per node that is supported
ADDITIONAL_LABELS = 30  # pod address and pod labels, exposed when asked for
TARGET_LABELS = 2  # job and instance
ROUND = 10_000
OWN_SERIES = 1_000  # process and interpreter metrics of the exporter, and one series per probe and status


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a scrape job.

    Args:
        samples: per scrape.
        labels: per series, the target's labels included.
    """

    samples: int
    labels: int


def of(registry: Registry, naming: Naming, pods: int = PODS) -> Limits:
    """Limits that a node with so many pods cannot exceed while its exporter is healthy."""
    collected = [metric for spec in registry.probes for metric in spec.metrics]
    samples = sum(worst_case(metric, pods) for metric in collected) + OWN_SERIES
    labels = max(len(metric.label_names(naming)) for metric in registry.metrics()) + TARGET_LABELS + ADDITIONAL_LABELS
    return Limits(samples=ceil(samples / ROUND) * ROUND, labels=labels)


def worst_case(metric: Metric, pods: int) -> int:
    """Most series of one metric on one node."""
    owners = 1 if metric.scope is Scope.NODE else pods + 1
    closed = prod(len(label.values) for label in metric.labels if label.values)
    # A budget limits the rows of one owner, whatever they combine.
    budget = min((label.budget for label in metric.labels if not label.values and label.budget), default=0)
    return owners * (budget or closed) * metric.width
