"""Dashboards as ConfigMaps, which the sidecar of Grafana's chart finds by their label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from dashboards import bundle
from exporter.errors import DeclarationError
from scrape.model import APP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.targets.chosen import Targets
    from exporter.model.metric import Naming
    from exporter.registry import Registry

LABEL: Final = {"grafana_dashboard": "1"}
FOLDER: Final = {"grafana_folder": "net-exporter"}
# A ConfigMap may have 1 MiB; `kubectl apply` puts a copy into an annotation, and those may have 256 KiB together.
MOST_BYTES: Final = 256 << 10


def minified(registry: Registry, naming: Naming, targets: Targets) -> dict[str, str]:
    """JSON on one line of each dashboard for the version chosen, by slug. Raises DeclarationError for one too large."""
    found = {}
    for board in bundle.fitted(registry, naming, targets):
        slug = board["uid"].removeprefix(f"{APP}-")
        found[slug] = json.dumps(board, separators=(",", ":"), sort_keys=True)
        size = len(json.dumps(config_map(slug, found[slug], "")))
        if size > MOST_BYTES:
            raise DeclarationError(
                f"dashboard {slug} takes {size} bytes as a ConfigMap, more than {MOST_BYTES}; split it"
            )
    return found


def config_map(slug: str, content: str, namespace: Any) -> dict[str, Any]:  # noqa: ANN401 -- a name or a place for one
    """The object of one dashboard."""
    metadata: Mapping[str, Any] = {
        "name": f"{APP}-{slug}",
        "namespace": namespace,
        "labels": {"app": APP, **LABEL},
        "annotations": FOLDER,
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {f"{APP}-{slug}.json": content}}
