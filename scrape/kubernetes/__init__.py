"""Manifests for a cluster, to apply with `kubectl apply --kustomize`.

kubernetes/                what runs the exporter on every node
kubernetes/monitoring/     PodMonitor and PrometheusRule, where there is a Prometheus operator
kubernetes/dashboards/     ConfigMaps for Grafana's sidecar
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alerts import DECLARED
from alerts.output import dump
from alerts.targets.chosen import EVERY
from alerts.words import Links
from scrape.kubernetes import access, boards
from scrape.kubernetes.objects import Object, running, watching
from scrape.kubernetes.template import resolve
from scrape.kubernetes.values import declared, defaults, with_release
from scrape.model import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.targets.chosen import Targets
    from exporter.model.metric import Naming
    from exporter.registry import Registry

LINKS: Final = Links()


def files(
    registry: Registry,
    naming: Naming,
    links: Links = LINKS,
    limits: Mapping[str, float] = DECLARED,
    targets: Targets = EVERY,
) -> dict[str, bytes]:
    """All manifests by path, with the defaults of the chart."""
    values = with_release(defaults(declared(registry)))
    namespace = Object("namespace", access.namespace(), ("Pods that see the node's processes are let in.",))
    found = {
        **_folder("kubernetes", (namespace, *running(registry)), values),
        **_folder("kubernetes/monitoring", watching(registry, naming, links, limits, targets), values),
    }
    maps = [
        Object(slug, boards.config_map(slug, content, NAMESPACE))
        for slug, content in boards.minified(registry, naming, targets).items()
    ]
    return {**found, **_folder("kubernetes/dashboards", maps, values)}


def _folder(folder: str, objects: Iterable[Object], values: dict[str, Any]) -> dict[str, bytes]:
    made = {f"{each.name}.yaml": dump(resolve(each.tree, values), *each.words) for each in objects}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(made),
    }
    return {
        f"{folder}/{name}": content for name, content in {**made, "kustomization.yaml": dump(kustomization)}.items()
    }
