"""All that is pushed to one instance: its parts plan and apply by themselves, this one puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dashboards.push.steps import PushError
from scrape.arms.calls import REGION, Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.push.steps import Step
    from scrape.arms.calls import Asked


class Part(Protocol):
    """As `dashboards.push.steps.Target`."""

    def plan(self) -> list[Step]:
        """Raises PushError."""

    def apply(self, step: Step) -> str:
        """Raises PushError."""


class Instance:
    """The parts in their order.

    Args:
        parts: each with kinds of steps of its own.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._of: dict[tuple[str, str], Part] = {}

    def plan(self) -> list[Step]:
        """Read and compare everything. Raises PushError."""
        plans = [(part, part.plan()) for part in self._parts]
        self._of = {step.key: part for part, steps in plans for step in steps}
        return [step for _, steps in plans for step in steps]

    def apply(self, step: Step) -> str:
        """Let the part do it. Raises PushError."""
        return self._of[step.key].apply(step)


def version(asked: Asked, cluster: str, region: str) -> str:
    """`V1` or `V2`; empty when nobody knows. Raises PushError."""
    data = asked.ask(Call("GetPrometheusInstance", {"ClusterId": cluster, REGION: region})).get("Data")
    return str(data.get("Version") or "").upper() if isinstance(data, dict) else ""


def workspace_url(asked: Asked, workspace: str, region: str) -> str:
    """Where the Grafana of a workspace is. Raises PushError."""
    data = asked.ask(Call("GetGrafanaWorkspace", {"GrafanaWorkspaceId": workspace, REGION: region})).get("Data")
    known = data if isinstance(data, dict) else {}
    domain = known.get("grafanaWorkspaceDomain")
    if not domain:
        raise PushError(f"Grafana workspace {workspace} has no address; is it running? Its console tells")
    return f"{known.get('protocol') or 'https'}://{domain}"
