"""THE registry: every probe and sink that exists, found by looking, checked once, then frozen."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

from exporter import probes as probe_package
from exporter import sinks as sink_package
from exporter.errors import DeclarationError, UsageError
from exporter.events import record
from exporter.model import config_health, health, identity_health
from exporter.model.metric import IDENTITY_LABELS, Kind, Metric, Naming, Scope
from exporter.model.probe import ProbeSpec, option_spelling
from exporter.sinks.context import SinkSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.event import EventType

_SHORTEST_PART = 3  # a shorter word is part of almost everything
_LONGEST_WORD = 100  # comparing takes the square of its length
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Registry:
    """All probe and sink declarations, by name, plus the exporter's own health.

    Args:
        probes: the probes that can run, sorted by name.
        own: declaration of the self-metrics; exposed by the runtime, not collected by a probe.
        sinks: where events can go, sorted by name.
    """

    probes: tuple[ProbeSpec, ...]
    own: tuple[Metric, ...]
    sinks: tuple[SinkSpec, ...] = ()

    def metrics(self) -> Iterator[Metric]:
        """Every metric, in the order of probes and declarations, self-metrics last."""
        for spec in self.probes:
            yield from spec.metrics
        yield from self.own

    def events(self) -> Iterator[EventType]:
        """Every type of event, in the order of probes and declarations."""
        for spec in self.probes:
            yield from spec.events

    def sink(self, name: str) -> SinkSpec:
        """Look one up. Raises UsageError naming the nearest one."""
        for spec in self.sinks:
            if spec.name == name:
                return spec
        names = [spec.name for spec in self.sinks]
        raise UsageError(f"unknown sink {name!r}{nearest(name, names)}; there are {', '.join(names)}")

    def probes_by_name(self) -> dict[str, ProbeSpec]:
        """Every probe under each of its names."""
        return {name: spec for spec in self.probes for name in (spec.name, *spec.aliases)}

    def probe(self, name: str) -> ProbeSpec:
        """Look one up. Raises UsageError naming the nearest one."""
        found = self.probes_by_name().get(name)
        if found is not None:
            return found
        raise UsageError(f"unknown probe {name!r}{nearest(name, (spec.name for spec in self.probes))}")

    def spec_of(self, metric: Metric) -> ProbeSpec | None:
        """The probe that measures a metric; None for the exporter's own."""
        return next((spec for spec in self.probes if spec.name == metric.probe and metric in spec.metrics), None)

    def metric(self, name: str) -> Metric:
        """Look one up by any name of any dialect. Raises UsageError naming the nearest one."""
        names = self._names()
        if name in names:
            return names[name]
        raise UsageError(f"unknown metric {name!r}{nearest(name, names)}")

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with whatever a query over the metrics depends on."""
        facts = sorted(
            (
                *(metric.name_in(naming) for naming in Naming),
                *(metric.kind.value, metric.unit.value, metric.scope.value),
                repr([(label.name, label.values) for label in metric.labels]),
                repr(metric.buckets),
            )
            for metric in self.metrics()
        )
        return sha256(repr(facts).encode()).hexdigest()[:12]

    def _names(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        for metric in self.metrics():
            for name in metric.all_names():
                found.setdefault(name, metric)
        return found


def closest(word: str, known: Iterable[str]) -> str:
    """What was probably meant; empty when nothing is near."""
    names = sorted(known)
    word = word[:_LONGEST_WORD]
    close = difflib.get_close_matches(word, names, n=1) or [
        name for name in names if len(word) >= _SHORTEST_PART and word in name
    ]
    return close[0] if close else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for an error text: `; did you mean 'tcpext'?`, or nothing when none is near."""
    name = closest(word, known)
    return f"; did you mean {name!r}?" if name else ""


@cache
def load() -> Registry:
    """Import all modules of the two packages and check what they declare. Raises DeclarationError."""
    specs = []
    for module in sorted(pkgutil.iter_modules(probe_package.__path__), key=lambda found: found.name):
        spec = getattr(importlib.import_module(f"{probe_package.__name__}.{module.name}"), "PROBE", None)
        if not isinstance(spec, ProbeSpec) or spec.name != module.name:
            raise DeclarationError(f"exporter/probes/{module.name}.py must define PROBE named {module.name!r}")
        specs.append(spec)
    registry = Registry(
        tuple(specs), (*health.METRICS, *identity_health.METRICS, *config_health.METRICS), tuple(_sinks())
    )
    validate(registry)
    return registry


