"""Limits that panels draw where alerts fire: the numbers are those of the alerts, typed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.model import Severity
from dashboards.panel import Colour, Step

if TYPE_CHECKING:
    from alerts.model import AlertRule

_COLOURS = {Severity.CRITICAL: Colour.BAD, Severity.WARNING: Colour.WATCH, Severity.INFO: Colour.WATCH}


def limits(*rules: AlertRule, window: float = 1) -> tuple[Step, ...]:
    """A step for each alert, the mildest first; without thresholds it fires on a single one.

    `window` are the seconds over which an alert counts, where it counts and the panel shows how many per second.
    To three digits, which all that draws them can write.
    """
    return tuple(
        Step(
            float(f"{(rule.thresholds[0].value if rule.thresholds else 1) / window:.3g}"),
            _COLOURS[rule.severity],
        )
        for rule in rules
    )
