"""Who may do what: the namespace, the service account and its rights, and who may reach the pods."""

from __future__ import annotations

from typing import Any, Final

from scrape.kubernetes.daemonset import EVENT_PORT_NAME, EVENTS
from scrape.kubernetes.template import Ref, When
from scrape.model import APP, NAMESPACE, PORT_NAME

_META: Final = {"name": APP, "namespace": Ref("Release.Namespace"), "labels": {"app": APP}}
_OF_CLUSTER: Final = {"name": APP, "labels": {"app": APP}}
_API: Final = "rbac.authorization.k8s.io"


def namespace() -> dict[str, Any]:
    """Its admission lets in pods that see the node's processes."""
    labels = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"app": APP, **labels}}}


def service_account() -> dict[str, Any]:
    """Whose token asks for the pods of the node."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _META}


def cluster_role() -> dict[str, Any]:
    """Reading pods, in all namespaces as those of a node are; nothing else."""
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    return {"apiVersion": f"{_API}/v1", "kind": "ClusterRole", "metadata": _OF_CLUSTER, "rules": [rule]}


def cluster_role_binding() -> dict[str, Any]:
    """The role, given to the service account."""
    return {
        "apiVersion": f"{_API}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _OF_CLUSTER,
        "roleRef": {"apiGroup": _API, "kind": "ClusterRole", "name": APP},
        "subjects": [{"kind": "ServiceAccount", "name": APP, "namespace": Ref("Release.Namespace")}],
    }


def network_policy() -> dict[str, Any]:
    """Only the ports that serve something. What the pods reach is left open: the API server has no label to name."""
    ports = [
        {"port": PORT_NAME, "protocol": "TCP"},
        When(EVENTS, {"port": EVENT_PORT_NAME, "protocol": "TCP"}),
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _META,
        "spec": {
            "podSelector": {"matchLabels": {"app": APP}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": Ref("networkPolicy.from"), "ports": ports}],
        },
    }
