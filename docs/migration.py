"""The migration map: what each metric, label and event is called for users of the other family of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts import migration
from docs.markdown import page, table
from docs.metrics import anchor
from exporter.model.event import EventNaming
from exporter.model.metric import IDENTITY_LABELS, Identity, Naming

if TYPE_CHECKING:
    from exporter.model.metric import Metric
    from exporter.registry import Registry


_WAYS = """\
Dashboards and alerts made for either family go on working. There are three ways:

* `metrics.naming: inspector` serves the names of the inspector family, with their labels and time stamps. Nothing else
  changes; our own bundle follows with `generate.py --naming inspector`.
* `metrics.naming: both` serves each number twice, for as long as dashboards are moved over. It doubles the series of
  each node.
* [The recording rules](../alerts/migration.yml) make the other names, and older spellings, in Prometheus. Delete the
  groups of probes that no old dashboard asks for, as each rule doubles the series of its metric.

A configuration file of either predecessor is read as it is; `net-exporter config migrate FILE` prints it in our
shape."""
_NUMBERED = """\
(1) The rules leave the buckets of this histogram out: those of the inspector family have the number of the bucket as
`le`, those of the kubeskoop family its bound in seconds. `metrics.naming: both` serves both."""


def pages(registry: Registry, exposed: Naming) -> dict[str, str]:
    """Pages by path."""
    return {
        "migration.md": page(
            "From inspector names to kubeskoop names",
            _WAYS,
            "## Labels",
            table(("inspector", "kubeskoop", "what it names"), [_label(each) for each in Identity]),
            "A sum `by (pod)` becomes a sum `by (k8s_pod)`. Numbers of the node itself have empty pod labels in both.",
            "## Metrics",
            "Further spellings stand in documents of the predecessors and are recorded by the rules, too.",
            *(
                f"### {spec.name}\n\n"
                + table(
                    ("inspector", "kubeskoop", "further spellings"),
                    [_metric(metric, exposed) for metric in spec.metrics],
                )
                for spec in registry.probes
            ),
            _NUMBERED,
            "## Types of events",
            "`event.naming` chooses; filters accept every name of both, in any case.",
            table(
                ("ack", "kubeskoop", "probe"),
                [
                    (f"`{each.name_in(EventNaming.ACK)}`", f"[`{each.name}`](events.md#{each.probe})", each.probe)
                    for each in registry.events()
                ],
            ),
        )
    }


_MEANINGS = {
    Identity.NODE: "node",
    Identity.NAMESPACE: "Kubernetes namespace of the pod",
    Identity.POD: "pod",
    Identity.NETNS: "inode of the pod's network namespace; told by that family only",
}


def _label(identity: Identity) -> tuple[str, str, str]:
    names = (
        f"`{identity.name_in(naming)}`" if identity in IDENTITY_LABELS[naming] else "none"
        for naming in (Naming.INSPECTOR, Naming.KUBESKOOP)
    )
    inspector, kubeskoop = names
    return inspector, kubeskoop, _MEANINGS[identity]


def _metric(metric: Metric, exposed: Naming) -> tuple[str, str, str]:
    name = metric.name_in(Naming.KUBESKOOP)
    partly = any(migration.numbered_buckets(metric, each, exposed) for each in migration.recorded(metric, exposed))
    return (
        f"`{metric.name_in(Naming.INSPECTOR)}`{' (1)' if partly else ''}",
        f"[`{name}`](metrics/{metric.probe}.md#{anchor(metric)})",
        ", ".join(f"`{alias}`" for alias in metric.aliases),
    )
