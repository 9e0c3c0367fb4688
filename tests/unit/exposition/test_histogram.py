"""Histograms on the wire, against the official client and its parsers."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition.text import Format, Renderer
from exporter.model.metric import Kind, Label, Metric, Naming, Scope, Unit
from exporter.model.pod import Pod
from exporter.model.snapshot import Histogram, Table

HOST, WEB = Pod("", "", 1), Pod("shop", "web-0", 2)
WAIT = Metric(
    probe="test",
    name="wait_seconds",
    kind=Kind.HISTOGRAM,
    unit=Unit.SECONDS,
    help="How long it took.",
    scope=Scope.NETNS,
    source="a test",
    buckets=(0.000001, 0.5, 2.0),
    labels=(Label(name="zone", help="Sorts behind le.", values=("a",)),),
    level_labels=True,
)
FIRST, SECOND = Histogram((1, 0, 5, 2), 17.25), Histogram((0, 0, 0, 0), 0.0)


def _tables(*values: Histogram | None) -> list[Table]:
    table = Table((WAIT,))
    for pod, value in zip((HOST, WEB), values, strict=True):
        table.add(pod, (value,), "a")
    return [table]


def _official() -> CollectorRegistry:
    family = HistogramMetricFamily(
        WAIT.name_in(Naming.KUBESKOOP), WAIT.help, labels=["k8s_node", "k8s_namespace", "k8s_pod", "zone"]
    )
    bounds = ("1e-06", "0.5", "2.0", "+Inf")
    family.add_metric(["n", "", "", "a"], list(zip(bounds, (1, 1, 6, 8), strict=True)), 17.25)
    family.add_metric(["n", "shop", "web-0", "a"], list(zip(bounds, (0, 0, 0, 0), strict=True)), 0.0)

    class _Collector:
        def collect(self) -> list[HistogramMetricFamily]:
            return [family]

    registry = CollectorRegistry()
    registry.register(_Collector())  # type: ignore[arg-type]
    return registry


@pytest.mark.parametrize("wire", list(Format))
def test_the_bytes_are_those_of_the_official_client(wire: Format) -> None:
    ours = Renderer("n", (Naming.KUBESKOOP,)).render(_tables(FIRST, SECOND), 0.0, wire)
    theirs = (generate_latest if wire is Format.TEXT else openmetrics.generate_latest)(_official())
    assert ours == theirs.removesuffix(b"# EOF\n")


def test_the_inspector_dialect_counts_its_buckets() -> None:
    text = Renderer("n", (Naming.INSPECTOR,)).render(_tables(FIRST, SECOND), 0.0, Format.TEXT).decode()
    (family,) = text_string_to_metric_families(text)
    buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    assert [sample.labels["le"] for sample in buckets[:4]] == ["0", "1", "2", "+Inf"]
    assert [sample.value for sample in buckets[:4]] == [1, 1, 6, 8]


def test_a_gap_has_none_of_its_lines_and_comes_back() -> None:
    renderer = Renderer("n", (Naming.KUBESKOOP,))
    whole = renderer.render(_tables(FIRST, SECOND), 0.0, Format.TEXT)
    gap = renderer.render(_tables(FIRST, None), 0.0, Format.TEXT)
    assert gap == b"".join(line for line in whole.splitlines(keepends=True) if b"web-0" not in line)
    assert renderer.render(_tables(FIRST, SECOND), 0.0, Format.TEXT) == whole
    assert renderer.render(_tables(SECOND, FIRST), 0.0, Format.TEXT) != whole


def test_it_counts_as_all_its_series() -> None:
    assert Table((WAIT,)).width == 6
    assert WAIT.all_names()[2:5] == tuple(f"kubeskoop_test_wait_seconds_{part}" for part in ("bucket", "count", "sum"))
