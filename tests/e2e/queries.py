"""What the generated dashboards ask, as a user who chose All would see it, and why an answer may be empty here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser

from exporter import registry
from exporter.errors import UsageError
from exporter.model.metric import Metric, Naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Node

DASHBOARDS = Path(__file__).resolve().parents[2] / "bundle" / "dashboards"

# Metrics that a healthy small node has no series of, each with the reason.
ABSENT_HERE = {
    "kubeskoop_conntrack_ignore": "kernels from 5.10 on no longer count it, so it is a gap",
    "kubeskoop_packetloss_unattributed_total": "a reason appears once such a drop happened",
    "kubeskoop_exporter_event_backlog_length": "only sinks that deliver later have one, such as loki",
    "kubeskoop_exporter_event_delivery_retries_total": "only sinks that deliver later have them, such as loki",
    "kubeskoop_exporter_events_folded_total": "only the sink loki folds",
    "kubeskoop_conntrack_changes_total": "its events are not wanted, so nobody listens",
    "kubeskoop_tcptwrcv_segments_total": "a kind appears once such a segment came",
}
# As above, for what begins or ends so.
ABSENT_LIKE = {
    re.compile(
        r"kubeskoop_(?!exporter|tcpreset|packetloss)\w+_events_(suppressed|lost)_total"
    ): "its events are not wanted",
    re.compile(r"kubeskoop_exporter_identity_\w+"): "no API server tells of pods here",
}
# Metrics of which only the host itself has series here: the end of a veth pair in a pod has no queue.
ONLY_ON_THE_HOST = re.compile(r"kubeskoop_qdisc_\w+")
# As above, but only of the host's own namespace.
ABSENT_ON_THE_HOST = {
    "kubeskoop_neigh_entries": "the host itself may have talked to no neighbour lately",
    "kubeskoop_tcpretrans_segments_total": "the host itself sends nothing again; a kind appears once",
    "kubeskoop_tcprtt_seconds": "the host itself only talks over loopback, which has no round trip to speak of",
    "kubeskoop_tcprtt_min_seconds": "the host itself only talks over loopback, which has no round trip to speak of",
}


@dataclass(frozen=True)
class Query:
    """One query of a panel."""

    place: str  # dashboard and panel
    expression: str  # with Grafana's variables
    legend: str


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def queries() -> Iterator[Query]:
    """Every panel query of the provisioned dashboards."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text("utf-8"))
        for panel in _panels(dashboard["panels"]):
            for target in panel.get("targets", []):
                yield Query(f"{path.stem} › {panel['title']}", target["expr"], target.get("legendFormat", ""))


def filled(expression: str) -> str:
    """The expression with Grafana's variables set as a user who chose All would see it."""
    expression = expression.replace("$__rate_interval", "30s").replace("$__range", "30s").replace("$__interval", "5s")
    expression = re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", expression)
    return re.sub(r" >=? [\d.]+", "", expression)  # tables list what is above a limit; here it is asked for at all


def selectors(expression: str) -> set[str]:
    """Metric names that the expression reads."""
    found: set[str] = set()

    def walk(node: Any) -> None:  # noqa: ANN401 - the parser has a type per node
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
            child = getattr(node, name, None)
            if child is not None:
                walk(child)
        for child in getattr(node, "args", None) or []:
            walk(child)

    walk(promql_parser.parse(expression))
    return found


def _metric(name: str) -> Metric | None:
    try:
        return registry.load().metric(name)
    except UsageError:
        return None


def excuse(node: Node, expression: str) -> str:
    """Why a query may be empty here: its probe cannot run on this machine, or its metric is listed above."""
    for name in sorted(selectors(expression)):
        metric = _metric(name)
        if metric is None:
            continue
        absent = ABSENT_HERE | (ABSENT_ON_THE_HOST if 'k8s_pod=""' in expression else {})
        ours = metric.name_in(Naming.KUBESKOOP)
        if ours in absent:
            return absent[ours]
        for like, reason in ABSENT_LIKE.items():
            if like.fullmatch(ours):
                return reason
        row = node.probes.get(metric.probe)
        if row is not None and row["status"] in ("unsupported", "no_data"):
            return f"probe {metric.probe} is {row['status']} here: {row['reason']}"
    return ""


def only_on_the_host(expression: str) -> bool:
    """Whether no pod here can have what the expression reads."""
    return any(ONLY_ON_THE_HOST.fullmatch(name) for name in selectors(expression))
