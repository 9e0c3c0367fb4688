"""The DaemonSet: what the pod may do on its node, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.model.needs import TO_LOAD, declared, union
from scrape.kubernetes.settings import FILE, FOLDER
from scrape.kubernetes.template import Plus, Ref, Text, When
from scrape.model import APP, PATH, PORT_NAME

if TYPE_CHECKING:
    from exporter.registry import Registry

EVENT_PORT_NAME: Final = "grpc-events"
EVENTS: Final = "config.enableEventServer"
WORDS: Final = (
    "hostPID: pods' network namespaces are found and entered through /proc/<pid>/ns/net, the node's own through",
    "  /proc/1; and the kernel lists processes to programs as seen from the reader's PID namespace.",
    "No hostNetwork: the node's network is entered as that of any pod is. The node's /sys is mounted in the stead of",
    "  the container's, which shows the devices of the container's network only.",
    "Root, with these capabilities alone: Kubernetes gives none to other users. The exporter keeps those that its",
    "  running probes declare; SYS_RESOURCE is for kernels before 5.11, at the start only.",
    "AppArmor and SELinux confine a container to its own processes, so both are told to let it look at others.",
    "  RuntimeDefault allows bpf, perf_event_open and setns to who has these capabilities.",
)


def capabilities(registry: Registry) -> tuple[str, ...]:
    """Names without CAP_, of what any probe may ask for, as Kubernetes writes them."""
    names = union(declared(registry.probes, scan=True)) | {TO_LOAD.what}
    return tuple(sorted(name.removeprefix("CAP_") for name in names))


def daemon_set(registry: Registry) -> dict[str, Any]:
    """The object."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": APP, "namespace": Ref("Release.Namespace"), "labels": {"app": APP}},
        "spec": {
            "selector": {"matchLabels": {"app": APP}},
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": Ref("updateStrategy.maxUnavailable")},
            },
            "template": {"metadata": _pod_metadata(), "spec": _pod(registry)},
        },
    }


def _pod_metadata() -> dict[str, Any]:
    return {
        "labels": {"app": APP},
        "annotations": {
            "prometheus.io/scrape": When("config.enableMetricServer", "true", "false"),
            "prometheus.io/port": Text("{}", (Ref("config.metricServerPort"),)),
            "prometheus.io/path": PATH,
            # What clusters before 1.30 understand; later ones have a field.
            f"container.apparmor.security.beta.kubernetes.io/{APP}": "unconfined",
        },
    }


def _pod(registry: Registry) -> dict[str, Any]:
    return {
        "serviceAccountName": APP,
        "priorityClassName": Ref("priorityClassName"),
        "hostPID": True,
        "hostNetwork": Ref("hostNetwork"),
        "dnsPolicy": When("hostNetwork", "ClusterFirstWithHostNet", "ClusterFirst"),
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 15,
        "imagePullSecrets": Ref("imagePullSecrets"),
        "nodeSelector": Ref("nodeSelector"),
        "tolerations": Ref("tolerations"),
        "containers": [_container(registry)],
        "volumes": [
            {"name": "config", "configMap": {"name": APP}},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "sys", "hostPath": {"path": "/sys", "type": "Directory"}},
            {"name": "boot", "hostPath": {"path": "/boot"}},  # types of kernels that do not tell them
        ],
    }


def _container(registry: Registry) -> dict[str, Any]:
    healthy, ready = ({"path": path, "port": PORT_NAME} for path in ("/-/healthy", "/-/ready"))
    return {
        "name": APP,
        "image": Text("{}:{}", (Ref("image.repository"), Ref("image.tag", Ref("Chart.AppVersion")))),
        "imagePullPolicy": Ref("image.pullPolicy"),
        "args": ["run", "--config", f"{FOLDER}/{FILE}"],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [
            {"name": PORT_NAME, "containerPort": Ref("config.metricServerPort"), "protocol": "TCP"},
            When(EVENTS, {"name": EVENT_PORT_NAME, "containerPort": Ref("config.eventServerPort"), "protocol": "TCP"}),
        ],
        "resources": Ref("resources"),
        # Up to a minute: a kernel without types may take seconds, a node that just started more.
        "startupProbe": {"httpGet": healthy, "periodSeconds": 2, "failureThreshold": 30},
        "readinessProbe": {"httpGet": ready, "periodSeconds": 10, "timeoutSeconds": 3},
        "livenessProbe": {"httpGet": healthy, "periodSeconds": 20, "timeoutSeconds": 5},
        "securityContext": {
            "runAsUser": 0,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": Plus(capabilities(registry), "extraCapabilities")},
            "seccompProfile": {"type": "RuntimeDefault"},
            "appArmorProfile": {"type": "Unconfined"},
            "seLinuxOptions": {"level": "s0", "type": "spc_t"},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": FOLDER, "readOnly": True},
            {"name": "run", "mountPath": "/run/net-exporter"},
            {"name": "sys", "mountPath": "/sys", "readOnly": True, "recursiveReadOnly": "IfPossible"},
            {"name": "boot", "mountPath": "/boot", "readOnly": True, "recursiveReadOnly": "IfPossible"},
        ],
    }
