"""The scrape configuration of a container environment: a monitor of the operator's kind, or a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from dashboards.push.steps import Action, Step
from scrape import monitors, prometheus
from scrape.arms.calls import REGION, Call, member
from scrape.arms.within import within
from scrape.model import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrape.arms.calls import Asked
    from scrape.limits import Limits

KIND = "scrape configuration"


@dataclass(frozen=True)
class Form:
    """One way to say what is scraped.

    Args:
        noun: as in the names of the calls.
        name: the parameter and the member of an answer that holds the name.
        make: the document.
        dry: whether the service can be asked to check without doing.
    """

    noun: str
    name: str
    make: Callable[[Limits], dict[str, Any]]
    dry: bool = True

    @property
    def namespaced(self) -> bool:
        """Whether an object in the cluster comes of it."""
        return self.dry


FORMS = {
    "servicemonitor": Form("EnvServiceMonitor", "ServiceMonitorName", monitors.service_monitor),
    "podmonitor": Form("EnvPodMonitor", "PodMonitorName", monitors.pod_monitor),
    "customjob": Form("EnvCustomJob", "CustomJobName", prometheus.endpoints, dry=False),
}


class Scraping:
    """One scrape configuration of one environment.

    Args:
        asked: who answers calls.
        form: one of FORMS.
        environment: its id.
        region: where it is.
        within: the limits of a scrape.
    """

    def __init__(self, asked: Asked, form: Form, environment: str, region: str, within: Limits) -> None:
        self._asked = asked
        self._form = form
        self._place = {"EnvironmentId": environment, REGION: region}
        self._document = form.make(within)
        self._namespace = self._document["metadata"]["namespace"] if form.namespaced else ""

    def plan(self) -> list[Step]:
        """Read and compare. Raises PushError."""
        listing = Call(f"List{self._form.noun}s", self._place)
        answer = self._asked.ask(listing)
        listed = [] if "Code" in answer and not answer.get("Data") else member(listing, answer, "Data", list)
        mine = [each for each in listed if self._is_mine(each)]
        name = f"{self._namespace}/{SERVICE}".lstrip("/")
        if not mine:
            return [Step(KIND, name, Action.CREATE, sent=self._call("Create", named=not self._form.namespaced).plain())]
        if self._same(mine[0]):
            return [Step(KIND, name, Action.SKIP)]
        return [Step(KIND, name, Action.UPDATE, sent=self._call("Update", named=True).plain())]

    def apply(self, step: Step) -> str:
        """Have it checked where the service can, then do it. Raises PushError."""
        action, parameters = step.sent["action"], step.sent["parameters"]
        if self._form.dry:
            self._asked.ask(Call(action, {**parameters, "DryRun": True}))
        answer = self._asked.ask(Call(action, parameters))
        data = answer.get("Data")
        matched = data.get("MatchedTargetCount") if isinstance(data, dict) else None
        return "" if matched is None else f"finds {matched} targets"

    def _call(self, verb: str, *, named: bool) -> Call:
        parameters: dict[str, Any] = {**self._place, "ConfigYaml": self._text()}
        if named:
            parameters[self._form.name] = SERVICE
            if self._namespace:
                parameters["Namespace"] = self._namespace
        return Call(f"{verb}{self._form.noun}", parameters)

    def _text(self) -> str:
        return yaml.safe_dump(self._document, sort_keys=False)

    def _is_mine(self, found: Mapping[str, Any]) -> bool:
        return found.get(self._form.name) == SERVICE and (found.get("Namespace") or "") == self._namespace

    def _same(self, found: Mapping[str, Any]) -> bool:
        try:
            there = yaml.safe_load(found.get("ConfigYaml") or "")
        except yaml.YAMLError:
            return False
        return within(self._document, there)
