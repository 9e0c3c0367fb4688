"""The index of dashboards: every panel with the metrics that it shows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import dashboards
from docs.markdown import page, table

if TYPE_CHECKING:
    from exporter.registry import Registry

BETWEEN = " › "


def pages(registry: Registry) -> dict[str, str]:
    """Pages by path."""
    shown: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for metric, places in dashboards.index(registry).items():
        for place in places:
            board, _, panel = place.partition(BETWEEN)
            shown[board][panel].append(metric)
    parts = [
        f"## {board}\n\n"
        + table(
            ("panel", "metrics"),
            [(panel, ", ".join(f"`{metric}`" for metric in metrics)) for panel, metrics in panels.items()],
        )
        for board, panels in sorted(shown.items())
    ]
    return {"dashboards.md": page("Dashboards", *parts)}
