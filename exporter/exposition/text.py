"""Snapshot -> bytes, in the Prometheus text format or in OpenMetrics.

Everything but the numbers is rendered once, when a family's rows change; a cycle fills in the numbers, and a
family whose numbers did not change is taken over whole. That is what makes 50,000 series cost milliseconds.
"""

from __future__ import annotations

from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from exporter.exposition import spelling
from exporter.model.metric import IDENTITY_LABELS, Identity, Kind, Metric, Naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.model.pod import Pod
    from exporter.model.snapshot import Number, Row, Table

_NETNS_PREFIX = "ns"


class Format(Enum):
    """Wire formats, by content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Family(NamedTuple):
    """One rendered family: its lines, and what they were made of."""

    keys: list[tuple[Pod, tuple[str, ...]]]
    prefixes: list[bytes]  # header and label block before each number; all but the first begin with a line end
    numbers: tuple[Number | None, ...]
    body: bytes


class Renderer:
    """Renders one snapshot after the other in one format. Not thread-safe.

    Args:
        node: node name for the identity labels.
        namings: dialects to render, in order.
        timestamps: whether each sample carries the time of its collection.
        wire: format.
    """

    def __init__(self, node: str, namings: Sequence[Naming], wire: Format, *, timestamps: bool = False) -> None:
        self._node = node
        self._namings = tuple(namings)
        self._wire = wire
        self._timestamps = timestamps
        self._families: dict[tuple[Metric, Naming], _Family] = {}

    def render(self, tables: Sequence[Table], taken_at: float) -> bytes:
        """All families of the tables; OpenMetrics without its end mark, since self-metrics follow."""
        stamp = self._stamp(taken_at)
        families: dict[tuple[Metric, Naming], _Family] = {}
        for table in tables:
            for naming in self._namings:
                families.update(self._render_table(table, naming, stamp))
        self._families = families  # what is no longer collected is forgotten with the old mapping
        return b"".join(family.body for family in families.values())

    def _stamp(self, taken_at: float) -> bytes:
        if not self._timestamps:
            return b""
        milliseconds = int(taken_at * 1000)
        return b" %d" % milliseconds if self._wire is Format.TEXT else b" %.3f" % (milliseconds / 1000)

    def _render_table(
        self, table: Table, naming: Naming, stamp: bytes
    ) -> Iterator[tuple[tuple[Metric, Naming], _Family]]:
        if not table.rows:
            return
        keys = [(row.pod, row.labels) for row in table.rows]
        blocks: list[bytes] | None = None  # label blocks; only needed when some family's rows changed
        columns = zip(*(row.values for row in table.rows), strict=True)
        for metric, numbers in zip(table.metrics, columns, strict=True):
            known = self._families.get((metric, naming))
            same_rows = known is not None and known.keys == keys
            if known is not None and same_rows and known.numbers == numbers and not stamp:
                yield (metric, naming), known
                continue
            if known is not None and same_rows:
                prefixes = known.prefixes
            else:
                blocks = blocks or self._label_blocks(table, naming)
                prefixes = self._prefixes(metric, naming, blocks)
            body = _fill(prefixes, numbers, stamp)
            yield (metric, naming), _Family(keys, prefixes, numbers, body)

    def _label_blocks(self, table: Table, naming: Naming) -> list[bytes]:
        """`{...} ` of each row, labels sorted by name as the official client does."""
        own = [label.name for label in table.metrics[0].labels]
        identity = IDENTITY_LABELS[naming]
        names = [*(each.name_in(naming) for each in identity), *own]
        order = sorted(range(len(names)), key=names.__getitem__)
        template = b"{%s} " % b",".join(b'%s="%%b"' % names[index].encode() for index in order)
        identity_of = _identity_values(identity, self._node)
        blocks = []
        for row in table.rows:
            values = [*identity_of(row), *map(spelling.label, row.labels)]
            blocks.append(template % tuple(values[index] for index in order))
        return blocks

    def _prefixes(self, metric: Metric, naming: Naming, blocks: list[bytes]) -> list[bytes]:
        name = metric.name_in(naming).encode()
        first, *rest = blocks
        return [b"%s%s%s" % (self._header(metric, name), name, first), *(b"\n%s%s" % (name, block) for block in rest)]

    def _header(self, metric: Metric, name: bytes) -> bytes:
        if self._wire is Format.TEXT:
            return b"# HELP %s %s\n# TYPE %s %s\n" % (
                name,
                spelling.help_text(metric.help),
                name,
                metric.kind.value.encode(),
            )
        # OpenMetrics ties a counter's name to `_total`; a counter that users know under another name keeps the
        # name and is of unknown type there.
        kind = metric.kind.value.encode()
        if metric.kind is Kind.COUNTER:
            kind, name = (b"counter", name[: -len(b"_total")]) if name.endswith(b"_total") else (b"unknown", name)
        return b"# HELP %s %s\n# TYPE %s %s\n" % (name, spelling.label(metric.help), name, kind)


def _identity_values(identity: tuple[Identity, ...], node: str) -> Callable[[Row], tuple[bytes, ...]]:
    node_text = spelling.label(node)

    def value(each: Identity, pod: Pod) -> bytes:
        if each is Identity.NODE:
            return node_text
        if each is Identity.NETNS:
            return b"%s%d" % (_NETNS_PREFIX.encode(), pod.netns)
        return spelling.label(pod.namespace if each is Identity.NAMESPACE else pod.name)

    return lambda row: tuple(value(each, row.pod) for each in identity)


def _fill(prefixes: list[bytes], numbers: tuple[Number | None, ...], stamp: bytes) -> bytes:
    """Lines of one family. A number that is None has no line; a family without any has no header either."""
    if None in numbers:
        kept = [index for index, number in enumerate(numbers) if number is not None]
        if not kept:
            return b""
        header, _, first = prefixes[0].rpartition(b"\n")
        lines = [b"\n" + first, *prefixes[1:]]
        prefixes = [lines[index] for index in kept]
        prefixes[0] = header + prefixes[0]
        numbers = tuple(numbers[index] for index in kept)
    texts = spelling.column(numbers)
    if stamp:
        texts = [text + stamp for text in texts]
    return b"".join(chain(chain.from_iterable(zip(prefixes, texts, strict=True)), (b"\n",)))
