"""Snapshot -> bytes, in the Prometheus text format or in OpenMetrics.

Everything but the numbers is made into a template once, when a table's rows change; a cycle fills in the numbers,
and a family whose numbers did not change is taken over whole. So 50,000 series cost milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from exporter.exposition import spelling
from exporter.model.metric import IDENTITY_LABELS, Identity, Kind, Metric, Naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.pod import Pod
    from exporter.model.snapshot import Number, Row, Table

_Keys: TypeAlias = "list[tuple[Pod, tuple[str, ...]]]"


class Format(Enum):
    """Wire formats, by content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Family(NamedTuple):
    """One rendered family: the numbers it was made of, and its lines, which are the same in both formats."""

    numbers: tuple[Number | None, ...]
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
    """

    def __init__(self, node: str, namings: Sequence[Naming], *, timestamps: bool = False) -> None:
        self._node = node
        self._namings = tuple(namings)
        self._timestamps = timestamps
        self._layouts: dict[tuple[tuple[Metric, ...], Naming], _Layout] = {}

    def render(self, tables: Sequence[Table], taken_at: float, wire: Format) -> bytes:
        """All families of the tables; OpenMetrics without its end mark, since self-metrics follow."""
        return b"".join(self.parts(tables, taken_at, wire))

    def parts(self, tables: Sequence[Table], taken_at: float, wire: Format) -> list[bytes]:
        """The same in parts, for who has more to join."""
        stamp = _stamp(taken_at, wire) if self._timestamps else b""
        layouts: dict[tuple[tuple[Metric, ...], Naming], _Layout] = {}
        parts: list[bytes] = []
        for table in tables:
            if table.rows:
                keys = [(row.pod, row.labels) for row in table.rows]
                columns = tuple(zip(*(row.values for row in table.rows), strict=True))
                for naming in self._namings:
                    layout = layouts[table.metrics, naming] = self._layout(table, keys, naming)
                    for metric, numbers in zip(table.metrics, columns, strict=True):
                        lines = self._lines(layout, metric, naming, numbers, stamp)
                        parts += (_header(metric, naming, wire), lines) if lines else ()
        self._layouts = layouts  # what is no longer collected is forgotten with the old mapping
        return parts

    def _layout(self, table: Table, keys: _Keys, naming: Naming) -> _Layout:
        known = self._layouts.get((table.metrics, naming))
        if known is not None and known.keys == keys:
            return known
        return _Layout(keys, self._label_blocks(table, naming))

    def _lines(
        self, layout: _Layout, metric: Metric, naming: Naming, numbers: tuple[Number | None, ...], stamp: bytes
    ) -> bytes:
        """Lines of one family. A number that is None has no line."""
        known = layout.families.get(metric)
        if known is not None and known.numbers == numbers and not stamp:
            return known.lines
        if None in numbers:
            present = [index for index, number in enumerate(numbers) if number is not None]
            template = _template(metric, naming, [layout.blocks[index] for index in present])
            texts = spelling.column(number for number in numbers if number is not None)
        else:
            whole = known is not None and None not in known.numbers
            template = known.template if known and whole else _template(metric, naming, layout.blocks)
            texts = spelling.column(cast("tuple[Number, ...]", numbers))
        lines = template % (tuple(text + stamp for text in texts) if stamp else texts)
        layout.families[metric] = _Family(numbers, template, lines)
        return lines

    def _label_blocks(self, table: Table, naming: Naming) -> list[bytes]:
        """`{...} %b` of each row as part of a template, labels sorted by name as the official client does."""
        own = [label.name for label in table.metrics[0].labels]
        identity = IDENTITY_LABELS[naming]
        names = [*(each.name_in(naming) for each in identity), *own]
        order = sorted(range(len(names)), key=names.__getitem__)
        pattern = b"{%b} %%%%b\n" % b",".join(b'%b="%%b"' % names[index].encode() for index in order)
        identity_of = _identity_values(identity, self._node)
        blocks = []
        for row in table.rows:
            values = [*identity_of(row), *map(spelling.label, row.labels)]
            blocks.append(pattern % tuple(values[index].replace(b"%", b"%%") for index in order))
        return blocks


def _stamp(taken_at: float, wire: Format) -> bytes:
    milliseconds = int(taken_at * 1000)
    return b" %d" % milliseconds if wire is Format.TEXT else b" %.3f" % (milliseconds / 1000)


def _template(metric: Metric, naming: Naming, blocks: list[bytes]) -> bytes:
    name = metric.name_in(naming).encode()
    return b"".join(b"%b%b" % (name, block) for block in blocks)


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


def _identity_values(identity: tuple[Identity, ...], node: str) -> Callable[[Row], tuple[bytes, ...]]:
    node_text = spelling.label(node)

    def value(each: Identity, pod: Pod) -> bytes:
        if each is Identity.NODE:
            return node_text
        if each is Identity.NETNS:
            return b"ns%d" % pod.netns
        return spelling.label(pod.namespace if each is Identity.NAMESPACE else pod.name)

    return lambda row: tuple(value(each, row.pod) for each in identity)
