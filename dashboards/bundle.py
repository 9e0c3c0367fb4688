"""What this package adds to the bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alerts.targets.chosen import EVERY
from alerts.targets.feature import Note, Section, text
from alerts.targets.feature import written as written_version
from alerts.targets.grafana import LEGACY, MODERN, NEWEST, RESOURCE, Generation
from dashboards import catalogue, fitting, legacy, modern, portable, provisioning, v2
from exporter.model.metric import Naming

if TYPE_CHECKING:
    from alerts.targets.chosen import Targets
    from alerts.targets.grafana import Grafana
    from dashboards.grafana_tree import Json
    from dashboards.panel import Board
    from exporter.registry import Registry

REPORT = "dashboards/compatibility.txt"
_OLDEST_LEGACY = "7.0.0"
_PORTABLE = {Generation.MODERN: MODERN, Generation.LEGACY: LEGACY, Generation.RESOURCE: NEWEST}
_TAG = "registry:"  # before the hash of the declarations; no query and no link asks for it


def files(registry: Registry, naming: Naming, targets: Targets = EVERY) -> dict[str, bytes]:
    """All files, by path within the bundle; for one version of Grafana only those it loads.

    Raises DeclarationError when boards and registry contradict.
    """
    found = {
        "dashboards/provisioning/net-exporter.yml": provisioning.PROVIDER.encode(),
        REPORT: text(report(registry, targets)).encode(),
    }
    tag = _TAG + registry.fingerprint()
    for board in catalogue.boards(registry):
        for generation, chosen in _versions(targets).items():
            for path, content in _WRITERS[generation](board, naming, tag, chosen).items():
                found[f"{generation.value}/{path}"] = content
    return found


def report(registry: Registry, targets: Targets = EVERY) -> list[Section]:
    """What the boards would use and a version lacks; without one, for each form that is written."""
    shown = catalogue.boards(registry)
    written = _versions(targets)
    found = [
        Section(generation.value, chosen.loads, tuple(fitting.notes(shown, chosen)))
        for generation, chosen in written.items()
    ]
    if Generation.RESOURCE not in written:
        found.append(Section(Generation.RESOURCE.value, NEWEST.loads, (Note(RESOURCE, ()),)))
    return found


def boards(registry: Registry, naming: Naming, *, old: bool) -> list[Json]:
    """The provisionable form of every board, for Grafana 7.0 to 8.3 or for later ones."""
    tag = _TAG + registry.fingerprint()
    render = legacy.render if old else modern.render
    return [_tagged(render(board, naming), tag) for board in catalogue.boards(registry)]


def fitted(registry: Registry, naming: Naming, targets: Targets) -> list[Json]:
    """The provisionable form of every board for a version of Grafana, else for 8.4 and later."""
    version = targets.grafana or MODERN
    if Generation.LEGACY in version.generations:
        return boards(registry, naming, old=True)
    return [fitting.fit(board, version) for board in boards(registry, naming, old=False)]


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


def _versions(targets: Targets) -> dict[Generation, Grafana]:
    """What is written, and for whom."""
    if targets.grafana is None:
        return _PORTABLE
    return dict.fromkeys(targets.grafana.generations, targets.grafana)


def _write_legacy(board: Board, naming: Naming, tag: str, _version: Grafana) -> dict[str, bytes]:
    return _both(board.slug, _tagged(legacy.render(board, naming), tag), _OLDEST_LEGACY)


def _write_modern(board: Board, naming: Naming, tag: str, version: Grafana) -> dict[str, bytes]:
    written = fitting.fit(_tagged(modern.render(board, naming), tag), version)
    return _both(board.slug, written, f"{written_version(version.oldest)}.0")


def _write_resource(board: Board, naming: Naming, tag: str, version: Grafana) -> dict[str, bytes]:
    fitted = fitting.fit(_tagged(modern.render(board, naming), tag), version)
    return {f"{board.slug}.json": _line(v2.resource(fitted))}


def _both(slug: str, written: Json, oldest: str) -> dict[str, bytes]:
    return {f"{slug}.json": _text(written), f"import/{slug}.json": _line(portable.importable(written, oldest))}


_WRITERS = {
    Generation.LEGACY: _write_legacy,
    Generation.MODERN: _write_modern,
    Generation.RESOURCE: _write_resource,
}
