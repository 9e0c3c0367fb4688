"""ServiceMonitor and PodMonitor of the Prometheus operator, monitoring.coreos.com/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrape.model import APP, INTERVAL, JOB, NAMESPACE, OPERATOR_LABELS, PATH, PORT_NAME, SERVICE, TIMEOUT

if TYPE_CHECKING:
    from scrape.limits import Limits

RELABELINGS: list[dict[str, Any]] = [
    {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "regex": "(.+)", "targetLabel": "instance"},
    {"targetLabel": "job", "replacement": JOB},
    {"regex": OPERATOR_LABELS, "action": "labeldrop"},
]


def service_monitor(limits: Limits) -> dict[str, Any]:
    """Targets behind the Service."""
    return _monitor("ServiceMonitor", {"endpoints": [_endpoint()]}, limits)


def pod_monitor(limits: Limits) -> dict[str, Any]:
    """The pods themselves, where there is no Service."""
    return _monitor("PodMonitor", {"podMetricsEndpoints": [_endpoint()]}, limits)


def _monitor(kind: str, spec: dict[str, Any], limits: Limits) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": {"name": SERVICE, "namespace": NAMESPACE, "labels": {"app": APP}},
        "spec": {
            "selector": {"matchLabels": {"app": APP}},
            "namespaceSelector": {"matchNames": [NAMESPACE]},
            "sampleLimit": limits.samples,
            "labelLimit": limits.labels,
            **spec,
        },
    }


def _endpoint() -> dict[str, Any]:
    return {
        "port": PORT_NAME,
        "path": PATH,
        "interval": INTERVAL,
        "scrapeTimeout": TIMEOUT,
        "honorLabels": True,
        "honorTimestamps": False,
        "relabelings": RELABELINGS,
    }
