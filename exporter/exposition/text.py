"""Snapshot -> bytes, in the Prometheus text format or in OpenMetrics.

Everything but the numbers is made into a template once, when a table's rows change; a cycle fills in the numbers,
and a family whose numbers did not change is taken over whole. So 50,000 series cost milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import accumulate, chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from exporter.exposition import spelling
from exporter.model.additional import NONE
from exporter.model.metric import IDENTITY_LABELS, Identity, Kind, Metric, Naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.model.additional import AdditionalLabels
    from exporter.model.pod import Pod, PodFacts
    from exporter.model.snapshot import Histogram, Number, Table, Value

_Keys: TypeAlias = "list[tuple[Pod, tuple[str, ...]]]"


_NOBODY: Mapping[Pod, PodFacts] = MappingProxyType({})


class Format(Enum):
    """Wire formats, by content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Family(NamedTuple):
    """One rendered family: the numbers it was made of, and its lines, which are the same in both formats."""

    numbers: tuple[Value | None, ...]
    template: bytes
    lines: bytes


@dataclass(slots=True)
class _Layout:
    """What stays as long as a table has the same rows: label blocks, and templates with a place per number."""

    keys: _Keys
    blocks: list[bytes]
    families: dict[Metric, _Family] = field(default_factory=dict)


class Renderer:
    """Renders one snapshot after the other. Not thread-safe.

    Args:
        node: node name for the identity labels.
        namings: dialects to render, in order.
        timestamps: whether each sample carries the time of its collection.
        additional: labels that users add to every series.
    """

    def __init__(
        self,
        node: str,
        namings: Sequence[Naming],
        *,
        timestamps: bool = False,
        additional: AdditionalLabels = NONE,
    ) -> None:
        self._node = node
        self._namings = tuple(namings)
        self._timestamps = timestamps
        self._additional = additional
        self._nobodys = additional.nobodys
        self._facts: Mapping[Pod, PodFacts] = {}
        self._added: Mapping[Pod, tuple[str, ...]] = {}  # values of the additional labels
        self._layouts: dict[tuple[tuple[Metric, ...], Naming], _Layout] = {}

    def render(
        self, tables: Sequence[Table], taken_at: float, wire: Format, facts: Mapping[Pod, PodFacts] = _NOBODY
    ) -> bytes:
        """All families of the tables; OpenMetrics without its end mark, since self-metrics follow.

        Args:
            tables: what was collected.
            taken_at: Unix time, seconds.
            wire: format.
            facts: of those owners that have some, for the additional labels.
        """
        return b"".join(self.parts(tables, taken_at, wire, facts))

    def parts(
        self, tables: Sequence[Table], taken_at: float, wire: Format, facts: Mapping[Pod, PodFacts] = _NOBODY
    ) -> list[bytes]:
        """The same in parts, for who has more to join."""
        self._relabel(facts)
        stamp = _stamp(taken_at, wire) if self._timestamps else b""
        layouts: dict[tuple[tuple[Metric, ...], Naming], _Layout] = {}
        parts: list[bytes] = []
        for table in tables:
            if table.rows:
                pods, own, values = zip(*table.rows, strict=True)
                keys = list(zip(pods, own, strict=True))
                columns = tuple(zip(*values, strict=True))
                for naming in self._namings:
                    layout = layouts[table.metrics, naming] = self._layout(table, keys, naming)
                    for metric, numbers in zip(table.metrics, columns, strict=True):
                        lines = self._lines(layout, metric, naming, numbers, stamp)
                        parts += (_header(metric, naming, wire), lines) if lines else ()
        self._layouts = layouts  # what is no longer collected is forgotten with the old mapping
        return parts

    def _relabel(self, facts: Mapping[Pod, PodFacts]) -> None:
        """Forget what was rendered with other labels; somebody changes a pod's labels now and then."""
        if not self._additional.names or facts == self._facts:
            return
        added = {pod: self._additional.values(*known) for pod, known in facts.items()}
        if any(self._added.get(pod, values) != values for pod, values in added.items()):
            self._layouts = {}
        self._facts, self._added = facts, added

    def _layout(self, table: Table, keys: _Keys, naming: Naming) -> _Layout:
        known = self._layouts.get((table.metrics, naming))
        if known is not None and known.keys == keys:
            return known
        # Pods come and go one by one: whose labels are known keep them.
        blocks = dict(zip(known.keys, known.blocks, strict=True)) if known is not None else {}
        new = [key for key in keys if key not in blocks]
        blocks |= zip(new, self._label_blocks(new, table.metrics[0], naming), strict=True)
        return _Layout(keys, [blocks[key] for key in keys])

    def _lines(
        self, layout: _Layout, metric: Metric, naming: Naming, numbers: tuple[Value | None, ...], stamp: bytes
    ) -> bytes:
        """Lines of one family. A number that is None has no line."""
        known = layout.families.get(metric)
        if known is not None and known.numbers == numbers and not stamp:
            return known.lines
        if None in numbers:
            present = [index for index, number in enumerate(numbers) if number is not None]
            template = self._template(layout, metric, naming, present)
            numbers_present: Iterable[Value] = (number for number in numbers if number is not None)
        else:
            whole = known is not None and None not in known.numbers
            template = known.template if known and whole else self._template(layout, metric, naming)
            numbers_present = cast("tuple[Value, ...]", numbers)
        if metric.kind is Kind.HISTOGRAM:
            numbers_present = chain.from_iterable(map(_flat, cast("Iterable[Histogram]", numbers_present)))
        texts = spelling.column(cast("Iterable[Number]", numbers_present))
        lines = template % (tuple(text + stamp for text in texts) if stamp else texts)
        layout.families[metric] = _Family(numbers, template, lines)
        return lines

    def _template(self, layout: _Layout, metric: Metric, naming: Naming, present: Sequence[int] | None = None) -> bytes:
        """All lines of a family with a place for each number, or those of some rows."""
        name = metric.name_in(naming).encode()
        rows = range(len(layout.keys)) if present is None else present
        if metric.kind is not Kind.HISTOGRAM:
            return b"".join(b"%b%b" % (name, layout.blocks[row]) for row in rows)
        bounds = [self._label_blocks(layout.keys, metric, naming, le) for le in _bounds(metric, naming)]
        lines = []
        for row in rows:
            lines += [b"%b_bucket%b" % (name, blocks[row]) for blocks in bounds]
            lines += [b"%b_count%b" % (name, layout.blocks[row]), b"%b_sum%b" % (name, layout.blocks[row])]
        return b"".join(lines)

    def _label_blocks(self, keys: _Keys, metric: Metric, naming: Naming, le: bytes = b"") -> list[bytes]:
        """`{...} %b` of each row as part of a template, labels sorted by name as the official client does.

        With `le`, the bound of a bucket is one of the labels.
        """
        own = [label.name for label in metric.labels]
        identity = IDENTITY_LABELS[naming]
        names = [*(each.name_in(naming) for each in identity), *self._additional.names, *own, *(["le"] if le else [])]
        order = sorted(range(len(names)), key=names.__getitem__)
        pattern = b"{%b} %%%%b\n" % b",".join(b'%b="%%b"' % names[index].encode() for index in order)
        identity_of = _identity_values(identity, self._node)
        blocks = []
        for pod, labels in keys:
            added = self._added.get(pod, self._nobodys)
            values = [*identity_of(pod), *map(spelling.label, added), *map(spelling.label, labels), le]
            blocks.append(pattern % tuple(values[index].replace(b"%", b"%%") for index in order))
        return blocks


