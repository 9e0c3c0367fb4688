"""Alert rules: one call each, found again by name, told from others' by a label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alerts.model import Severity
from alerts.words import placeholders
from dashboards.push.steps import Action, PushError, Step
from scrape.arms.calls import REGION, Call, member

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerts.model import AlertRule
    from alerts.words import Links
    from exporter.model.promql import Rendering
    from scrape.arms.calls import Asked

KIND = "alert rule"
TYPE = "PROMETHEUS_MONITORING_ALERT_RULE"
OWNER = {"Name": "generated_by", "Value": "net-exporter"}
LEVELS = {Severity.CRITICAL: "P1", Severity.WARNING: "P2", Severity.INFO: "P3"}
_PAGE = 100
_PAGES = 200  # more rules than an account may have
_TEXTS = ("PromQL", "Duration", "Message", "Level")  # compared as they are
_PAIRS = ("Labels", "Annotations")  # others may be there besides ours
_KEPT = ("NotifyStrategy", "AlertStatus", "AlertGroup")  # what people set in the console


def wanted(
    rules: Iterable[AlertRule], rendering: Rendering, links: Links, cluster: str, region: str
) -> dict[str, dict[str, Any]]:
    """Name -> parameters of the call that creates it."""
    return {rule.name: _parameters(rule, rendering, links, cluster, region) for rule in rules}


def lost(rules: Sequence[AlertRule]) -> list[str]:
    """What of the rules cannot be said to ARMS, for people."""
    kept = [rule.name for rule in rules if rule.keep]
    return [
        f"alert rules: ARMS knows no keep_firing_for; {len(kept)} rules end at once: {', '.join(kept)}",
        "alert rules: messages show the plain value, as ARMS knows no number formats and no conditions in templates",
        "alert rules: evaluated one by one, as ARMS knows no groups",
    ]


class Alerts:
    """The alert rules of one instance.

    Args:
        asked: who answers calls.
        rules: see `wanted`.
    """

    def __init__(self, asked: Asked, rules: Mapping[str, Mapping[str, Any]], cluster: str, region: str) -> None:
        self._asked = asked
        self._rules = rules
        self._filter = {"AlertType": TYPE, "ClusterId": cluster, REGION: region}

    def plan(self) -> list[Step]:
        """Read and compare. Raises PushError."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for each in self._listed():
            found.setdefault(each.get("AlertName", ""), []).append(each)
        return [decide(name, rule, found.get(name, [])) for name, rule in self._rules.items()]

    def apply(self, step: Step) -> str:
        """Create or update one. Raises PushError."""
        answer = self._asked.ask(Call("CreateOrUpdateAlertRule", step.sent["parameters"]))
        if not (answer.get("AlertRule") or {}).get("AlertId"):
            raise PushError("CreateOrUpdateAlertRule: the answer names no rule")
        return ""

    def _listed(self) -> list[Mapping[str, Any]]:
        rules: list[Mapping[str, Any]] = []
        for page in range(1, _PAGES + 1):
            call = Call("GetAlertRules", {**self._filter, "Page": page, "Size": _PAGE})
            bean = member(call, self._asked.ask(call), "PageBean", dict)
            total = member(call, bean, "Total", int)
            more = member(call, bean, "AlertRules", list) if total else []
            if not all(isinstance(each, dict) and "AlertId" in each for each in more):
                raise PushError("GetAlertRules: the answer lists what is no rule, so nothing is done")
            rules += more
            if len(rules) >= total:
                return rules
            if not more:
                raise PushError(f"GetAlertRules: page {page} is empty after {len(rules)} of {total} rules")
        raise PushError(f"GetAlertRules: more than {_PAGES} pages of rules")


def decide(name: str, rule: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> Step:
    """What becomes of a rule, given those of its name."""
    if not found:
        return Step(KIND, name, Action.CREATE, sent=Call("CreateOrUpdateAlertRule", rule).plain())
    numbers = ", ".join(str(each.get("AlertId")) for each in found)
    if len(found) > 1:
        return Step(KIND, name, Action.LEAVE, f"there is more than one of that name ({numbers}); delete all but one")
    [there] = found
    if OWNER not in _pairs(there.get("Labels")):
        return Step(KIND, name, Action.LEAVE, f"rule {numbers} of that name is not ours; rename it")
    if _same(rule, there):
        return Step(KIND, name, Action.SKIP)
    kept = {key: there[key] for key in _KEPT if there.get(key) is not None}
    sent = {**rule, **kept, "AlertId": there["AlertId"]}
    return Step(KIND, name, Action.UPDATE, sent=Call("CreateOrUpdateAlertRule", sent).plain())


def _same(rule: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    texts = all(str(rule[key]).strip() == str(there.get(key, "")).strip() for key in _TEXTS)
    return texts and all(pair in _pairs(there.get(key)) for key in _PAIRS for pair in json.loads(rule[key]))


def _pairs(found: Iterable[Mapping[str, str]] | None) -> list[dict[str, str]]:
    return [{"Name": each.get("Name", ""), "Value": each.get("Value", "")} for each in found or ()]


def _parameters(rule: AlertRule, rendering: Rendering, links: Links, cluster: str, region: str) -> dict[str, Any]:
    words = placeholders(rule, rendering, links)
    message = f"{words.pop('summary')} {words.pop('description')}"
    labels = [{"Name": "severity", "Value": rule.severity.value}, OWNER]
    return {
        "AlertType": TYPE,
        "AlertCheckType": "CUSTOM",
        "AlertGroup": -1,
        "AlertName": rule.name,
        "ClusterId": cluster,
        REGION: region,
        "PromQL": rule.condition.render(rendering),
        "Duration": rule.hold,
        "Level": LEVELS[rule.severity],
        "Message": message,
        "Labels": json.dumps(labels),
        "Annotations": json.dumps([{"Name": name, "Value": text} for name, text in words.items()]),
    }
