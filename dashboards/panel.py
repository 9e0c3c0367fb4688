"""The one model of a dashboard, from which both generations of Grafana JSON are written."""

from __future__ import annotations

import re
import string
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dashboards.units import Show
from exporter.errors import DeclarationError
from exporter.model.metric import Identity, Metric, Naming
from exporter.model.promql import BOUND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model.promql import Expr, LabelKey

_SLUG = re.compile(r"[a-z][a-z0-9-]{0,26}")  # with the prefix below at most 40, Grafana's limit for a uid
PREFIX = "net-exporter-"
COMPLAINT = "net-exporter-complaint"  # tag of boards that begin with what somebody complains of


class Form(Enum):
    """How a panel draws its queries."""

    TIMESERIES = "timeseries"
    STAT = "stat"
    TABLE = "table"
    BARGAUGE = "bargauge"
    STATE_TIMELINE = "state-timeline"
    HEATMAP = "heatmap"
    NODE_GRAPH = "nodeGraph"
    TEXT = "text"


class Colour(Enum):
    """Grafana's named colours, by what they tell."""

    GOOD = "green"
    WATCH = "orange"
    BAD = "red"
    PLAIN = "blue"


@dataclass(frozen=True, slots=True)
class Step:
    """From this value upwards, this colour; drawn as a line in a time series."""

    at: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Args:
        expr: what is asked.
        legend: name of its series; `{pod}` stands for the value of that label, which the expression must carry.
            In a table it is the title of the value's column, which is left out without one.
        unit: of its column in a table, where it differs from the panel's.
        steps: thresholds of its column in a table, where they differ from the panel's.
    """

    expr: Expr
    legend: str
    unit: Show | None = None
    steps: tuple[Step, ...] | None = None

    def __post_init__(self) -> None:
        """Raises DeclarationError when the legend names a label that the series do not have."""
        known = {key_name(key) for key in self.expr.labels}
        for name in _placeholders(self.legend):
            if name not in known:
                raise DeclarationError(f"legend {self.legend!r} names label {name}; its series have {sorted(known)}")

    def legend_in(self, naming: Naming) -> str:
        """As Grafana wants it: `{{k8s_pod}} received`."""
        names = {key_name(key): f"{{{{{label_in(key, naming)}}}}}" for key in self.expr.labels}
        return self.legend.format(**names)


@dataclass(frozen=True, slots=True)
class Link:
    """A way to another board that takes the labels of the clicked series or row along.

    Args:
        title: text of the link.
        board: slug of the board it leads to.
        carry: identity labels whose values become the variables there.
    """

    title: str
    board: str
    carry: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """What a state is called and how it looks."""

    value: int
    text: str
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Args:
        title: unique within its row.
        description: what it shows and what a rise means.
        form: how it draws.
        queries: what it draws; a stat has one that gives a single series, those of a table are its columns of values,
            the first of which it is sorted by; by its last label where no value is shown.
        unit: of all its values.
        steps: thresholds above the base colour, ascending.
        base: colour below the first step.
        maximum: upper end of the scale, where one is known.
        links: ways to other boards.
        mappings: names of states, for a state timeline.
        ascending: whether the smallest value stands first in a table.
        width: of the 24 columns.
        height: in grid rows of 30 pixels.
        text: Markdown of a text panel.
    """

    title: str
    description: str
    form: Form = Form.TIMESERIES
    queries: tuple[Query, ...] = ()
    unit: Show = Show.NUMBER
    steps: tuple[Step, ...] = ()
    base: Colour = Colour.GOOD
    maximum: float | None = None
    links: tuple[Link, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    ascending: bool = False
    width: int = 12
    height: int = 8
    text: str = ""

    def __post_init__(self) -> None:
        """Raises DeclarationError naming what is missing or contradictory."""
        if not self.title or not self.description.endswith("."):
            raise DeclarationError(f"panel {self.title!r} needs a title and a description that ends with a period")
        if (self.form is Form.TEXT) != (not self.queries) or (self.form is Form.TEXT) != bool(self.text):
            raise DeclarationError(f"panel {self.title!r}: a text panel has text, every other one has queries")
        self._check_form()
        if [step.at for step in self.steps] != sorted({step.at for step in self.steps}):
            raise DeclarationError(f"panel {self.title!r}: thresholds must ascend")
        for link in self.links:
            for query in self.queries:
                if not set(link.carry) <= query.expr.labels:
                    raise DeclarationError(f"panel {self.title!r}: link {link.title!r} carries a label it lacks")

    def _check_form(self) -> None:
        labels = [query.expr.labels for query in self.queries]
        if self.form is Form.STAT and len(labels) != 1:
            raise DeclarationError(f"panel {self.title!r}: a stat draws exactly one query")
        if self.form is Form.STAT and labels[0]:
            raise DeclarationError(f"panel {self.title!r}: a stat draws one series, aggregate all labels away")
        if self.form is Form.TABLE and len(set(labels)) != 1:
            raise DeclarationError(f"panel {self.title!r}: columns of a table need the same labels, to make one row")
        if self.form is Form.HEATMAP and labels != [{BOUND}]:
            raise DeclarationError(f"panel {self.title!r}: a heatmap draws the buckets of one histogram")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric it reads, in order of first appearance."""
        return tuple(dict.fromkeys(metric for query in self.queries for metric in query.expr.metrics))


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; a collapsed row asks nothing until somebody opens it."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard.

    Args:
        slug: file name and end of the uid.
        title: as listed in Grafana.
        description: one or two sentences.
        rows: content from top to bottom.
        probes: whose metrics it must show all of; what no panel names ends in a row of further counters.
        refresh: how often it asks again.
        tags: by which a menu finds it, besides that of all boards.
    """

    slug: str
    title: str
    description: str
    rows: tuple[Row, ...]
    probes: tuple[str, ...] = ()
    refresh: str = "30s"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises DeclarationError on a slug that makes no uid, or titles that make no distinct panel ids."""
        if not _SLUG.fullmatch(self.slug):
            raise DeclarationError(f"board {self.slug!r}: not a slug, or too long for a uid")
        ids = [panel_id(row, panel) for row in self.rows for panel in row.panels]
        ids += [row_id(row) for row in self.rows]
        if len(ids) != len(set(ids)):
            raise DeclarationError(f"board {self.slug}: two panels of a row share a title, or their ids collide")

    @property
    def uid(self) -> str:
        """Stable, so that links and bookmarks live on."""
        return PREFIX + self.slug

    def panels(self) -> Iterator[Panel]:
        """All panels, top to bottom."""
        for row in self.rows:
            yield from row.panels


def panel_id(row: Row, panel: Panel) -> int:
    """From the titles, so that a new panel does not renumber the others and break links to them."""
    return _id(f"{row.title}\n{panel.title}")


def row_id(row: Row) -> int:
    """As `panel_id`."""
    return _id(row.title)


def key_name(key: LabelKey) -> str:
    """Name of a label key that no dialect changes: `pod`, `device`."""
    return key.value if isinstance(key, Identity) else key.name


def label_in(key: LabelKey, naming: Naming) -> str:
    """Name of a label in one dialect: `k8s_pod`, `device`."""
    return key.name_in(naming) if isinstance(key, Identity) else key.name


def _id(text: str) -> int:
    return zlib.crc32(text.encode()) & 0xFFFFFF or 1


def _placeholders(legend: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(legend) if name is not None]
