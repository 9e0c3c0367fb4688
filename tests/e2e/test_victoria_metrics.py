"""The same queries to VictoriaMetrics, which scraped by itself: the same series as from Prometheus."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.conftest import ROOT
from tests.e2e.queries import filled, queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Node
    from tests.e2e.database import Database


def _rules() -> Iterator[tuple[str, str]]:
    """Name and expression of every rule, over the window in which both have scraped."""
    for path in sorted((ROOT / "bundle" / "alerts" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                expression = re.sub(r"\[\d+m\]", "[30s]", rule["expr"])
                yield rule.get("alert") or rule["record"], filled(expression)


def _comparable(expression: str) -> str:
    """Without topk, of which each database takes others when values are equal, and without quantiles.

    A quantile of what did not happen within the window is nothing in the one database and not a number in the other,
    and what is rare happened within the window of one of them alone.
    """
    return re.sub(r"(topk|histogram_quantile)\([0-9.]+, ", "(", expression)


def _series(node: Node, database: Database, expression: str) -> set[frozenset[tuple[str, str]]]:
    """Labels of each series of the host and of our pods that has a value.

    Prometheus also tells those whose value is not a number; other namespaces of the machine come and go.
    """
    ours = {"", *node.pods}

    def labels(each: dict[str, Any]) -> frozenset[tuple[str, str]]:
        return frozenset((name, value) for name, value in each["metric"].items() if name != "__name__")

    return {
        labels(each)
        for each in database.query(expression, node.at)
        if each["metric"].get("k8s_pod", "") in ours and not math.isnan(float(each["value"][1]))
    }


def test_both_databases_answer_every_panel_and_rule_with_the_same_series(node: Node) -> None:
    asked = {_comparable(expression): place for place, expression in _rules()}
    asked |= {_comparable(filled(query.expression)): query.place for query in queries()}
    different = {}
    answered = 0
    for expression, place in asked.items():
        ours, theirs = (_series(node, database, expression) for database in (node.prometheus, node.victoria))
        answered += bool(ours)
        if ours != theirs:
            different[f"{place}: {expression}"] = ours ^ theirs
    assert different == {}
    assert answered > len(asked) / 2
