"""Recording rules: on instances of version 1 one file for all owners, on version 2 a task for each group."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from dashboards.push.steps import Action, PushError, Step
from scrape.arms.calls import REGION, Call, member
from scrape.arms.within import within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrape.arms.calls import Asked

KIND = "recording rules"
OWNER = "Totals of net-exporter, written by generate.py."
_WIDTH = 10**6  # no folding: the text travels in an address


def text(document: Mapping[str, Any]) -> str:
    """YAML for a call."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)


def parse(found: str) -> dict[str, Any]:
    """A rule file of which nothing may get lost. Raises PushError."""
    try:
        whole: Any = yaml.safe_load(found) or {}
    except yaml.YAMLError:
        whole = None
    groups = (whole.get("groups") or []) if isinstance(whole, dict) else None
    if (
        not isinstance(whole, dict)
        or not isinstance(groups, list)
        or not all(isinstance(each, dict) for each in groups)
    ):
        raise PushError(
            "the recording rules of the instance cannot be read, so nothing is done, as writing would erase them; mend "
            "them in the console"
        )
    return {**whole, "groups": groups}


class FileOfGroups:
    """Version 1: GetRecordingRule and AddRecordingRule replace the whole file, so what is others' is put back.

    Args:
        asked: who answers calls.
        group: ours, as in a rule file.
        cluster: the instance.
        region: where it is.
    """

    def __init__(self, asked: Asked, group: Mapping[str, Any], cluster: str, region: str) -> None:
        self._asked = asked
        self._group = group
        self._instance = {"ClusterId": cluster, REGION: region}

    def plan(self) -> list[Step]:
        """Read and compare. Raises PushError."""
        whole = self._read()
        mine = [each for each in whole["groups"] if each.get("name") == self._group["name"]]
        action = Action.SKIP if within([self._group], mine) else Action.UPDATE if mine else Action.CREATE
        sent = None if action is Action.SKIP else self._write(whole).plain()
        return [Step(KIND, self._group["name"], action, sent=sent)]

    def apply(self, _step: Step) -> str:
        """Read again at the last moment, so that no rule is lost that was added since the plan. Raises PushError."""
        self._asked.ask(self._write(self._read()))
        return ""

    def _read(self) -> dict[str, Any]:
        call = Call("GetRecordingRule", self._instance)
        answer = self._asked.ask(call)
        if not {"Code", "Data"} & set(answer):
            raise PushError("GetRecordingRule: the answer has neither Code nor Data, so nothing is done")
        return parse(member(call, {"Data": answer.get("Data") or ""}, "Data", str))

    def _write(self, whole: Mapping[str, Any]) -> Call:
        groups = list(whole["groups"])
        places = [number for number, each in enumerate(groups) if each.get("name") == self._group["name"]]
        others = [each for each in groups if each.get("name") != self._group["name"]]
        others.insert(places[0] if places else len(others), dict(self._group))
        return Call("AddRecordingRule", {**self._instance, "RuleYaml": text({**whole, "groups": others})})


class TaskOfGroup:
    """Version 2: an aggregation task of Cloud Monitor that holds exactly one group.

    Args:
        asked: who answers calls.
        group: ours, as in a rule file.
        cluster: the instance that is read and written.
    """

    def __init__(self, asked: Asked, group: Mapping[str, Any], cluster: str) -> None:
        self._asked = asked
        self._group = group
        self._cluster = cluster
        self._name = group["name"]

    def plan(self) -> list[Step]:
        """Read and compare. Raises PushError."""
        names = json.dumps([self._name])
        listing = Call("ListAggTaskGroups", {"filterAggTaskGroupNames": names}, (self._cluster,))
        answer = self._asked.ask(listing)
        listed = [] if answer.get("totalCount") == 0 else member(listing, answer, "aggTaskGroups", list)
        tasks = [each for each in listed if each.get("aggTaskGroupName") == self._name]
        if not tasks:
            created = Call("CreateAggTaskGroup", {**self._content(), "overrideIfExists": False}, (self._cluster,))
            return [Step(KIND, self._name, Action.CREATE, sent=created.plain())]
        numbers = ", ".join(str(each.get("aggTaskGroupId")) for each in tasks)
        if len(tasks) > 1:
            why = f"there is more than one task of that name ({numbers}); delete all but one"
            return [Step(KIND, self._name, Action.LEAVE, why)]
        if tasks[0].get("description") != OWNER:
            return [Step(KIND, self._name, Action.LEAVE, f"task {numbers} of that name is not ours; rename it")]
        path = (self._cluster, str(tasks[0]["aggTaskGroupId"]))
        found = self._asked.ask(Call("GetAggTaskGroup", {}, path)).get("aggTaskGroup") or {}
        if self._same(found):
            return [Step(KIND, self._name, Action.SKIP)]
        return [Step(KIND, self._name, Action.UPDATE, sent=Call("UpdateAggTaskGroup", self._content(), path).plain())]

    def apply(self, step: Step) -> str:
        """Create or update the task. Raises PushError."""
        self._asked.ask(Call(step.sent["action"], step.sent["parameters"], tuple(step.sent["path"])))
        return ""

    def _content(self) -> dict[str, Any]:
        return {
            "aggTaskGroupName": self._name,
            "aggTaskGroupConfig": text({"groups": [self._group]}),
            "aggTaskGroupConfigType": "RecordingRuleYaml",
            "description": OWNER,
            "targetPrometheusId": self._cluster,
        }

    def _same(self, found: Mapping[str, Any]) -> bool:
        try:
            there = yaml.safe_load(found.get("aggTaskGroupConfig") or "")
        except yaml.YAMLError:
            return False
        return within({"groups": [self._group]}, there) and found.get("targetPrometheusId") == self._cluster
