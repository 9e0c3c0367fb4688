"""Grafana's own types (its Foundation SDK) read every board but the old ones: a key they do not know is dropped."""

from __future__ import annotations

import json
import re
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from grafana_foundation_sdk.cog import encoder, plugins

import dashboards
from alerts.targets.chosen import Targets
from alerts.targets.grafana import VERSIONS
from exporter import registry
from exporter.model.metric import Naming

with warnings.catch_warnings():  # it would rather see the next schema, which Grafana before 12 cannot read
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard
    from grafana_foundation_sdk.models.dashboardv2 import Dashboard as Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    f"{version or 'all'}/{path}": content
    for version in (None, *VERSIONS)
    for path, content in dashboards.files(
        registry.load(), Naming.KUBESKOOP, Targets(VERSIONS.get(version or ""))
    ).items()
    if path.endswith(".json") and "/import/" not in path and "/legacy/" not in path
}
# They know a Prometheus query of a panel only; that of a variable has keys of its own.
QUERY_OF_VARIABLE = re.compile(r"/variables/\d+/spec/query/spec/(qryType|query|refId)")
# What Grafana 8.4 to 9.0 read of a heatmap; the types are of later ones.
BEFORE_9_1 = re.compile(r"(/panels/\d+)+/(dataFormat|hideZeroBuckets|yAxis|yBucketBound)(/.*)?")
UNKNOWN = defaultdict(
    lambda: re.compile("nothing"), {"all": BEFORE_9_1, "8.4": BEFORE_9_1, "9": BEFORE_9_1, "v2": QUERY_OF_VARIABLE}
)
each_board = pytest.mark.parametrize("path", FILES)


class Encoder(encoder.JSONEncoder):
    """Of the SDK, whose types for v2 read two texts of a panel's view into sets of one."""

    def default(self, o: Any) -> Any:  # noqa: ANN401 - as the base
        if isinstance(o, set):
            (only,) = o
            return only
        return super().default(o)


def again(types: Any, board: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - the SDK's classes have no common base
    """What the types kept, by place."""
    plugins.register_default_plugins()
    return dict(leaves(json.loads(Encoder().encode(types.from_json(board)))))


def leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any node of a JSON tree
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{place}/{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from leaves(value, f"{place}/{position}")
    elif node is not None:
        yield place, node


@each_board
def test_grafanas_types_know_every_key_and_keep_every_value(path: str) -> None:
    board = json.loads(FILES[path])
    kept = again(Resource, board["spec"]) if "/v2/" in path else again(Dashboard, board)
    unknown = UNKNOWN["v2" if "/v2/" in path else path.partition("/")[0]]
    wanted = {place: value for place, value in leaves(board.get("spec", board)) if not unknown.fullmatch(place)}
    assert wanted == {place: kept.get(place) for place in wanted}


@pytest.mark.parametrize(("path", "types"), [("dashboards/tcp.json", Dashboard), ("dashboards/v2/tcp.json", Resource)])
def test_a_key_they_do_not_know_is_noticed(path: str, types: Any) -> None:  # noqa: ANN401 - as above
    board = json.loads(FILES[f"all/{path}"])
    kept = again(types, {**board.get("spec", board), "sharedCrosshair": True})
    assert (kept["/title"], "/sharedCrosshair" in kept) == ("net-exporter / TCP", False)
