"""What it costs: series by probe, computed from the declarations, and where to see what a node really spends."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from docs.markdown import code, page, table
from exporter.model import health
from exporter.model.metric import Metric, Naming, Scope
from exporter.model.promql import Rendering, gauge, rate
from exporter.probes import tcp
from scrape.limits import worst_case
from scrape.model import JOB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.registry import Registry

_SCRAPED = ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling")
PODS = (30, 110, 250)  # a small node, Kubernetes' own limit, a dense one


_SERIES = """\
## Series

Computed from the declarations. Every number of a pod is a series for each pod, and one for the host; every number of
the node is one. What a kernel does not print is absent, and of tcpext only what is exposed without being selected
counts.
Metrics with labels of their own are not in the sums, as their rows appear when there is something to count."""
_LIMITS = """\
`metrics.naming: both` doubles all of them. `metrics.maxSeries` ends what can go wrong: what exceeds it is cut and
[counted](metrics/exporter.md#kubeskoop_exporter_series_dropped_total). Labels without a fixed set of values have a
limit for each pod, beyond which rows are cut and counted likewise."""
_LESS = """\
What nobody asks for is best not collected: name under `metrics.probes` those that you want. Single metrics are dropped
while scraping:"""
_TIME = """\
* A reader is a kernel interface; several probes share one, and it is read once.
* eBPF programs of events and histograms run with the traffic; `metrics.ebpfStats` counts their runs and time, for about
  50 ns a run.
* `make bench` measures all of it in 250 network namespaces and relates each figure to a yardstick of the same run."""


def pages(registry: Registry, naming: Naming) -> dict[str, str]:
    """Pages by path."""
    probes = [
        (
            f"[{spec.name}](metrics/{spec.name}.md)",
            "yes" if spec.default else "no",
            f"{_plain(spec.metrics, per_node=True):,}",
            f"{_plain(spec.metrics, per_node=False):,}",
            _labelled(spec.metrics) or "none",
        )
        for spec in registry.probes
    ]
    default = [metric for spec in registry.probes if spec.default for metric in spec.metrics]
    everything = [metric for spec in registry.probes for metric in spec.metrics]
    totals = [(str(pods), *(f"{series(metrics, pods):,}" for metrics in (default, everything))) for pods in PODS]
    return {
        "costs.md": page(
            "What it costs",
            _SERIES,
            table(("pods on the node", "default probes, at most", "all probes, at most"), totals),
            table(("probe", "default", "series per node", "series per pod", "with labels of their own"), probes),
            _LIMITS,
            "## What your cluster has",
            "Series by metric, most first, in Prometheus:",
            code(f'topk(20, count by (__name__) ({{__name__=~"{naming.value}_.+"}}))', "promql"),
            "Series of each node at the last scrape, before and after relabelling:",
            code("\n".join(f'{name}{{job="{JOB}"}}' for name in _SCRAPED), "promql"),
            _LESS,
            code(
                "metric_relabel_configs:\n"
                "  - source_labels: [__name__]\n"
                f"    regex: {tcp.IN_SEGS.name_in(naming)}|{tcp.OUT_SEGS.name_in(naming)}\n"
                "    action: drop",
                "yaml",
            ),
            "## Time",
            "Each exporter tells what its own node takes:",
            table(("what", "query"), _queries(Rendering(naming))),
            _TIME,
        )
    }


def series(metrics: Iterable[Metric], pods: int) -> int:
    """Most series of metrics without labels of their own on a node with so many pods, the host's included."""
    return sum(worst_case(metric, pods) for metric in metrics if metric.default and not metric.labels)


def _plain(metrics: Iterable[Metric], *, per_node: bool) -> int:
    chosen = (metric for metric in metrics if (metric.scope is Scope.NODE) == per_node)
    return series(chosen, 0)


def _labelled(metrics: Iterable[Metric]) -> str:
    """Metrics with labels of their own, those with the same labels together."""
    alike: Counter[tuple[str, str]] = Counter()
    for metric in metrics:
        if metric.default and metric.labels:
            names = ", ".join(label.name for label in metric.labels)
            where = "node" if metric.scope is Scope.NODE else "pod"
            limited = all(label.values for label in metric.labels) or any(label.budget for label in metric.labels)
            limit = f"at most {worst_case(metric, 0):,} per {where}" if limited else "as the probe's options allow"
            alike[names, limit] += 1
    return "; ".join(
        f"{count} {'metric' if count == 1 else 'metrics'} by {names}: {limit}{' each' if count > 1 else ''}"
        for (names, limit), count in alike.items()
    )


def _queries(rendering: Rendering) -> list[tuple[str, str]]:
    spent = rate(health.CYCLE_CPU_SECONDS, window="5m")
    named = (
        ("Processor time of collection, in processors", spent),
        ("Duration of each probe in the last cycle", gauge(health.PROBE_SECONDS)),
        ("Duration of each reader in the last cycle, all namespaces", gauge(health.READER_SECONDS)),
        ("Series exposed", gauge(health.SERIES)),
        ("Series cut", rate(health.SERIES_DROPPED, window="5m")),
        ("Memory of the process", gauge(health.PROCESS_MEMORY)),
    )
    return [(what, f"`{expr.render(rendering)}`") for what, expr in named]
