"""Scrape configurations for Prometheus itself: fixed addresses, files, and discovery in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrape.model import APP, JOB, NODE_AS_INSTANCE, PORT, SERVICE, job

if TYPE_CHECKING:
    from scrape.limits import Limits

ANNOTATION = "__meta_kubernetes_pod_annotation_prometheus_io"
ON_OUR_PORT: dict[str, Any] = {
    # Discovery also lists the other ports of the pod; only this one serves metrics.
    "source_labels": ["__address__"],
    "regex": f".+:{PORT}",
    "action": "keep",
}

ENDPOINTS_RULES: list[dict[str, Any]] = [
    {"source_labels": ["__meta_kubernetes_endpoints_name"], "regex": SERVICE, "action": "keep"},
    ON_OUR_PORT,
    NODE_AS_INSTANCE,
]
ENDPOINTSLICE_RULES: list[dict[str, Any]] = [
    # The slice's own name ends in a random part.
    {"source_labels": ["__meta_kubernetes_service_name"], "regex": SERVICE, "action": "keep"},
    ON_OUR_PORT,
    NODE_AS_INSTANCE,
]
POD_RULES: list[dict[str, Any]] = [
    {"source_labels": [f"{ANNOTATION}_scrape"], "regex": "true", "action": "keep"},
    {"source_labels": ["__meta_kubernetes_pod_label_app"], "regex": APP, "action": "keep"},
    {
        "source_labels": ["__meta_kubernetes_pod_container_port_number"],
        "target_label": f"{ANNOTATION}_port",
        "action": "keepequal",
    },
    {
        "source_labels": [f"{ANNOTATION}_path"],
        "regex": "(.+)",
        "target_label": "__metrics_path__",
        "action": "replace",
    },
    {
        "source_labels": ["__address__", f"{ANNOTATION}_port"],
        "regex": r"([^:]+|\[[^]]+\])(?::\d+)?;(\d+)",
        "replacement": "$1:$2",
        "target_label": "__address__",
        "action": "replace",
    },
    NODE_AS_INSTANCE,
]
FILE_RULES: list[dict[str, Any]] = []


def static(limits: Limits) -> dict[str, Any]:
    """A few known addresses."""
    targets = [f"192.0.2.{host}:{PORT}" for host in (11, 12)]
    return _file(job({"static_configs": [{"targets": targets}]}, [], limits))


def file_sd(limits: Limits) -> dict[str, Any]:
    """Addresses in files that something else writes."""
    discovery = {"files": [f"targets/{JOB}*.yml", f"targets/{JOB}*.json"], "refresh_interval": "1m"}
    return _file(job({"file_sd_configs": [discovery]}, FILE_RULES, limits))


def targets() -> list[dict[str, Any]]:
    """Example of such a file."""
    return [
        {"targets": [f"192.0.2.{host}:{PORT}"], "labels": {"instance": f"node-{letter}"}}
        for host, letter in ((11, "a"), (12, "b"))
    ]


def endpoints(limits: Limits) -> dict[str, Any]:
    """The Endpoints object that existing installations keep."""
    discovery = {"role": "endpoints", "selectors": [{"role": "endpoints", "field": f"metadata.name={SERVICE}"}]}
    return _file(job({"kubernetes_sd_configs": [discovery]}, ENDPOINTS_RULES, limits))


def endpointslice(limits: Limits) -> dict[str, Any]:
    """The successor of Endpoints."""
    selector = {"role": "endpointslice", "label": f"kubernetes.io/service-name={SERVICE}"}
    discovery = {"role": "endpointslice", "selectors": [selector]}
    return _file(job({"kubernetes_sd_configs": [discovery]}, ENDPOINTSLICE_RULES, limits))


def annotated_pods(limits: Limits) -> dict[str, Any]:
    """Pods with the annotations prometheus.io/scrape, /port and /path."""
    discovery = {"role": "pod", "selectors": [{"role": "pod", "label": f"app={APP}"}]}
    return _file(job({"kubernetes_sd_configs": [discovery]}, POD_RULES, limits))


def _file(one: dict[str, Any]) -> dict[str, Any]:
    return {"scrape_configs": [one]}
