"""The calls of the two services: a call is a value, and the list of actions is also the list of permissions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dashboards.push.steps import PushError

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "RegionId"
Shape = TypeVar("Shape")


class Service(Enum):
    """By the prefix of its permissions."""

    ARMS = "arms"  # version 2019-08-08
    CMS = "cms"  # version 2024-03-30, where instances of version 2 keep their recording rules


_INSTANCE = "acs:arms:*:*:prometheus/*"
_ENVIRONMENT = "acs:arms:*:*:environment/*"
_TASKS = "acs:cms:*:*:prometheusinstance/*/aggtaskgroup/*"
_ALL = "*"  # the action knows no resource

# Action -> resource that it can be limited to.
ACTIONS: dict[Service, dict[str, str]] = {
    Service.ARMS: {
        "GetPrometheusInstance": _INSTANCE,
        "GetAlertRules": _ALL,
        "CreateOrUpdateAlertRule": _ALL,
        "GetRecordingRule": _INSTANCE,
        "AddRecordingRule": _INSTANCE,
        "ListEnvServiceMonitors": _ENVIRONMENT,
        "CreateEnvServiceMonitor": _ENVIRONMENT,
        "UpdateEnvServiceMonitor": _ENVIRONMENT,
        "ListEnvPodMonitors": _ENVIRONMENT,
        "CreateEnvPodMonitor": _ENVIRONMENT,
        "UpdateEnvPodMonitor": _ENVIRONMENT,
        "ListEnvCustomJobs": _ENVIRONMENT,
        "CreateEnvCustomJob": _ENVIRONMENT,
        "UpdateEnvCustomJob": _ENVIRONMENT,
        "GetGrafanaWorkspace": _ALL,
    },
    Service.CMS: {
        "ListAggTaskGroups": _TASKS,
        "GetAggTaskGroup": _TASKS,
        "CreateAggTaskGroup": _TASKS,
        "UpdateAggTaskGroup": _TASKS,
    },
}
SERVICES = {action: service for service, actions in ACTIONS.items() for action in actions}


@dataclass(frozen=True)
class Call:
    """One call.

    Args:
        action: one of ACTIONS.
        parameters: by the names of the service.
        path: what goes into the path, for CMS.
    """

    action: str
    parameters: Mapping[str, Any]
    path: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, so that it can be repeated."""
        return self.action.startswith(("Get", "List"))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"action": self.action, "path": list(self.path), "parameters": dict(self.parameters)}


class Asked(Protocol):
    """Who answers calls."""

    def ask(self, call: Call) -> Mapping[str, Any]:
        """The answer's body. Raises PushError."""


# What an account answers that has nothing.
_NOTHING: dict[str, dict[str, Any]] = {
    "GetAlertRules": {"PageBean": {"Total": 0, "AlertRules": []}},
    "GetRecordingRule": {"Code": 200},
    "ListAggTaskGroups": {"aggTaskGroups": []},
}


class Nobody:
    """Answers as an account that has nothing: what a plan without credentials is made against."""

    def ask(self, call: Call) -> Mapping[str, Any]:
        """Nothing, in the right shape."""
        return _NOTHING.get(call.action, {"Data": []})


def member(call: Call, answer: Mapping[str, Any], name: str, kind: type[Shape]) -> Shape:
    """A member that must be there: to take its absence for nothing could double or erase. Raises PushError."""
    value = answer.get(name)
    if not isinstance(value, kind):
        raise PushError(f"{call.action}: the answer has no {name} that can be read, so nothing is done")
    return value
