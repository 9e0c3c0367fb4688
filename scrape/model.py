"""The facts that all scrape configurations share, and the job built from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scrape.limits import Limits

JOB = "net-exporter"
SERVICE = "net-exporter"  # also the name of the Endpoints object that existing configurations keep
APP = "net-exporter"  # value of the label `app` on the pods and the Service
NAMESPACE = "net-exporter"  # of its own, as what the pods may do is allowed for a whole namespace
PORT = 9102
PORT_NAME = "http-metrics"  # of the Service and of the container
PATH = "/metrics"
INTERVAL = "15s"
TIMEOUT = "10s"

# Target labels that the Prometheus operator adds and that would follow the exporter's own pod: with them, every
# restart of the exporter would end all series of the node and start them under new labels.
OPERATOR_LABELS = "container|endpoint|namespace|pod|service"


def job(discovery: dict[str, Any], relabelings: list[dict[str, Any]], limits: Limits) -> dict[str, Any]:
    """One entry of `scrape_configs`.

    Measured labels win (`honor_labels`): `node`, `namespace` and `pod` belong to the measured pod, never to the
    exporter. Time stamps of the exposition are not taken over (`honor_timestamps`), because Prometheus marks no
    series with its own time stamps as ended, and deleted pods would linger.
    """
    return {
        "job_name": JOB,
        "scrape_interval": INTERVAL,
        "scrape_timeout": TIMEOUT,
        "metrics_path": PATH,
        "honor_labels": True,
        "honor_timestamps": False,
        "sample_limit": limits.samples,
        "label_limit": limits.labels,
        **discovery,
        **({"relabel_configs": relabelings} if relabelings else {}),
    }


NODE_AS_INSTANCE: dict[str, Any] = {
    # An address changes with every reinstalled node; its name says which exporter it is.
    "source_labels": ["__meta_kubernetes_pod_node_name"],
    "regex": "(.+)",
    "target_label": "instance",
}
