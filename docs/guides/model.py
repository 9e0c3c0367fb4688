"""What a troubleshooting guide adds to its scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboards.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """The words around a scenario's suspects.

    Args:
        scenario: the dashboard, with its suspects in order.
        seen: what users and logs say.
        commands: what to find out and how, in the order of the suspects.
        changes: remedies, the quickest first.
        example: how such a case went.
    """

    scenario: Scenario
    seen: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    changes: tuple[str, ...]
    example: str
