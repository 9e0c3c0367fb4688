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
    """The page by its path."""
    report = json.loads(REPORT.read_text("utf-8"))
    kernels = report["kernels"]
    head = ("probe", *(each["kernel"] for each in kernels))
    rows = [(spec.name, *(_cell(each["check"]["probes"], spec.name) for each in kernels)) for spec in registry.probes]
    tests = [
        (each["release"], str(each["passed"]), str(len(each["failed"])), str(len(each["skipped"]))) for each in kernels
    ]
    return {
        "kernels.md": page(
            "Kernels",
            f"What stock kernels of Debian made of each probe on {report['date']}, measured by `make vmtest`. Other "
            "kernels: `net-exporter check` says what runs, and what would have to change for the rest.",
            table(head, rows),
            "The hook is given where a probe can use several: the first one that the kernel offers is taken.",
            "## Tests",
            "Programs, layouts and namespaces, on the same kernels.",
            table(("kernel", "passed", "failed", "skipped, for lack of something in that kernel"), tests),
        )
    }


def _cell(rows: list[dict[str, Any]], name: str) -> str:
    row = next((row for row in rows if row["probe"] == name), None)
    if row is None:
        return "not measured"
    hooks = {each["hook"].lstrip("?") for each in row["programs"] if each["state"] == "attached"}
    word = _WORDS.get(row["status"], row["status"])
    return f"{word}: {', '.join(sorted(hooks))}" if hooks and row["status"] == "ok" else word
