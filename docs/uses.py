"""Where each metric is used: panels and alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import alerts
import dashboards
from exporter.model.metric import Naming

if TYPE_CHECKING:
    from exporter.registry import Registry


def uses(registry: Registry) -> dict[str, dict[str, Any]]:
    """Metric (kubeskoop name) -> its panels, its alerts, and the runbook of the first of them."""
    panels = dashboards.index(registry)
    alerting = alerts.index(registry)
    found = {}
    for metric in registry.metrics():
        name = metric.name_in(Naming.KUBESKOOP)
        known = alerting.get(name, [])
        runbook = known[0]["runbook"] if known else ""
        found[name] = {"panels": panels.get(name, []), "alerts": known, "runbook": runbook}
    return found
