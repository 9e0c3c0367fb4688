"""The generated bundle against a real Prometheus that scrapes a real exporter on a node with traffic."""

from __future__ import annotations

import re
import urllib.request
from typing import TYPE_CHECKING

from exporter import registry
from exporter.model.metric import Naming
from tests.e2e.queries import excuse, filled, only_on_the_host, queries

if TYPE_CHECKING:
    from tests.e2e.conftest import Node


def test_every_probe_ends_well_or_says_why_not(node: Node) -> None:
    failed = {name: row["reason"] for name, row in node.probes.items() if row["status"] in ("failed", "timed_out")}
    assert failed == {}
    assert all(row["reason"] for row in node.probes.values() if row["status"] != "ok")


def test_every_panel_query_has_data_or_a_reason(node: Node) -> None:
    empty, excused = [], {}
    asked = list(queries())
    assert len(asked) > 100
    for query in asked:
        expression = filled(query.expression)
        if node.prometheus.query(expression, node.at):
            continue
        reason = excuse(node, expression)
        if reason:
            excused[f"{query.place}: {query.expression}"] = reason
        else:
            empty.append(f"{query.place}: {expression}")
    for reason in sorted(set(excused.values())):
        print(f"{sum(each == reason for each in excused.values())} queries without data: {reason}")
    print(*empty, sep="\n")
    assert empty == []


def test_all_rules_load_and_evaluate(node: Node) -> None:
    groups = node.prometheus.api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len([rule for rule in rules if rule["type"] == "alerting"]) >= 15
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []


def test_recording_rules_give_data_or_have_a_reason(node: Node) -> None:
    for group in node.prometheus.api("rules")["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "recording" and not node.prometheus.query(rule["name"], node.at):
                assert excuse(node, rule["query"]), f"{rule['name']} has no data"


def test_prometheus_sees_the_declared_types(node: Node) -> None:
    """The scraper's metadata is what the registry declares; OpenMetrics says unknown for inherited counter names."""
    metadata = node.prometheus.api("metadata")
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
    labels = node.prometheus.query("count by (k8s_namespace, k8s_pod) (kubeskoop_udp_indatagrams)", node.at)
    pods = {each["metric"].get("k8s_pod", "") for each in labels}
    assert "" in pods
    assert set(node.pods) <= pods


def test_no_sample_comes_twice_in_a_scrape(node: Node) -> None:
    with urllib.request.urlopen(f"{node.prometheus.address}/metrics", timeout=10) as answer:
        own = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
    for name in ("sample_duplicate_timestamp", "sample_out_of_order", "sample_out_of_bounds"):
        assert own[f"prometheus_target_scrapes_{name}_total"] == "0"


def test_every_label_of_a_legend_is_in_the_answer(node: Node) -> None:
    """Series of the host itself have neither namespace nor pod, so it is enough that one of the answer has it."""
    missing = []
    for query in queries():
        expression = filled(query.expression)
        series = node.prometheus.query(expression, node.at)
        if not series or only_on_the_host(expression):
            continue
        labels = {label for each in series for label in each["metric"]}
        absent = set(re.findall(r"{{(\w+)}}", query.legend)) - labels
        missing.extend(f"{query.place}: {label}: {expression}" for label in sorted(absent))
    assert missing == []
