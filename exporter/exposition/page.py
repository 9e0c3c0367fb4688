"""The page at `/`: is it working, what does it cost, which pods are busy or in trouble."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.model.metric import Kind
from exporter.model.snapshot import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model.metric import Metric
    from exporter.model.pod import Pod
    from exporter.model.snapshot import Snapshot

_MOST_PODS = 100
_MOST_COUNTERS = 4
# Trouble first: the page is opened to look for it.
_ORDER = (Status.FAILED, Status.TIMED_OUT, Status.OK, Status.NO_DATA, Status.UNSUPPORTED, Status.DISABLED)


@cache
def template(name: str) -> Template:
    """A page of this package, with the common style filled in."""
    here = resources.files(__package__)
    style = (here / "page.css").read_text("utf-8")
    return Template((here / name).read_text("utf-8").replace("$style", style))


def render(node: str, now: Snapshot | None, before: Snapshot | None, interval: float) -> str:
    """The page over the last two snapshots; the second one is needed for rates."""
    parts = _empty() if now is None else _filled(now, before, interval)
    return template("page.html").substitute(
        parts, node=escape(node), version=__version__, milliseconds=int(interval * 1000)
    )


def _empty() -> dict[str, str]:
    return {"summary": "The first cycle has not completed yet.", "pods": "", "cut": "", "probes": "", "readers": ""}


def _filled(now: Snapshot, before: Snapshot | None, interval: float) -> dict[str, str]:
    series = sum(len(table.rows) * table.width for table in now.tables)
    count = max(len(now.pods) - 1, 0)  # not even the host when namespaces could not be listed
    busiest = {} if before is None else _rates(now, before)
    shown = now.pods[:1] + tuple(sorted(now.pods[1:], key=lambda pod: -_busy(busiest.get(pod, []))))[:_MOST_PODS]
    hidden = len(now.pods) - len(shown)
    took = f"last cycle took {now.seconds * 1000:.1f} ms; every {interval:g} s."
    return {
        "summary": f"{count} pods, {series:,} series, {took}",
        "pods": "".join(_pod_row(pod, busiest.get(pod, [])) for pod in shown),
        "cut": f"<p>{hidden} quieter pods are not shown.</p>" if hidden > 0 else "",
        "probes": "".join(_probe_rows(now)),
        "readers": "".join(_reader_rows(now)),
    }


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
        if metric.kind is Kind.COUNTER and isinstance(value, int | float)
    }
    found: dict[Pod, list[tuple[float, Metric, str]]] = {}
    for table in now.tables:
        for row in table.rows:
            for metric, value in zip(table.metrics, row.values, strict=True):
                was = earlier.get((metric, row.pod, row.labels))
                if was is not None and isinstance(value, int | float) and value > was and elapsed > 0:
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
        series[probe] = series.get(probe, 0) + len(table.rows) * table.width
    for outcome in sorted(snapshot.outcomes, key=lambda outcome: (_ORDER.index(outcome.status), outcome.probe)):
        off = outcome.status is Status.DISABLED
        yield (
            f'<tr><td>{outcome.probe}</td><td class="{outcome.status.value}">{outcome.status.value}</td>'
            f'<td class="number">{"" if off else f"{outcome.seconds * 1000:.2f} ms"}</td>'
            f'<td class="number">{"" if off else f"{series.get(outcome.probe, 0):,}"}</td>'
            f"<td>{escape(outcome.reason)}</td></tr>\n"
        )


def _reader_rows(snapshot: Snapshot) -> Iterator[str]:
    for reader, seconds in sorted(snapshot.readers.items(), key=lambda item: -item[1]):
        each = seconds * 1e6 / max(len(snapshot.pods), 1)
        yield (
            f'<tr><td>{reader}</td><td class="number">{seconds * 1000:.2f} ms</td>'
            f'<td class="number">{each:.0f} µs</td></tr>\n'
        )
