"""The page at `/`: is it working, what does it cost, which pods are busy or in trouble."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.model.metric import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model.metric import Metric
    from exporter.model.pod import Pod
    from exporter.model.snapshot import Snapshot

_MOST_PODS = 100
_MOST_COUNTERS = 4


@cache
def _page() -> Template:
    return Template((resources.files(__package__) / "page.html").read_text("utf-8"))


def render(now: Snapshot | None, before: Snapshot | None, interval: float) -> str:
    """The page over the last two snapshots; the second one is needed for rates."""
    milliseconds = str(int(interval * 1000))
    if now is None:
        return _page().substitute(
            node_pods="this node",
            version=__version__,
            summary="The first cycle has not completed yet.",
            pods="",
            cut="",
            probes="",
            milliseconds=milliseconds,
        )
    series = sum(len(table.rows) * len(table.metrics) for table in now.tables)
    count = max(len(now.pods) - 1, 0)  # not even the host when namespaces could not be listed
    busiest = {} if before is None else _rates(now, before)
    shown = now.pods[:1] + tuple(sorted(now.pods[1:], key=lambda pod: -_busy(busiest.get(pod, []))))[:_MOST_PODS]
    hidden = len(now.pods) - len(shown)
    return _page().substitute(
        node_pods=f"{count} pods",
        version=__version__,
        summary=f"{count} pods, {series:,} series, last cycle took {now.seconds * 1000:.1f} ms; every {interval:g} s.",
        pods="".join(_pod_row(pod, busiest.get(pod, [])) for pod in shown),
        cut=f"<p>{hidden} quieter pods are not shown.</p>" if hidden > 0 else "",
        probes="".join(_probe_rows(now)),
        milliseconds=milliseconds,
    )


def _busy(rates: list[tuple[float, Metric, str]]) -> float:
    return rates[0][0] if rates else 0.0


def _rates(now: Snapshot, before: Snapshot) -> dict[Pod, list[tuple[float, Metric, str]]]:
    """Per pod, its fastest counters: rate, metric, label values."""
    elapsed = now.taken_at - before.taken_at
    earlier = {
        (metric, row.pod, row.labels): value
        for table in before.tables
        for row in table.rows
        for metric, value in zip(table.metrics, row.values, strict=True)
        if metric.kind is Kind.COUNTER and value is not None
    }
    found: dict[Pod, list[tuple[float, Metric, str]]] = {}
    for table in now.tables:
        for row in table.rows:
            for metric, value in zip(table.metrics, row.values, strict=True):
                was = earlier.get((metric, row.pod, row.labels))
                if was is not None and value is not None and value > was and elapsed > 0:
                    found.setdefault(row.pod, []).append(((value - was) / elapsed, metric, " ".join(row.labels)))
    return {pod: sorted(rates, key=lambda rate: -rate[0])[:_MOST_COUNTERS] for pod, rates in found.items()}


def _pod_row(pod: Pod, rates: list[tuple[float, Metric, str]]) -> str:
    name = escape(pod.name) if pod.name else "<em>this node</em>"
    counters = ", ".join(
        f"<code>{metric.probe}.{metric.name}{' ' + escape(labels) if labels else ''}</code> {rate:,.1f}"
        for rate, metric, labels in rates
    )
    return f"<tr><td>{escape(pod.namespace)}</td><td>{name}</td><td>{counters}</td></tr>\n"


def _probe_rows(snapshot: Snapshot) -> Iterator[str]:
    series: dict[str, int] = {}
    for table in snapshot.tables:
        probe = table.metrics[0].probe
        series[probe] = series.get(probe, 0) + len(table.rows) * len(table.metrics)
    for outcome in sorted(snapshot.outcomes, key=lambda outcome: outcome.probe):
        yield (
            f'<tr><td>{outcome.probe}</td><td class="{outcome.status.value}">{outcome.status.value}</td>'
            f'<td class="number">{outcome.seconds * 1000:.2f} ms</td>'
            f'<td class="number">{series.get(outcome.probe, 0):,}</td><td>{escape(outcome.reason)}</td></tr>\n'
        )
