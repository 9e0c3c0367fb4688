"""Grafana's own types (its Foundation SDK) read every modern board: a key that they do not know would be dropped."""

from __future__ import annotations

import json
import re
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from grafana_foundation_sdk.cog import encoder, plugins

import dashboards
from exporter import registry
from exporter.model.metric import Naming

with warnings.catch_warnings():  # it would rather see the next schema, which Grafana before 12 cannot read
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = dashboards.files(registry.load(), Naming.KUBESKOOP)
MODERN = [path for path in FILES if path.endswith(".json") and "/legacy/" not in path and "/import/" not in path]

# What Grafana 8.4 and 8.5 read of a heatmap; the types are of later ones.
BEFORE_9 = re.compile(r"(/panels/\d+)+/(dataFormat|hideZeroBuckets|yAxis|yBucketBound)(/.*)?")


def leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any node of a JSON tree
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{place}/{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from leaves(value, f"{place}/{position}")
    elif node is not None:
        yield place, node


@pytest.mark.parametrize("path", MODERN)
def test_grafanas_types_know_every_key_and_keep_every_value(path: str) -> None:
    plugins.register_default_plugins()
    board = json.loads(FILES[path])
    again = json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(board)))
    kept = dict(leaves(again))
    expected = {place: value for place, value in leaves(board) if not BEFORE_9.fullmatch(place)}
    assert expected == {place: kept.get(place) for place in expected}
