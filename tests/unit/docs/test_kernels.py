"""The page of kernels, from a report made here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from docs import kernels
from exporter import registry

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = registry.load()


def guest(types: str, probes: list[dict[str, Any]], **tests: object) -> dict[str, Any]:
    """One kernel of a report."""
    return {
        "kernel": "5.10",
        "types": types,
        "date": "2026-11-21",
        "release": "5.10.0-46-cloud-amd64",
        "backend": {"kernel": "core", "headers": "bcc", "nothing": ""}[types],
        "probes": probes,
        "tests": ["tests/a.py", "tests/c"],
        "passed": 7,
        "failed": [],
        "skipped": {},
    } | tests


def probe(name: str, status: str, *hooks: str) -> dict[str, Any]:
    return {"probe": name, "status": status, "reason": "", "hooks": list(hooks)}


@pytest.fixture
def page(tmp_path: Path) -> list[str]:
    """Its lines."""
    guests = [
        guest(
            "kernel",
            [probe("tcp", "ok"), probe("tcpreset", "ok", "?tp_btf/tcp_send_reset")],
            skipped={"no netem": 2, "no bcc": 1},
        ),
        guest("headers", [probe("tcp", "no_data"), probe("tcpreset", "failed")], failed=["tests/a.py::test_b"]),
        guest("nothing", [probe("tcp", "ok"), probe("tcpreset", "unsupported")], skipped={"no netem": 4}),
    ]
    path = tmp_path / "kernels.json"
    path.write_text(json.dumps({"kernels": guests}))
    return kernels.pages(KNOWN, path)["kernels.md"].splitlines()


def test_each_probe_has_a_cell_for_each_kernel(page: list[str]) -> None:
    assert "| probe | 5.10 | 5.10 (types from headers) | 5.10 (no types) |" in page
    assert "| tcp | yes | yes, nothing to count | yes |" in page
    assert "| tcpreset | yes: tp_btf/tcp_send_reset | failed | no |" in page
    assert "| udp | not measured | not measured | not measured |" in page


def test_tests_are_told_with_their_date_what_failed_and_what_was_skipped_why(page: list[str]) -> None:
    assert "| 5.10 | 5.10.0-46-cloud-amd64 | 2026-11-21 | core | `tests/a.py`, `tests/c` | 7 | 0 | 3 |" in page
    assert (
        "| 5.10 (types from headers) | 5.10.0-46-cloud-amd64 | 2026-11-21 | bcc | `tests/a.py`, `tests/c` | 7 | 1 | 0 |"
        in page
    )
    assert "| tests/a.py::test_b | 5.10 (types from headers) |" in page
    assert any(line.startswith("| 5.10 (no types) | 5.10.0-46-cloud-amd64 | 2026-11-21 | none |") for line in page)
    assert "| no netem | 5.10, 5.10 (no types) |" in page
    assert "| no bcc | 5.10 |" in page


def test_there_is_no_page_before_the_first_report(tmp_path: Path) -> None:
    assert kernels.pages(KNOWN, tmp_path / "kernels.json") == {}
