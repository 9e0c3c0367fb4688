"""Managed Service for Prometheus of Alibaba Cloud (ARMS): what of the bundle it takes, by which calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrape.arms import policy

if TYPE_CHECKING:
    from exporter.model.metric import Naming
    from exporter.registry import Registry


def files(_registry: Registry, _naming: Naming) -> dict[str, bytes]:
    """The policy that whoever pushes needs."""
    return {"arms/ram-policy.json": policy.render()}
