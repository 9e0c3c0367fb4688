"""The versions that a bundle is written for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alerts.targets import prometheus

if TYPE_CHECKING:
    from alerts.targets.grafana import Grafana
    from alerts.targets.prometheus import Prometheus


@dataclass(frozen=True, slots=True)
class Targets:
    """What the files must load in.

    Args:
        grafana: None for all that there are forms for, side by side.
        prometheus: this version and later ones.
    """

    grafana: Grafana | None = None
    prometheus: Prometheus = prometheus.VERSIONS[prometheus.DEFAULT]


EVERY: Final = Targets()
