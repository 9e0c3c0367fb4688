"""Versions of Grafana that dashboards can be written for, and what came when.

Since when there is what is taken from the types that Grafana publishes for each of its versions (npm's
@grafana/schema and @grafana/data) and from its notes on releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from alerts.targets.feature import Feature

if TYPE_CHECKING:
    from alerts.targets.feature import Version


class Generation(Enum):
    """Shapes of dashboards, by the folder that holds them."""

    LEGACY = "dashboards/legacy"
    MODERN = "dashboards"
    RESOURCE = "dashboards/v2"


@dataclass(frozen=True, slots=True)
class Grafana:
    """A version that is written for.

    Args:
        oldest: what is written for it loads from here on.
        loads: the same in words.
        schema: number of the dashboard schema that it writes itself.
        generations: what it loads.
    """

    oldest: Version
    loads: str
    schema: int
    generations: tuple[Generation, ...] = (Generation.MODERN,)

    def has(self, feature: Feature) -> bool:
        """Whether every version for which it stands has a feature."""
        return self.oldest >= feature.since


LEGACY = Grafana((7, 0), "Grafana 7.0 to 8.3", 27, (Generation.LEGACY,))
MODERN = Grafana((8, 4), "Grafana 8.4 to 13", 36)  # one above the schema of 8.4, which reads it all the same
NEWEST = Grafana((13, 0), "Grafana 13", 42, (Generation.MODERN, Generation.RESOURCE))
VERSIONS = {
    "7.5": LEGACY,
    "8.4": Grafana((8, 4), "Grafana 8.4 and later", 35),
    "9": Grafana((9, 0), "Grafana 9.0 and later", 36),
    "10": Grafana((10, 0), "Grafana 10.0 and later", 38),
    "11": Grafana((11, 0), "Grafana 11.0 and later", 39),
    "12": Grafana((12, 0), "Grafana 12.0 and later", 41),
    "13": NEWEST,
}

NODE_GRAPH = Feature("Node graph", (8, 0), "The panel is left out; lines and tables beside it show the same numbers.")
STATE_TIMELINE = Feature(
    "State timeline", (8, 0), "A graph with steps shows the numbers, without names and colours of states."
)
LINKS_KEEP_CHOICE = Feature(
    "Links that keep job and instance", (8, 0), "Links keep the data source and start with the first job."
)
RATE_INTERVAL = Feature(
    "Window of rates that follows the scrape interval", (7, 2), "A variable of its own, Rate over, sets the window."
)
HEATMAP_OPTIONS = Feature("Options of heatmaps", (9, 1), "The keys of before are written too, for the same picture.")
CELL_OPTIONS = Feature("Cell options of tables", (9, 4), "Cells have the display mode, which looks the same.")
LOKI_STEP = Feature("Window of Loki queries that follows the step", (10, 0), "The file is not written.")
RESOURCE = Feature("Dashboards as v2 resources", (13, 0), "None are written.")
