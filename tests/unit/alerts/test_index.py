from __future__ import annotations

import alerts
from exporter import registry
from exporter.model.metric import Naming
from exporter.probes.udp import NO_PORTS


def test_a_metric_knows_its_alerts() -> None:
    assert alerts.index(registry.load())[NO_PORTS.name_in(Naming.KUBESKOOP)] == [
        {
            "alert": "NetUdpUnexpectedDatagrams",
            "severity": "info",
            "summary": "UDP datagrams arrive for a port that nobody listens on.",
            "runbook": "docs/runbooks/NetUdpUnexpectedDatagrams.md",
        }
    ]


def test_every_alert_is_found_by_some_metric() -> None:
    found = {entry["alert"] for entries in alerts.index(registry.load()).values() for entry in entries}
    assert found == {rule.name for rule in alerts.rules()}
