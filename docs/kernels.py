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
_TYPES: Final = {"kernel": "", "headers": " (types from headers)", "nothing": " (no types)"}


def pages(registry: Registry, path: Path = REPORT) -> dict[str, str]:
    """The page by its path; none before the first report."""
    if not path.exists():
        return {}
    guests = json.loads(path.read_text("utf-8"))["kernels"]
    head = ("probe", *map(_guest, guests))
    rows = [(spec.name, *(_cell(each["probes"], spec.name) for each in guests)) for spec in registry.probes]
    tests = [
        (
            _guest(each),
            each["release"],
            each["date"],
            each["backend"] or "none",
            ", ".join(f"`{path}`" for path in each["tests"]),
            str(each["passed"]),
            str(len(each["failed"])),
            str(sum(each["skipped"].values())),
        )
        for each in guests
    ]
    failed = [(test, _guest(each)) for each in guests for test in each["failed"]]
    reasons = sorted({(reason, _guest(each)) for each in guests for reason in each["skipped"]})
    return {
        "kernels.md": page(
            "Kernels",
            "What stock kernels of Debian made of each probe, measured by `make vmtest`. Of other kernels "
            "`net-exporter check` tells what runs, and what would have to change for the rest. A kernel that does not "
            "tell its types (BTF) runs the same programs with types from its headers, and without either all that "
            "needs no program.",
            table(head, rows),
            "Where a probe hooks into the kernel it is told how: of several ways the best that the kernel offers.",
            "## Tests",
            "Programs, layouts and namespaces, on the same kernels.",
            table(("kernel", "release", "date", "back end", "tests", "passed", "failed", "skipped"), tests),
            "What failed:" if failed else "",
            table(("test", "kernel"), failed) if failed else "",
            "What was skipped, and why:",
            table(("reason", "kernels"), [(reason, _together(reason, reasons)) for reason in dict(reasons)]),
        )
    }


def _guest(report: dict[str, Any]) -> str:
    return f"{report['kernel']}{_TYPES[report['types']]}"


def _together(reason: str, reasons: list[tuple[str, str]]) -> str:
    return ", ".join(kernel for other, kernel in reasons if other == reason)


def _cell(rows: list[dict[str, Any]], name: str) -> str:
    row = next((row for row in rows if row["probe"] == name), None)
    if row is None:
        return "not measured"
    hooks = [hook.lstrip("?") for hook in row["hooks"]]
    word = _WORDS.get(row["status"], row["status"])
    return f"{word}: {', '.join(hooks)}" if hooks and row["status"] == "ok" else word
