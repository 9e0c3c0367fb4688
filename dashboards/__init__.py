"""Dashboards as code: from the registry to Grafana JSON of two generations, each in two forms.

dashboards/<slug>.json                 Grafana 8.4 and later, for provisioning: data source by variable
dashboards/import/<slug>.json          the same for import: asks for a data source
dashboards/legacy/<slug>.json          Grafana 7.0 to 8.3, for provisioning
dashboards/legacy/import/<slug>.json   the same for import
dashboards/provisioning/net-exporter.yml
"""

from __future__ import annotations

from dashboards.bundle import files, index

__all__ = ["files", "index"]