def _sinks() -> Iterator[SinkSpec]:
    for module in sorted(pkgutil.iter_modules(sink_package.__path__), key=lambda found: found.name):
        spec = getattr(importlib.import_module(f"{sink_package.__name__}.{module.name}"), "SINK", None)
        if spec is None:
            continue
        if not isinstance(spec, SinkSpec) or spec.name != module.name:
            raise DeclarationError(f"exporter/sinks/{module.name}.py must define SINK named {module.name!r}")
        yield spec


def validate(registry: Registry) -> None:
    """Check all declarations against each other. Raises DeclarationError naming the first that is wrong."""
    for spec in registry.probes:
        for metric in spec.metrics:
            if metric.probe != spec.name:
                raise DeclarationError(f"{spec.name}: metric {metric.name} names probe {metric.probe!r}")
    _validate_aliases(registry)
    _validate_events(registry)
    taken: dict[str, Metric] = {}
    for metric in registry.metrics():
        _validate_metric(metric)
        for name in metric.all_names():
            if taken.setdefault(name, metric) is not metric:
                raise DeclarationError(f"name {name} is declared twice: by {metric.probe} and {taken[name].probe}")
    for name, metric in taken.items():
        family = name.removesuffix("_total")
        if family != name and taken.get(family, metric) is not metric:
            raise DeclarationError(f"{metric.probe}: in OpenMetrics {name} is family {family}, which exists too")


def _validate_aliases(registry: Registry) -> None:
    names = [name for spec in registry.probes for name in (spec.name, *spec.aliases)]
    for spec in registry.probes:
        for name in (spec.name, *spec.aliases):
            if names.count(name) > 1:
                raise DeclarationError(f"{spec.name}: {name!r} names two probes")
        for options in (spec.options, spec.event_options):
            spellings = [option_spelling(name) for option in options for name in (option.name, *option.aliases)]
            if len(spellings) > len(set(spellings)):
                raise DeclarationError(f"{spec.name}: two options have the same name")


def _validate_events(registry: Registry) -> None:
    taken = set()
    for spec in registry.probes:
        for event in spec.events:
            _validate_event(event, spec)
            if (event.name, event.ack) in taken:  # one family may tell apart what the other does not
                raise DeclarationError(f"{spec.name}: event {event.name} is declared twice")
            taken.add((event.name, event.ack))


def _validate_event(event: EventType, spec: ProbeSpec) -> None:
    where = f"{spec.name}: event {event.name}"
    if event.probe != spec.name:
        raise DeclarationError(f"{where} names probe {event.probe!r}")
    for text in (event.help, *(each.help for each in event.fields)):
        if not text.endswith(".") or not text[:1].isupper() or "\n" in text:
            raise DeclarationError(f"{where}: help must be one sentence that ends with a period")
    fields = [each.name for each in event.fields]
    for name in fields:
        if name in record.RESERVED or fields.count(name) > 1 or not _NAME.fullmatch(name):
            raise DeclarationError(f"{where}: field {name!r} is reserved, there twice, or no name")


def _validate_metric(metric: Metric) -> None:
    where = f"{metric.probe}: metric {metric.name}"
    for naming in Naming:
        if not _NAME.fullmatch(metric.name_in(naming)):
            raise DeclarationError(f"{where}: {metric.name_in(naming)!r} is not a metric name")
    if not metric.help.endswith(".") or not metric.help[:1].isupper() or "\n" in metric.help:
        raise DeclarationError(f"{where}: help must be one sentence that ends with a period")
    if not metric.source:
        raise DeclarationError(f"{where}: says no source")
    if metric.name.endswith("_total") and metric.kind is not Kind.COUNTER:
        raise DeclarationError(f"{where}: a name ending in _total must be a counter")
    ascending = all(low < high for low, high in pairwise((0.0, *metric.buckets)))
    if bool(metric.buckets) != (metric.kind is Kind.HISTOGRAM) or not ascending:
        raise DeclarationError(f"{where}: a histogram, and nothing else, has ascending buckets above 0")
    reserved = {identity.name_in(naming) for naming in Naming for identity in IDENTITY_LABELS[naming]}
    for label in metric.labels:
        if not _NAME.fullmatch(label.name) or (label.name in reserved and not metric.external):
            raise DeclarationError(f"{where}: label {label.name!r} is reserved or not a label name")
        if not label.values and label.budget <= 0 and metric.scope is not Scope.NODE:
            raise DeclarationError(f"{where}: open label {label.name!r} needs a budget")
