"""`generate.py push grafana`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dashboards.bundle import boards
from dashboards.push import report
from dashboards.push.grafana import Grafana
from dashboards.push.server import TOKEN, Server
from exporter import registry
from exporter.errors import UsageError

if TYPE_CHECKING:
    import argparse

FOLDER_TITLE = "net-exporter"


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--url", default=os.environ.get("GRAFANA_URL", ""), help="address of Grafana (default $GRAFANA_URL)")
    declare_dashboards(parser)


def declare_dashboards(parser: argparse.ArgumentParser) -> None:
    """Options of whatever pushes dashboards."""
    add = parser.add_argument
    add("--folder", default=FOLDER_TITLE, metavar="TITLE", help="folder for new dashboards (default %(default)s)")
    add("--datasource", default="", metavar="NAME", help="data source to choose, by name or uid (default Grafana's)")
    add("--overwrite", action="store_true", help="replace dashboards that were edited in Grafana, too")


def run(chosen: argparse.Namespace) -> int:
    """Push the dashboards. Returns the exit code, see `report.push`. Raises NetExporterError."""
    if not chosen.url:
        raise UsageError("no address of Grafana; name it with --url or GRAFANA_URL")
    return report.push(target(chosen, chosen.url), only_plan=chosen.plan, as_json=chosen.json)


def target(chosen: argparse.Namespace, url: str) -> Grafana:
    """The Grafana at an address, as the options wish it. Raises NetExporterError."""
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise UsageError(f"no token; set {TOKEN} to one of a service account with role Editor")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(f"{TOKEN} holds characters that no token has")
    return Grafana(
        Server(url, token),
        lambda old: boards(registry.load(), chosen.naming, old=old),
        folder=chosen.folder,
        source=chosen.datasource,
        overwrite=chosen.overwrite,
    )
