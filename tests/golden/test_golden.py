"""Every captured tree gives the same exposition, byte for byte, as when a person last looked at it."""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from exporter import app, config, registry
from exporter.exposition.text import Format, Renderer
from exporter.model.metric import Naming
from exporter.model.snapshot import Status
from tests.conftest import TREES

if TYPE_CHECKING:
    from exporter.model.snapshot import Snapshot

HERE = Path(__file__).parent
PARITY = HERE.parent / "contract" / "parity.csv"
trees = pytest.mark.parametrize("tree", sorted(path.parent.name for path in TREES.glob("*/MANIFEST.toml")))


def _collect(tree: str) -> Snapshot:
    """One cycle of every probe over a tree."""
    known = registry.load()
    settings = config.with_probes(config.load(known, None), known)
    parts = app.assemble(settings, known, str(TREES / tree / "proc"), str(TREES / tree / "sys"))
    try:
        return parts.collector.cycle()
    finally:
        parts.collector.close()


def _exposition(tree: str) -> bytes:
    """What the probes say about it in both dialects, without the exporter's own numbers, which vary."""
    return Renderer("node-a", tuple(Naming)).render(_collect(tree).tables, 0.0, Format.TEXT)


@trees
def test_the_exposition_of_a_tree_is_what_it_was(tree: str, refresh: bool) -> None:  # noqa: FBT001 - a fixture
    path, found = HERE / f"{tree}.prom", _exposition(tree)
    if refresh:
        path.write_bytes(found)
    assert path.read_bytes() == found, (
        "if that was intended: pytest tests/golden --refresh-golden, and look at the diff"
    )


@trees
def test_a_second_cycle_over_the_same_tree_says_the_same(tree: str) -> None:
    assert _exposition(tree) == _exposition(tree)


@trees
def test_no_probe_fails_over_a_tree(tree: str) -> None:
    failed = [(each.probe, each.reason) for each in _collect(tree).outcomes if each.status is Status.FAILED]
    assert failed == []


@trees
def test_both_dialects_tell_the_same_numbers(tree: str) -> None:
    known = registry.load()
    numbers: dict[Naming, list[tuple[str, str, float]]] = {naming: [] for naming in Naming}
    for family in parse(_exposition(tree).decode()):
        for sample in family.samples:
            name = sample.name if sample.name in known._names() else sample.name.removesuffix("_total")
            metric = known.metric(name)
            naming = next(each for each in Naming if metric.name_in(each) == name)
            own = tuple(label.name for label in metric.labels)
            labels = ("k8s_pod", "k8s_namespace") if naming is Naming.KUBESKOOP else ("pod", "namespace")
            values = ",".join(sample.labels[label] for label in (*labels, *own))
            numbers[naming].append((f"{metric.probe}.{metric.name}", values, sample.value))
    assert sorted(numbers[Naming.KUBESKOOP]) == sorted(numbers[Naming.INSPECTOR])


def _inherited() -> set[str]:
    """Names that users had before us, with all the ways in which they break today's conventions."""
    text = PARITY.read_text("utf-8")
    words = {word for row in csv.reader(text.splitlines()) for cell in row for word in re.split(r"[|,;\s]+", cell)}
    return {word for word in words if re.fullmatch(r"(kubeskoop|inspector)_\w+", word)}


@trees
def test_promtool_can_parse_it_and_finds_fault_only_with_inherited_names(tree: str) -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=_exposition(tree), capture_output=True, check=False)
    told = done.stderr.decode().splitlines()
    assert done.returncode in (0, 3), told  # 3: it could parse everything, and dislikes something
    known, inherited = registry.load(), _inherited()
    ours = [line for line in told if not _is_inherited(line.split()[0], known, inherited)]
    assert ours == []


def _is_inherited(name: str, known: registry.Registry, inherited: set[str]) -> bool:
    metric = known.metric(name)
    return any(metric.name_in(naming) in inherited for naming in Naming)
