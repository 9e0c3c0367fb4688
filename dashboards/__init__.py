"""Dashboards as code: from the registry to Grafana JSON of three generations, two of them in two forms.

dashboards/<slug>.json                 Grafana 8.4 and later, for provisioning: data source by variable
dashboards/import/<slug>.json          the same for import: asks for a data source
dashboards/legacy/<slug>.json          Grafana 7.0 to 8.3, for provisioning
dashboards/legacy/import/<slug>.json   the same for import
dashboards/v2/<slug>.json              Grafana 13: the v2 resource
dashboards/provisioning/net-exporter.yml
dashboards/compatibility.txt           what was left out for whom
"""

from __future__ import annotations

from dashboards.bundle import files, index, report

__all__ = ["files", "index", "report"]
