"""What linters of rule sets ask for, restated: mixtool's rules for alerts, and those of pint that need no server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml

import alerts
from dashboards import catalogue
from exporter import registry
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = registry.load()
RULES = list(alerts.rules())
SCRAPE_INTERVAL = 15  # seconds, as in the generated scrape configurations


def entries(folder: Path) -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text("utf-8")) for path in sorted((folder / "rules").glob("*.yml"))]
    return [entry for file in files for group in file["groups"] for entry in group["rules"]]


@pytest.mark.parametrize("naming", list(Naming))
def test_names_and_groups_keep_the_limits(naming: Naming) -> None:
    files = alerts.files(KNOWN, naming)
    groups = [
        group
        for path, content in files.items()
        if path.startswith("alerts/rules/")
        for group in yaml.safe_load(content)["groups"]
    ]
    names = [group["name"] for group in groups]
    assert len(set(names)) == len(names)
    for group in groups:
        assert len(group["name"]) <= 40
        alerting = [rule for rule in group["rules"] if "alert" in rule]
        assert len(alerting) <= 20
        for rule in alerting:
            assert re.fullmatch(r"([A-Z]+[a-z0-9]+)+", rule["alert"]), rule["alert"]
            assert len(rule["alert"]) <= 40


def test_there_are_enough_alerts_and_none_twice() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
    conditions = [rule.condition.render(Rendering(Naming.KUBESKOOP)) for rule in RULES]
    assert len(set(conditions)) == len(conditions)


def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do(folder: Path) -> None:
    for entry in entries(folder):
        if "alert" not in entry:
            continue
        words = entry["annotations"]
        assert entry["labels"]["severity"] in {"critical", "warning", "info"}
        assert re.fullmatch(r"[A-Z][^{}]+\.", words["summary"]), words["summary"]
        assert "{{" in words["description"]
        assert words["runbook_url"].endswith(f"/{entry['alert']}.md")
        assert words["dashboard_url"]


def test_every_label_in_the_words_exists_in_the_result() -> None:
    for naming in Naming:
        rendering = Rendering(naming)
        by_name = {rule.name: rule for rule in RULES}
        for content in (text for path, text in alerts.files(KNOWN, naming).items() if path.startswith("alerts/rules/")):
            for group in yaml.safe_load(content)["groups"]:
                for entry in group["rules"]:
                    words = " ".join(entry.get("annotations", {}).values())
                    used = set(re.findall(r"\$labels\.(\w+)", words))
                    if "alert" in entry:
                        labels = {rendering.label(key) for key in by_name[entry["alert"]].expr.labels}
                        assert used <= labels, (entry["alert"], used - labels)


def test_every_condition_compares_and_holds_for_two_scrapes(folder: Path) -> None:
    units = {"m": 60, "s": 1}
    for entry in entries(folder):
        if "alert" in entry:
            assert re.search(r" (>|<|==) |^absent\(", entry["expr"]), entry["alert"]
            assert int(entry["for"][:-1]) * units[entry["for"][-1]] >= 2 * SCRAPE_INTERVAL


def test_every_expression_parses_by_another_parser(folder: Path) -> None:
    for entry in entries(folder):
        assert promql_parser.parse(entry["expr"]) is not None


def test_every_metric_in_a_rule_is_known_and_selected_in_that_dialect(folder: Path) -> None:
    names = {metric.name_in(naming) for metric in KNOWN.metrics() for naming in Naming}
    for entry in entries(folder):
        used = set(re.findall(r"\b(?:kubeskoop|inspector)_\w+|\bup\b", entry["expr"]))
        assert used, entry
        assert used <= names, used - names


def test_recorded_names_say_level_metric_and_operation(folder: Path) -> None:
    recorded = [entry["record"] for entry in entries(folder) if "record" in entry]
    assert len(set(recorded)) == len(recorded)
    for name in recorded:
        assert re.fullmatch(r"(node|namespace):[a-z0-9_]+:(sum|ratio)_rate5m", name), name


def test_no_rate_is_shorter_than_two_scrapes(folder: Path) -> None:
    for entry in entries(folder):
        for minutes in re.findall(r"\[(\d+)m\]", entry["expr"]):
            assert int(minutes) * 60 >= 2 * SCRAPE_INTERVAL


def test_every_dashboard_link_leads_to_a_dashboard_with_those_variables(folder: Path) -> None:
    boards = {f"/d/{board.uid}" for board in catalogue.boards(KNOWN)}
    for entry in entries(folder):
        if "alert" in entry:
            path, _, query = entry["annotations"]["dashboard_url"].partition("?")
            assert path in boards, (entry["alert"], path)
            assert set(re.findall(r"var-(\w+)=", query)) <= {"node", "namespace", "pod"}


def test_every_threshold_is_used_and_has_a_reason() -> None:
    table = alerts.thresholds.table()
    used = {threshold for rule in RULES for threshold in rule.thresholds}
    assert used == set(table)
    assert len({threshold.name for threshold in table}) == len(table)
    for threshold in table:
        assert threshold.reason.endswith(".")


def test_the_operator_object_holds_the_same_groups(folder: Path) -> None:
    whole = yaml.safe_load((folder / "prometheusrule.yml").read_text("utf-8"))
    files = [yaml.safe_load(path.read_text("utf-8")) for path in (folder / "rules").glob("*.yml")]
    assert (whole["apiVersion"], whole["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    expected = {group["name"]: group for file in files for group in file["groups"]}
    assert {group["name"]: group for group in whole["spec"]["groups"]} == expected
