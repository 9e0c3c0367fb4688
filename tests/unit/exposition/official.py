"""The official client as the oracle: the same families, written by prometheus_client."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from exporter.exposition.text import Format
from exporter.model.additional import NONE
from exporter.model.metric import IDENTITY_LABELS, Identity, Kind, Label, Metric, Naming, Scope, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.model.additional import AdditionalLabels
    from exporter.model.pod import Pod, PodFacts
    from exporter.model.snapshot import Row, Table

NODE = 'node "a"\\%b'

_metric = partial(Metric, probe="fake", unit=Unit.PACKETS, scope=Scope.NETNS, source="nowhere")
QUEUE = Label(name="queue", help="Number of the queue.", budget=8)
DEVICE = Label(name="a_device", help="Name of the device.", budget=8)

INHERITED = _metric(name="rx", kind=Kind.COUNTER, help='Packets received, 100% \\ all "sorts".')
NEW = _metric(name="lost_total", kind=Kind.COUNTER, help="Packets lost.")
LEVEL = _metric(name="level", kind=Kind.GAUGE, help="Packets waiting.")
QUEUED = _metric(name="queued", kind=Kind.GAUGE, help="Packets waiting in one queue.", labels=(QUEUE, DEVICE))
QUEUE_DROPS = _metric(
    name="drops_total", kind=Kind.COUNTER, help="Packets dropped by one queue.", labels=(QUEUE, DEVICE)
)
PLAIN = (INHERITED, NEW, LEVEL)
LABELLED = (QUEUED, QUEUE_DROPS)


def _identity(row_pod: Pod, naming: Naming, node: str) -> list[str]:
    values = {
        Identity.NODE: node,
        Identity.NAMESPACE: row_pod.namespace,
        Identity.POD: row_pod.name,
        Identity.NETNS: f"ns{row_pod.netns}",
    }
    return [values[each] for each in IDENTITY_LABELS[naming]]


class _Official:
    """Hands tables to prometheus_client as its own families."""

    def __init__(
        self,
        tables: Sequence[Table],
        namings: Sequence[Naming],
        taken_at: float | None,
        additional: AdditionalLabels,
        facts: Mapping[Pod, PodFacts],
    ) -> None:
        self._tables = tables
        self._namings = namings
        self._at = taken_at
        self._additional = additional
        self._facts = facts

    def collect(self) -> Iterator[Family]:
        for table in self._tables:
            for naming in self._namings:
                for column, metric in enumerate(table.metrics):
                    yield from self._family(metric, naming, column, table.rows)

    def _family(self, metric: Metric, naming: Naming, column: int, rows: Sequence[Row]) -> Iterator[Family]:
        name, labels = metric.name_in(naming), (*metric.label_names(naming), *self._additional.names)
        present = [row for row in rows if row.values[column] is not None]
        if not present:
            return
        if metric.kind is Kind.GAUGE:
            family = GaugeMetricFamily(name, metric.help, labels=labels)
        elif name.endswith("_total"):
            family = CounterMetricFamily(name, metric.help, labels=labels)
        else:  # the client cannot spell a counter without that ending
            family = Family(name, metric.help, "unknown")
        for row in present:
            known = self._facts.get(row.pod)
            added = self._additional.nobodys if known is None else self._additional.values(*known)
            values = [_as_text(each) for each in (*_identity(row.pod, naming, NODE), *row.labels, *added)]
            family.add_sample(name, dict(zip(labels, values, strict=True)), row.values[column], self._at)
        yield family


def _as_text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def official(  # noqa: PLR0913 - all that a renderer is given
    tables: Sequence[Table],
    namings: Sequence[Naming],
    wire: Format,
    taken_at: float | None = None,
    *,
    additional: AdditionalLabels = NONE,
    facts: Mapping[Pod, PodFacts] | None = None,
) -> bytes:
    """What prometheus_client writes for the tables; only the TYPE line of inherited counters is put right."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Official(tables, namings, taken_at, additional, facts or {}))  # type: ignore[arg-type] # a collector needs no describe
    if wire is Format.OPENMETRICS:
        written: bytes = openmetrics.generate_latest(registry)
        return written.removesuffix(b"# EOF\n")
    return re.sub(rb"(?m)^(# TYPE \S+) untyped$", rb"\1 counter", generate_latest(registry))
