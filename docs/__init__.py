"""The reference, written from the declarations: metrics, probes, events, alerts, runbooks, dashboards, thresholds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alerts import DECLARED, LINKS
from docs import alerting, boards, costs, events, guides, kernels, metrics, migration, probes, schema
from docs.uses import uses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.words import Links
    from exporter.model.metric import Naming
    from exporter.registry import Registry


def files(
    registry: Registry, naming: Naming, links: Links = LINKS, limits: Mapping[str, float] = DECLARED
) -> dict[str, bytes]:
    """Pages by path, and `index.json`, from which `net-exporter explain` tells where a metric is used."""
    used = uses(registry)
    pages = {
        **metrics.pages(registry, used),
        **probes.pages(registry),
        **events.pages(registry),
        **alerting.pages(naming, limits),
        **boards.pages(registry),
        **kernels.pages(registry),
        **costs.pages(registry, naming),
        **guides.pages(links.grafana),
        **migration.pages(registry, naming),
        "configuration.schema.json": schema.text(registry),
    }
    written = {f"docs/{path}": text.encode() for path, text in pages.items()}
    written["index.json"] = (json.dumps(used, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    return written
