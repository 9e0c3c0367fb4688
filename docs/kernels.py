"""Which probes run on which kernels, from the last report of `make vmtest`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docs.markdown import page, table

if TYPE_CHECKING:
    from exporter.registry import Registry

REPORT: Final = Path(__file__).parent / "reference" / "kernels.json"

_WORDS: Final = {"ok": "yes", "no_data": "yes, nothing to count", "unsupported": "no"}


def pages(registry: Registry) -> dict[str, str]:
    """The page by its path; none before the first report."""
    if not REPORT.exists():
        return {}
    report = json.loads(REPORT.read_text("utf-8"))
    kernels = report["kernels"]
    head = ("probe", *(each["kernel"] for each in kernels))
    rows = [(spec.name, *(_cell(each["probes"], spec.name) for each in kernels)) for spec in registry.probes]
    tests = [
        (each["release"], str(each["passed"]), str(len(each["failed"])), str(sum(each["skipped"].values())))
        for each in kernels
    ]
    reasons = sorted({(reason, each["kernel"]) for each in kernels for reason in each["skipped"]})
    return {
        "kernels.md": page(
            "Kernels",
            f"What stock kernels of Debian made of each probe on {report['date']}, measured by `make vmtest`. Of other "
            "kernels `net-exporter check` tells what runs, and what would have to change for the rest.",
            table(head, rows),
            "Where a probe hooks into the kernel it is told how: of several ways the best that the kernel offers.",
            "## Tests",
            "Programs, layouts and namespaces, on the same kernels.",
            table(("kernel", "passed", "failed", "skipped"), tests),
            "What was skipped, and why:",
            table(("reason", "kernels"), [(reason, _together(reason, reasons)) for reason in dict(reasons)]),
        )
    }


def _together(reason: str, reasons: list[tuple[str, str]]) -> str:
    return ", ".join(kernel for other, kernel in reasons if other == reason)


def _cell(rows: list[dict[str, Any]], name: str) -> str:
    row = next((row for row in rows if row["probe"] == name), None)
    if row is None:
        return "not measured"
    hooks = [hook.lstrip("?") for hook in row["hooks"]]
    word = _WORDS.get(row["status"], row["status"])
    return f"{word}: {', '.join(hooks)}" if hooks and row["status"] == "ok" else word
