"""Every metric that users of the predecessors know is still there, under each of its names.

`parity.csv` is the list of facts: one row per metric, its name in each family of names, its real type and scope.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from exporter import registry
from exporter.errors import UsageError
from exporter.model.metric import Naming, Scope

ROOT = Path(__file__).resolve().parents[2]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PARITY = _rows(Path(__file__).parent / "parity.csv")
WAIVED = {row["metric"]: row["reason"] for row in _rows(ROOT / "docs" / "parity-waivers.csv")}


@pytest.mark.parametrize("row", PARITY, ids=lambda row: row["kubeskoop"] or row["inspector"])
def test_inherited_metric_is_present_or_waived(row: dict[str, str]) -> None:
    names = [name for name in (row["kubeskoop"], *row["inspector"].split()) if name]
    if any(name in WAIVED for name in names):
        return
    found = {registry.load().metric(name) for name in names}
    assert len(found) == 1, f"{names} must be one metric with aliases"
    metric = found.pop()
    assert metric.kind.value == row["type"]
    assert (metric.scope is Scope.NODE) == (row["scope"] == "node")
    if row["kubeskoop"]:
        assert metric.name_in(Naming.KUBESKOOP) == row["kubeskoop"]
    if row["inspector"]:
        assert metric.name_in(Naming.INSPECTOR) in row["inspector"].split()


def test_every_waiver_has_a_reason_and_waives_something_absent() -> None:
    known = {name for row in PARITY for name in (row["kubeskoop"], *row["inspector"].split())}
    for name, reason in WAIVED.items():
        assert name in known, f"{name} is not in parity.csv"
        assert len(reason) > 20, f"{name}: say why it cannot be"
        with pytest.raises(UsageError):
            registry.load().metric(name)
