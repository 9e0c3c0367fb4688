"""Who talks to whom as a graph: queries whose columns are those that Grafana's node graph looks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.model.metric import Label
from exporter.model.promql import Expr, total

if TYPE_CHECKING:
    from exporter.model.promql import Rendering

VALUE = "mainstat"  # what the graph calls the number of a node or an edge
ID = Label(name="id", help="What a node or an edge is told by.")
TITLE = Label(name="title", help="Name of a node.")
SUBTITLE = Label(name="subtitle", help="What stands below a node's name.")
SOURCE = Label(name="source", help="Where an edge begins.")
TARGET = Label(name="target", help="Where an edge ends.")


@dataclass(frozen=True, slots=True)
class End:
    """Labels of one end of a pair.

    Args:
        address: tells it from others.
        pod: its name, where it has one.
        namespace: stands below the name.
    """

    address: Label
    pod: Label
    namespace: Label


def edges(pairs: Expr, source: End, target: End) -> Expr:
    """An edge for each pair."""
    begun = _joined(_joined(pairs, SOURCE, source.address), TARGET, target.address)
    return total(_joined(begun, ID, source.address, target.address), ID, SOURCE, TARGET)


def nodes(pairs: Expr, source: End, target: End) -> Expr:
    """A node for each end of the pairs: with what it sends, or with what it gets where it sends nothing."""
    return _named(pairs, source).otherwise(_named(pairs, target))


def _named(pairs: Expr, end: End) -> Expr:
    found = _joined(_joined(pairs, ID, end.address), TITLE, end.address)
    return total(_joined(_replaced(found, TITLE, end.pod), SUBTITLE, end.namespace), ID, TITLE, SUBTITLE)


def _joined(expr: Expr, new: Label, *old: Label) -> Expr:
    names = ", ".join(f'"{label.name}"' for label in old)

    def write(rendering: Rendering) -> str:
        return f'label_join({expr.render(rendering)}, "{new.name}", " > ", {names})'

    return replace(expr, write=write, labels=expr.labels | {new}, atom=True)


def _replaced(expr: Expr, new: Label, old: Label) -> Expr:
    """The label takes the value of another one that is not empty."""

    def write(rendering: Rendering) -> str:
        return f'label_replace({expr.render(rendering)}, "{new.name}", "$1", "{old.name}", "(.+)")'

    return replace(expr, write=write, labels=expr.labels | {new}, atom=True)
