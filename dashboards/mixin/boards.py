"""Dashboards as Jsonnet: what all panels of a kind share is written once, each panel says how it differs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dashboards import bundle
from dashboards.grafana_tree import TAG
from dashboards.mixin import source
from dashboards.mixin.places import SHOWN, UID, in_tree
from dashboards.mixin.rules import HEAD
from dashboards.mixin.source import Changed, Code, place
from dashboards.panel import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.grafana_tree import Json
    from exporter.registry import Registry

_TAGS = Code("c.dashboardTags")


def files(registry: Registry) -> dict[str, str]:
    """Source by path."""
    boards = [_board(board) for board in bundle.boards(registry, SHOWN, old=False)]
    shared = _shared(boards)
    slugs = [board["uid"].removeprefix(UID) for board in boards]
    written = {
        f"dashboards/{slug}.libsonnet": source.NOTICE
        + HEAD
        + "local p = (import 'parts.libsonnet')(x);\n"
        + source.write(_with_shared(board, shared))
        + "\n"
        for slug, board in zip(slugs, boards, strict=True)
    }
    written["dashboards/parts.libsonnet"] = source.NOTICE + HEAD + source.write(shared) + "\n"
    imports = {f"{slug}.json": Code(f"(import '{slug}.libsonnet')(x)") for slug in slugs}
    written["dashboards/dashboards.libsonnet"] = source.NOTICE + source.hidden("grafanaDashboards", imports)
    return written


def _board(board: Json) -> Json:
    """With places, and with the tags of the configuration."""
    made: Json = in_tree(board)
    made["uid"] = UID + board["uid"].removeprefix(PREFIX)
    made["title"] = place("c.dashboardTitlePrefix") + board["title"]
    made["tags"] = Code(f"c.dashboardTags + {source.write([tag for tag in board['tags'] if tag != TAG])}")
    for link in made["links"]:
        if link["tags"] == [TAG]:
            link["tags"] = _TAGS
    return made


def _shared(boards: list[Json]) -> dict[str, Json]:
    """Kind of part -> what all parts of that kind have in common."""
    found: dict[str, list[Json]] = defaultdict(list)
    for board in boards:
        for kind, part in _parts(board):
            found[kind].append(part)
    return {kind: _common(parts) for kind, parts in sorted(found.items())}


def _parts(board: Json) -> Iterator[tuple[str, Json]]:
    yield "board", board
    for variable in board["templating"]["list"]:
        yield _kind_of_variable(variable), variable
    for panel in _panels(board):
        yield _kind_of_panel(panel), panel
        for target in panel.get("targets", ()):
            yield _kind_of_target(target), target


def _panels(board: Json) -> Iterator[Json]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def _kind_of_variable(variable: Json) -> str:
    return f"{variable['type']}_variable"


def _kind_of_panel(panel: Json) -> str:
    return str(panel["type"]).replace("-", "_")


def _kind_of_target(target: Json) -> str:
    return f"{target['format']}_target"


def _common(parts: list[Json]) -> Json:
    """Fields that all of them have with the same value, in objects within objects too. Lists are one value."""
    first, *others = parts
    found: Json = {}
    for key, value in first.items():
        if not all(key in other for other in others):
            continue
        values = [other[key] for other in others]
        if isinstance(value, dict) and all(isinstance(other, dict) for other in values):
            found[key] = _common([value, *values])
        elif all(other == value and type(other) is type(value) for other in values):
            found[key] = value
    return found


def _with_shared(board: Json, shared: dict[str, Json]) -> Changed:
    board = dict(board)
    board["templating"] = {
        **board["templating"],
        "list": [_changed(_kind_of_variable(each), each, shared) for each in board["templating"]["list"]],
    }
    board["panels"] = [_panel(panel, shared) for panel in board["panels"]]
    return _changed("board", board, shared)


def _panel(panel: Json, shared: dict[str, Json]) -> Changed:
    panel = dict(panel)
    if "targets" in panel:
        panel["targets"] = [_changed(_kind_of_target(each), each, shared) for each in panel["targets"]]
    if "panels" in panel:
        panel["panels"] = [_panel(each, shared) for each in panel["panels"]]
    return _changed(_kind_of_panel(panel), panel, shared)


def _changed(kind: str, part: Json, shared: dict[str, Json]) -> Changed:
    return Changed(f"p.{kind}", _difference(part, shared[kind]))


def _difference(part: Json, base: Json) -> Json:
    found: Json = {}
    for key, value in part.items():
        if key not in base:
            found[key] = value
        elif isinstance(value, dict):
            if below := _difference(value, base[key]):
                found[key] = Changed("", below)
        elif value != base[key]:
            found[key] = value
    return found
