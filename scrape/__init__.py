"""Scrape and discovery configurations, by path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.output import dump
from alerts.targets.chosen import EVERY
from alerts.targets.feature import Note, Section, text
from alerts.targets.prometheus import EQUAL_LABELS
from scrape import limits, monitors, prometheus

if TYPE_CHECKING:
    from alerts.targets.chosen import Targets
    from exporter.model.metric import Naming
    from exporter.registry import Registry

REPORT = "scrape/compatibility.txt"
BY_ANNOTATION = "scrape/kubernetes-pods.yml"
JOB_WORDS = (
    "honor_labels: node, namespace and pod name the measured pod; a label of the target must not replace them.",
    "honor_timestamps: off, so that Prometheus ends the series of a deleted pod at the next scrape.",
    "sample_limit and label_limit: the worst case of all probes on a node with 250 pods.",
)
CLUSTER_WORDS = ("Merge the job into `scrape_configs` of a Prometheus that may list and watch the objects.",)
POD_WORDS = (
    "Discovery by the annotations prometheus.io/scrape, prometheus.io/port and prometheus.io/path of the pod.",
    "keepequal keeps the one target whose container port is the annotated one; it needs Prometheus 2.41",
    "(VictoriaMetrics before 1.87 spells it keep_if_equal, without target_label).",
    "",
    "Labels of the exporter's own pod are left out: they would be repeated on every series of the node. Where",
    "somebody needs them, add this rule at the end of relabel_configs, and restrict the regex to a few names:",
    "  - {action: labelmap, regex: __meta_kubernetes_pod_label_(app|version)}",
)
OPERATOR_WORDS = (
    "Add the label by which your Prometheus object selects monitors, often `release: <helm release>`.",
    "The operator's own target labels are dropped: they follow the exporter's pod, not the measured one.",
)


def files(registry: Registry, naming: Naming, targets: Targets = EVERY) -> dict[str, bytes]:
    """One file per way of discovery that Prometheus has."""
    within = limits.of(registry, naming)
    found = {
        REPORT: text(report(registry, targets)).encode(),
        "scrape/static.yml": dump(prometheus.static(within), "Fixed addresses; replace them by yours.", *JOB_WORDS),
        "scrape/file-sd.yml": dump(
            prometheus.file_sd(within), "Addresses from files; targets/net-exporter.yml is an example.", *JOB_WORDS
        ),
        "scrape/targets/net-exporter.yml": dump(
            prometheus.targets(), "Targets for file-sd.yml: addresses, and the node's name as instance."
        ),
        "scrape/kubernetes-endpoints.yml": dump(prometheus.endpoints(within), *CLUSTER_WORDS, *JOB_WORDS),
        "scrape/kubernetes-endpointslice.yml": dump(prometheus.endpointslice(within), *CLUSTER_WORDS, *JOB_WORDS),
        BY_ANNOTATION: dump(prometheus.annotated_pods(within), *CLUSTER_WORDS, *POD_WORDS, "", *JOB_WORDS),
        "scrape/servicemonitor.yml": dump(monitors.service_monitor(within), *OPERATOR_WORDS, *JOB_WORDS),
        "scrape/podmonitor.yml": dump(monitors.pod_monitor(within), *OPERATOR_WORDS, *JOB_WORDS),
    }
    if not targets.prometheus.has(EQUAL_LABELS):
        del found[BY_ANNOTATION]
    return found


def report(_registry: Registry, targets: Targets = EVERY) -> list[Section]:
    """What the configurations would use and Prometheus lacks."""
    notes = () if targets.prometheus.has(EQUAL_LABELS) else (Note(EQUAL_LABELS, (BY_ANNOTATION,)),)
    return [Section("scrape", targets.prometheus.loads, notes)]
