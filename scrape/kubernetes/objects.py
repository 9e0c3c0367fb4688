"""All objects that run the exporter and let it be found, by the name of their file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import alerts
from scrape import limits, monitors
from scrape.kubernetes import access
from scrape.kubernetes.daemonset import EVENT_PORT_NAME, EVENTS, WORDS, daemon_set
from scrape.kubernetes.settings import config_map
from scrape.kubernetes.template import Plus, Ref, When
from scrape.model import APP, PORT_NAME, SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.targets.chosen import Targets
    from alerts.words import Links
    from exporter.model.metric import Naming
    from exporter.registry import Registry


@dataclass(frozen=True, slots=True)
class Object:
    """One object.

    Args:
        name: of its file, without ending.
        tree: the object, with places for values.
        words: comment lines above it.
        wanted: value of the chart by which it is there at all; empty for always.
    """

    name: str
    tree: dict[str, Any]
    words: tuple[str, ...] = ()
    wanted: str = ""


def running(registry: Registry) -> tuple[Object, ...]:
    """What every cluster takes."""
    return (
        Object("serviceaccount", access.service_account()),
        Object("clusterrole", access.cluster_role()),
        Object("clusterrolebinding", access.cluster_role_binding()),
        Object("configmap", config_map(registry)),
        Object("daemonset", daemon_set(registry), WORDS),
        Object("service", _service()),
        Object("networkpolicy", access.network_policy(), wanted="networkPolicy.enabled"),
    )


def watching(
    registry: Registry, naming: Naming, links: Links, replaced: Mapping[str, float], targets: Targets
) -> tuple[Object, ...]:
    """What the Prometheus operator takes besides."""
    monitor = monitors.pod_monitor(limits.of(registry, naming))
    rules = alerts.prometheus_rule(registry, naming, links, replaced, targets)
    return (
        Object("podmonitor", _of_release(monitor, "podMonitor.labels"), wanted="podMonitor.enabled"),
        Object("prometheusrule", _of_release(rules, "prometheusRule.labels"), wanted="prometheusRule.enabled"),
    )


def _service() -> dict[str, Any]:
    """Without an address of its own: each exporter is asked for itself. Existing discovery keeps its name."""
    ports = [
        {"name": PORT_NAME, "port": Ref("config.metricServerPort"), "targetPort": PORT_NAME, "protocol": "TCP"},
        When(
            EVENTS,
            {
                "name": EVENT_PORT_NAME,
                "port": Ref("config.eventServerPort"),
                "targetPort": EVENT_PORT_NAME,
                "protocol": "TCP",
            },
        ),
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": Ref("Release.Namespace"), "labels": {"app": APP}},
        "spec": {"clusterIP": "None", "selector": {"app": APP}, "ports": ports},
    }


def _of_release(tree: dict[str, Any], labels: str) -> dict[str, Any]:
    """An object of the operator, in the namespace of the release and with the labels that its owner asks for."""
    metadata = {
        **tree["metadata"],
        "namespace": Ref("Release.Namespace"),
        "labels": Plus(tree["metadata"]["labels"], labels),
    }
    spec = dict(tree["spec"])
    if "namespaceSelector" in spec:
        spec["namespaceSelector"] = {"matchNames": [Ref("Release.Namespace")]}
    return {**tree, "metadata": metadata, "spec": spec}
