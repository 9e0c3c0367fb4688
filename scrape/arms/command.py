"""`generate.py push arms`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import alerts
from alerts import overrides, recording, rulefile
from alerts.totals import RULES
from alerts.words import Links
from dashboards.push import command as grafana
from dashboards.push import report
from dashboards.push.server import TOKEN, address
from exporter import registry
from exporter.errors import UsageError
from exporter.model.promql import Rendering
from scrape import limits
from scrape.arms import alerting
from scrape.arms.calls import Nobody, Service
from scrape.arms.instance import Instance, version, workspace_url
from scrape.arms.recording import FileOfGroups, TaskOfGroup
from scrape.arms.scraping import FORMS, Scraping
from scrape.arms.sdk import Sdk

if TYPE_CHECKING:
    import argparse

    from scrape.arms.calls import Asked
    from scrape.arms.instance import Part

VERSIONS = ("auto", "v1", "v2")
NO_SCRAPE = "none"
# One of these is set wherever the SDK finds credentials without asking the network.
_CREDENTIALS = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_CREDENTIALS_URI", "ALIBABA_CLOUD_ROLE_ARN")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_ENDPOINT = re.compile(r"(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--region", default=os.environ.get("ALIBABA_CLOUD_REGION_ID", ""), help="such as cn-hangzhou")
    add("--cluster", default="", metavar="ID", help="Prometheus instance, for alert and recording rules")
    add("--environment", default="", metavar="ID", help="container environment, for the scrape configuration")
    forms = [*FORMS, NO_SCRAPE]
    add("--scrape", default=forms[0], choices=forms, help=f"how to scrape: {', '.join(forms)} (default %(default)s)")
    add("--recording", default=VERSIONS[0], choices=VERSIONS, help="version of the instance (default: ask it)")
    add("--workspace", default="", metavar="ID", help="Grafana workspace, for the dashboards")
    add("--url", default="", help="address of its Grafana (default: ask the workspace)")
    add("--runbooks", default="docs/runbooks", metavar="URL", help="where runbook links lead (default %(default)s)")
    add("--thresholds", type=Path, metavar="FILE", help="YAML file of limits for alerts, by key")
    add("--endpoint", default="", metavar="ADDRESS", help="of ARMS, where it is not the region's public one")
    add("--cms-endpoint", default="", metavar="ADDRESS", help="of Cloud Monitor, likewise")
    grafana.declare_dashboards(parser)


def run(chosen: argparse.Namespace) -> int:
    """Push. Returns the exit code, see `report.push`. Raises NetExporterError."""
    _check(chosen)
    offline = chosen.plan and not any(os.environ.get(name) for name in _CREDENTIALS)
    endpoints = {Service.ARMS: chosen.endpoint, Service.CMS: chosen.cms_endpoint}
    needed = chosen.environment or chosen.cluster or (chosen.workspace and not chosen.url)
    asked: Asked = Sdk(chosen.region, endpoints) if needed and not offline else Nobody()
    notes = ["no credentials: planned as if the account had nothing"] if offline else []
    url = chosen.url.rstrip("/")
    if chosen.workspace and not url and not offline:
        url = workspace_url(asked, chosen.workspace, chosen.region)
    parts: list[Part] = []
    if chosen.environment and chosen.scrape != NO_SCRAPE:
        form = FORMS[chosen.scrape]
        within = limits.of(registry.load(), chosen.naming)
        parts.append(Scraping(asked, form, chosen.environment, chosen.region, within))
    if chosen.cluster:
        parts += _rules(chosen, asked, url, notes)
    if url and (os.environ.get(TOKEN) or not offline):
        parts.append(grafana.target(chosen, url))
    elif url or chosen.workspace:
        notes.append(f"dashboards: not planned without credentials and {TOKEN}")
    return report.push(Instance(parts), only_plan=chosen.plan, as_json=chosen.json, notes=notes)


def _rules(chosen: argparse.Namespace, asked: Asked, url: str, notes: list[str]) -> list[Part]:
    limits_of_alerts = overrides.read(chosen.thresholds) if chosen.thresholds else alerts.DECLARED
    rendering = Rendering(chosen.naming, limits=limits_of_alerts)
    links = Links(url, chosen.runbooks.rstrip("/"), registry.load().fingerprint())
    rules = list(alerts.rules())
    notes += alerting.lost(rules)
    wanted = alerting.wanted(rules, rendering, links, chosen.cluster, chosen.region)
    [group] = rulefile.recordings(recording.GROUP, RULES, rendering)["groups"]
    kind = (
        chosen.recording if chosen.recording != VERSIONS[0] else version(asked, chosen.cluster, chosen.region).lower()
    )
    if kind not in VERSIONS:
        notes.append("recording rules: planned for version 2, as the instance does not tell its own; see --recording")
    task: Part = (
        FileOfGroups(asked, group, chosen.cluster, chosen.region)
        if kind == "v1"
        else TaskOfGroup(asked, group, chosen.cluster)
    )
    return [task, alerting.Alerts(asked, wanted, chosen.cluster, chosen.region)]


def _check(chosen: argparse.Namespace) -> None:
    if not _REGION.fullmatch(chosen.region):
        raise UsageError(f"{chosen.region!r} is no region; name one with --region, such as cn-hangzhou")
    given = {"--cluster": chosen.cluster, "--environment": chosen.environment, "--workspace": chosen.workspace}
    for option, value in given.items():
        if value and not _ID.fullmatch(value):
            raise UsageError(f"{option} {value!r} is no id; the console shows it")
    if not any(given.values()) and not chosen.url:
        raise UsageError("nothing to push to; name --cluster, --environment, --workspace or --url")
    for option, value in {"--endpoint": chosen.endpoint, "--cms-endpoint": chosen.cms_endpoint}.items():
        if value and not _ENDPOINT.fullmatch(value):
            raise UsageError(f"{option} {value!r} is no address; write HOST[:PORT]")
    if chosen.url:
        address(chosen.url)
