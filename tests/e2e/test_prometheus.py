"""The generated bundle against a real Prometheus that scrapes a real exporter on a node with traffic."""

from __future__ import annotations

import json
import re
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
# As above, but only of the host's own namespace.
ABSENT_ON_THE_HOST = {
    "kubeskoop_neigh_entries": "the host itself may have talked to no neighbour lately",
    "kubeskoop_tcpretrans_segments_total": "the host itself sends nothing again; a kind appears once",
    "kubeskoop_tcprtt_seconds": "the host itself only talks over loopback, which has no round trip to speak of",
    "kubeskoop_tcprtt_min_seconds": "the host itself only talks over loopback, which has no round trip to speak of",
}


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def _queries() -> Iterator[tuple[str, str]]:
    """Place and expression of every panel query and every variable of the provisioned dashboards."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text("utf-8"))
        for panel in _panels(dashboard["panels"]):
            for target in panel.get("targets", []):
                yield f"{path.stem} › {panel['title']}", target["expr"]


def _filled(expression: str) -> str:
    """The expression with Grafana's variables set as a user who chose All would see it."""
    expression = expression.replace("$__rate_interval", "10s").replace("$__range", "30s").replace("$__interval", "5s")
    expression = re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", expression)
    return re.sub(r" >=? [\d.]+", "", expression)  # tables list what is above a limit; here it is asked for at all


def _selectors(expression: str) -> set[str]:
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


def _excuse(node: Node, expression: str) -> str:
    """Why a query may be empty here: its probe cannot run on this machine, or its metric is listed above."""
    for name in sorted(_selectors(expression)):
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


def test_every_probe_ends_well_or_says_why_not(node: Node) -> None:
    failed = {name: row["reason"] for name, row in node.probes.items() if row["status"] in ("failed", "timed_out")}
    assert failed == {}
    assert all(row["reason"] for row in node.probes.values() if row["status"] != "ok")


def test_every_panel_query_has_data_or_a_reason(node: Node) -> None:
    empty, excused = [], {}
    queries = list(_queries())
    assert len(queries) > 100
    for place, raw in queries:
        expression = _filled(raw)
        if node.api("query", query=expression)["result"]:
            continue
        reason = _excuse(node, expression)
        if reason:
            excused[f"{place}: {raw}"] = reason
        else:
            empty.append(f"{place}: {expression}")
    for reason in sorted(set(excused.values())):
        print(f"{sum(each == reason for each in excused.values())} queries without data: {reason}")
    print(*empty, sep="\n")
    assert empty == []


def test_all_rules_load_and_evaluate(node: Node) -> None:
    groups = node.api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len([rule for rule in rules if rule["type"] == "alerting"]) >= 15
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []


def test_recording_rules_give_data_or_have_a_reason(node: Node) -> None:
    for group in node.api("rules")["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "recording" and not node.api("query", query=rule["name"])["result"]:
                assert _excuse(node, rule["query"]), f"{rule['name']} has no data"


def test_prometheus_sees_the_declared_types(node: Node) -> None:
    """The scraper's metadata is what the registry declares; OpenMetrics says unknown for inherited counter names."""
    metadata = node.api("metadata")
    seen = 0
    for metric in registry.load().metrics():
        name = metric.name_in(Naming.KUBESKOOP)
        known = metadata.get(name) or metadata.get(name.removesuffix("_total"))
        if known and not metric.external:
            seen += 1
            assert known[0]["type"] in (metric.kind.value, "unknown"), name
            assert known[0]["help"] == metric.help
    assert seen > 100


def test_series_of_a_pod_carry_its_name(node: Node) -> None:
    labels = node.api("query", query="count by (k8s_namespace, k8s_pod) (kubeskoop_udp_indatagrams)")["result"]
    pods = {each["metric"].get("k8s_pod", "") for each in labels}
    assert "" in pods
    assert set(node.pods) <= pods
