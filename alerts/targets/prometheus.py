"""Versions of Prometheus that rules and scrape configurations can be written for, and what came when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.targets.feature import Feature, written

if TYPE_CHECKING:
    from alerts.targets.feature import Version


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A version that is written for; what is written loads in all that follow."""

    oldest: Version

    @property
    def loads(self) -> str:
        """The versions in words."""
        return f"Prometheus {written(self.oldest)} and later"

    def has(self, feature: Feature) -> bool:
        """Whether it and all later ones have a feature."""
        return self.oldest >= feature.since


DEFAULT = "2.42"
VERSIONS = {"2.37": Prometheus((2, 37)), "2.42": Prometheus((2, 42)), "3": Prometheus((3, 0))}

KEEP_FIRING = Feature(
    "Alerts that stay on for a while (keep_firing_for)", (2, 42), "They end at once and may come and go more often."
)
EQUAL_LABELS = Feature("Relabelling by equal labels (keepequal)", (2, 41), "The file is not written.")