def _stamp(taken_at: float, wire: Format) -> bytes:
    milliseconds = int(taken_at * 1000)
    return b" %d" % milliseconds if wire is Format.TEXT else b" %.3f" % (milliseconds / 1000)


def _bounds(metric: Metric, naming: Naming) -> list[bytes]:
    """Values of `le`."""
    levels = metric.level_labels and naming is Naming.INSPECTOR
    bounds = range(len(metric.buckets)) if levels else map(float, metric.buckets)
    return [*(b"%d" % bound if levels else spelling.number(bound) for bound in bounds), b"+Inf"]


def _flat(histogram: Histogram) -> tuple[Number, ...]:
    """The numbers of its lines: buckets with all smaller ones, their count, their sum."""
    cumulative = tuple(accumulate(histogram.counts))
    return (*cumulative, cumulative[-1], histogram.sum)


@cache
def _header(metric: Metric, naming: Naming, wire: Format) -> bytes:
    name, kind = metric.name_in(naming).encode(), metric.kind.value.encode()
    if wire is Format.TEXT:
        return b"# HELP %b %b\n# TYPE %b %b\n" % (name, spelling.help_text(metric.help), name, kind)
    # OpenMetrics ties a counter's name to `_total`; a counter that users know under another name keeps the
    # name and is of unknown type there.
    if metric.kind is Kind.COUNTER:
        kind, name = (b"counter", name[: -len(b"_total")]) if name.endswith(b"_total") else (b"unknown", name)
    return b"# HELP %b %b\n# TYPE %b %b\n" % (name, spelling.label(metric.help), name, kind)


def _identity_values(identity: tuple[Identity, ...], node: str) -> Callable[[Pod], tuple[bytes, ...]]:
    node_text = spelling.label(node)

    def value(each: Identity, pod: Pod) -> bytes:
        if each is Identity.NODE:
            return node_text
        if each is Identity.NETNS:
            return b"ns%d" % pod.netns
        return spelling.label(pod.namespace if each is Identity.NAMESPACE else pod.name)

    return lambda pod: tuple(value(each, pod) for each in identity)
