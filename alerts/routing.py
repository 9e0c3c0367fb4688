"""An example configuration for Alertmanager: who is told of what, and which alert makes another one needless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.model import POD_KEYS, Severity
from alerts.rules import exporter, node, tcp_path, tcp_socket
from exporter.model.metric import Identity

if TYPE_CHECKING:
    from alerts.model import AlertRule
    from exporter.model.promql import LabelKey, Rendering

# While the first of them fires, the others are not told for the same node, pod or table.
NEEDLESS: tuple[tuple[AlertRule, tuple[AlertRule, ...]], ...] = (
    (exporter.ABSENT, (exporter.DOWN,)),
    (exporter.STALLED, (exporter.SLOW, exporter.PROBE_FAILING)),
    (node.CONNTRACK_FULL, (node.CONNTRACK_NEARLY_FULL, node.CONNTRACK_FILLING)),
    (node.CONNTRACK_NEARLY_FULL, (node.CONNTRACK_FILLING,)),
    (node.NEIGHBOURS_FULL, (node.NEIGHBOURS_NEARLY_FULL,)),
    (tcp_path.RETRANSMITS_CRITICAL, (tcp_path.RETRANSMITS,)),
    (tcp_socket.ABORT_ON_MEMORY, (tcp_socket.MEMORY_PRESSURE,)),
)

NOBODY = "nobody"
RECEIVERS = {Severity.CRITICAL: "pager", Severity.WARNING: "tickets", Severity.INFO: NOBODY}
REPEAT = {Severity.CRITICAL: "4h", Severity.WARNING: "24h", Severity.INFO: "24h"}


def alertmanager(rendering: Rendering) -> dict[str, Any]:
    """The whole configuration, loadable as it is."""
    place = [rendering.label(key) for key in (Identity.NODE, Identity.NAMESPACE)]
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", *place],
            "group_wait": "30s",
            "group_interval": "5m",
            "routes": [
                {
                    "matchers": ['alertname=~"Net.+"', f'severity="{severity.value}"'],
                    "receiver": receiver,
                    "repeat_interval": REPEAT[severity],
                }
                for severity, receiver in RECEIVERS.items()
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{source.name}"'],
                "target_matchers": [f'alertname=~"{"|".join(rule.name for rule in targets)}"'],
                "equal": [rendering.label(key) for key in _shared(source, targets)],
            }
            for source, targets in NEEDLESS
        ],
        "receivers": [
            {"name": RECEIVERS[Severity.CRITICAL], "webhook_configs": [{"url": "http://pager.example.com/"}]},
            {"name": RECEIVERS[Severity.WARNING], "webhook_configs": [{"url": "http://tickets.example.com/"}]},
            {"name": NOBODY},
        ],
    }


def _shared(source: AlertRule, targets: tuple[AlertRule, ...]) -> list[LabelKey]:
    """Labels that all of them carry, the wide ones first."""
    shared = source.expr.labels.intersection(*(rule.expr.labels for rule in targets))
    own = sorted((key for key in shared if not isinstance(key, Identity)), key=lambda key: key.name)
    return [*(key for key in POD_KEYS if key in shared), *own]
