"""Alerts and recording rules as Jsonnet: one file per group, a function of the configuration's values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alerts import recording, rulefile
from alerts.rules import GROUPS
from alerts.totals import RULES
from alerts.words import UID_PREFIX, Links
from dashboards.mixin import source
from dashboards.mixin.places import SHOWN, UID, Places, brief
from dashboards.mixin.source import Added, Changed, Code, place

if TYPE_CHECKING:
    from alerts.model import Group

HEAD = "function(x) local m = x.m, l = x.l, s = x.s, t = x.t, c = x.c;\n"
LINKS = Links(place("c.grafanaUrl"), place("c.runbookUrl"))


def files(registry: str) -> dict[str, str]:
    """Source by path; `registry` is the hash of the declarations."""
    rendering = Places(SHOWN)
    totals = rulefile.recordings(recording.GROUP, RULES, rendering)
    written = {"rules/recording.libsonnet": _group(totals["groups"][0])}
    for group in GROUPS:
        written[f"alerts/{group.subject}.libsonnet"] = _alerts(group, rendering, replace(LINKS, registry=registry))
    written["rules/rules.libsonnet"] = _sum("prometheusRules", ["recording"])
    written["alerts/alerts.libsonnet"] = _sum("prometheusAlerts", [group.subject for group in GROUPS])
    return written


def _alerts(group: Group, rendering: Places, links: Links) -> str:
    [made] = rulefile.alerts((group,), rendering, links)["groups"]
    for rule in made["rules"]:
        words = rule["annotations"]
        words["dashboard_url"] = words["dashboard_url"].replace(f"/d/{UID_PREFIX}", f"/d/{UID}")
    return _group(made)


def _group(group: dict[str, Any]) -> str:
    for rule in group["rules"]:
        rule["expr"] = brief(rule["expr"])
    return source.NOTICE + HEAD + source.write(group) + "\n"


def _sum(field: str, parts: list[str]) -> str:
    groups = [Code(f"(import '{part}.libsonnet')(x)") for part in parts]
    return source.NOTICE + source.hidden(field, Changed("", {"groups": Added(groups)}))
