"""Probes that are off by default: what of a board needs them, and how to switch them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from exporter.model.metric import Metric


def needed(metrics: Iterable[Metric], optional: AbstractSet[str]) -> list[str]:
    """Those of the `optional` probes that measure any of the metrics, in order of the alphabet."""
    return sorted({metric.probe for metric in metrics} & optional)


def switch_on(probes: Iterable[str]) -> str:
    """Markdown on how to have what these probes measure."""
    names = " and ".join(f"`{probe}`" for probe in probes)
    return (
        f"**Off by default**, as it costs more than the rest. To measure it name {names} in `metrics.probes`; a list "
        "there replaces the default set, so name all that are to run."
    )
