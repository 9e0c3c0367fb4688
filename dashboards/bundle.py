"""What this package adds to the bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dashboards import catalogue, legacy, modern, portable, provisioning
from exporter.model.metric import Naming

if TYPE_CHECKING:
    from dashboards.grafana_tree import Json
    from exporter.registry import Registry

_OLDEST_MODERN = "8.4.0"
_OLDEST_LEGACY = "7.0.0"
_TAG = "registry:"  # before the hash of the declarations; no query and no link asks for it


def files(registry: Registry, naming: Naming) -> dict[str, bytes]:
    """All files, by path within the bundle. Raises DeclarationError when boards and registry contradict."""
    found = {"dashboards/provisioning/net-exporter.yml": provisioning.PROVIDER.encode()}
    tag = _TAG + registry.fingerprint()
    for board in catalogue.boards(registry):
        new = _tagged(modern.render(board, naming), tag)
        old = _tagged(legacy.render(board, naming), tag)
        found[f"dashboards/{board.slug}.json"] = _text(new)
        found[f"dashboards/import/{board.slug}.json"] = _line(portable.importable(new, _OLDEST_MODERN))
        found[f"dashboards/legacy/{board.slug}.json"] = _text(old)
        found[f"dashboards/legacy/import/{board.slug}.json"] = _line(portable.importable(old, _OLDEST_LEGACY))
    return found


def boards(registry: Registry, naming: Naming, *, old: bool) -> list[Json]:
    """The provisionable form of every board, for Grafana 7.0 to 8.3 or for later ones."""
    tag = _TAG + registry.fingerprint()
    render = legacy.render if old else modern.render
    return [_tagged(render(board, naming), tag) for board in catalogue.boards(registry)]


def index(registry: Registry) -> dict[str, list[str]]:
    """For each metric, by its kubeskoop name, the panels that show it: `Board > Panel`, in order of boards."""
    found: dict[str, list[str]] = {}
    for board in catalogue.boards(registry):
        for panel in board.panels():
            for metric in panel.metrics:
                places = found.setdefault(metric.name_in(Naming.KUBESKOOP), [])
                place = f"{board.title} › {panel.title}"
                if place not in places:
                    places.append(place)
    return found


def _tagged(board: Json, tag: str) -> Json:
    return {**board, "tags": [*board["tags"], tag]}


def _text(board: Json) -> bytes:
    return json.dumps(board, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _line(board: Json) -> bytes:
    """On one line: only machines read it, and its readable twin lies beside it."""
    return json.dumps(board, sort_keys=True, ensure_ascii=False).encode() + b"\n"
