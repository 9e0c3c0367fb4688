"""Bundles for one version of Grafana or Prometheus: what they hold, what they go without, and that they say so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import alerts
import dashboards
import generate
import scrape
from alerts.targets import feature, grafana, prometheus
from alerts.targets.chosen import EVERY, Targets
from alerts.targets.feature import Feature
from dashboards import catalogue, fitting, loki, units
from exporter import registry
from exporter.model.metric import Naming

MODERN = ("8.4", "9", "10", "11", "12", "13")
UNITS = json.loads((Path(__file__).parent / "grafana_units.json").read_text("utf-8"))["versions"]
EQUAL_PANEL = {"timeseries": "graph", "stat": "singlestat"}
REGISTRY = registry.load()


@cache
def boards(version: str) -> dict[str, dict[str, Any]]:
    """Provisionable boards by path."""
    files = dashboards.files(REGISTRY, Naming.KUBESKOOP, Targets(grafana.VERSIONS[version]))
    return {
        path: json.loads(text) for path, text in files.items() if re.search(r"^[^.]+(?<!import)/[\w-]+\.json", path)
    }


def folders(version: str) -> set[str]:
    return {path.rpartition("/")[0] for path in boards(version) if "/import/" not in path}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [inner for p in board["panels"] for inner in (p["panels"] if p["type"] == "row" else [p])]


def options_of_cells(version: str) -> set[tuple[str, str]]:
    found = (
        (each["id"], json.dumps(each["value"]))
        for path, board in boards(version).items()
        if "/v2/" not in path
        for panel in panels(board)
        if panel["type"] == "table"
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
    )
    return {each for each in found if each[0] in ("custom.displayMode", "custom.cellOptions")}


def test_a_version_gets_the_generations_that_it_loads() -> None:
    found = {version: folders(version) for version in grafana.VERSIONS}
    assert found == {
        "7.5": {"dashboards/legacy"},
        **{version: {"dashboards"} for version in ("8.4", "9", "10", "11", "12")},
        "13": {"dashboards", "dashboards/v2"},
    }


def test_each_is_written_in_the_schema_that_its_grafana_writes_itself() -> None:
    found = {v: {b["schemaVersion"] for b in boards(v).values() if "schemaVersion" in b} for v in grafana.VERSIONS}
    assert found == {"7.5": {27}, "8.4": {35}, "9": {36}, "10": {38}, "11": {39}, "12": {41}, "13": {42}}


def test_colours_of_cells_are_an_option_since_9_4_and_a_display_mode_before() -> None:
    """Grafana does not move it where the schema says that it has been moved."""
    before, since = {("custom.displayMode", '"color-text"')}, {("custom.cellOptions", '{"type": "color-text"}')}
    assert {version: options_of_cells(version) for version in MODERN} == {
        **dict.fromkeys(("8.4", "9"), before),
        **dict.fromkeys(("10", "11", "12", "13"), since),
    }


def test_old_keys_of_heatmaps_go_where_nothing_reads_them() -> None:
    for version in MODERN:
        heatmaps = [p for b in boards(version).values() if "panels" in b for p in panels(b) if p["type"] == "heatmap"]
        assert len(heatmaps) > 3
        assert {"yBucketBound" in panel for panel in heatmaps} == {version in ("8.4", "9")}
        assert all("rowsFrame" in panel["options"] for panel in heatmaps)


def test_the_report_names_every_panel_that_is_drawn_otherwise_or_not_at_all() -> None:
    changed = set()
    old = {board["uid"]: board for board in boards("7.5").values()}
    for board in boards("8.4").values():
        drawn = {panel["id"]: panel["type"] for panel in panels(old[board["uid"]])}
        for panel in panels(board):
            if drawn.get(panel["id"]) != EQUAL_PANEL.get(panel["type"], panel["type"]):
                changed.add(f"{board['title'].rpartition(' / ')[2]} › {panel['title']}")
    (section,) = [each for each in dashboards.report(REGISTRY, Targets(grafana.VERSIONS["7.5"])) if each.notes][:1]
    kinds = (grafana.NODE_GRAPH, grafana.STATE_TIMELINE)
    told = {place for note in section.notes if note.feature in kinds for place in note.places}
    assert changed == told != set()


def test_every_feature_that_is_declared_is_used_by_some_board_and_missed_by_some_version() -> None:
    declared = {value for value in vars(grafana).values() if isinstance(value, Feature)}
    assert declared == {*fitting.USED, grafana.RESOURCE, grafana.LOKI_STEP}
    shown = catalogue.boards(REGISTRY)
    missed = {note.feature for version in grafana.VERSIONS.values() for note in fitting.notes(shown, version)}
    assert missed == set(fitting.USED)


@pytest.mark.parametrize("version", UNITS)
def test_every_unit_is_one_of_grafanas(version: str) -> None:
    known: set[str] = set()
    for each, change in UNITS.items():
        known = (known | set(change["added"])) - set(change["removed"])
        if each == version:
            break
    assert len(known) > 200
    assert {show.value for show in units.Show} - known == set()
    assert {"packets/sec", "None"} & known == set(), "often used, and units of no version"


def test_alerts_stay_on_only_where_prometheus_can_keep_them() -> None:
    old, new = (rules(version) for version in ("2.37", "2.42"))
    kept = {rule["alert"]: rule["keep_firing_for"] for rule in new if "keep_firing_for" in rule}
    assert [rule for rule in old if "keep_firing_for" in rule] == []
    assert [{k: v for k, v in rule.items() if k != "keep_firing_for"} for rule in new] == old
    assert new == rules("3")
    (section,) = alerts.report(REGISTRY, Targets(prometheus=prometheus.VERSIONS["2.37"]))
    assert {place for note in section.notes for place in note.places} == {f"{n}: {time}" for n, time in kept.items()}


def rules(version: str) -> list[dict[str, Any]]:
    targets = Targets(prometheus=prometheus.VERSIONS[version])
    files = alerts.files(REGISTRY, Naming.KUBESKOOP, targets=targets)
    whole = yaml.safe_load(files["alerts/prometheusrule.yml"])["spec"]["groups"]
    single = [
        group
        for path, text in files.items()
        if path.startswith("alerts/rules/")
        for group in yaml.safe_load(text)["groups"]
    ]
    assert sorted(whole, key=lambda group: group["name"]) == sorted(single, key=lambda group: group["name"])
    return [rule for group in whole for rule in group["rules"]]


@pytest.mark.parametrize(("version", "loads"), [("2.37", True), ("2.42", False)])
def test_a_rule_engine_of_before_loads_only_what_is_written_for_before(
    tmp_path: Path, version: str, *, loads: bool
) -> None:
    vmalert = shutil.which("vmalert")
    if vmalert is None:
        pytest.skip("vmalert (victoria-metrics) is not installed")
    assert generate.main(["--out", str(tmp_path / "out"), "--only", "alerts", "--prometheus", version]) == 0
    command = [vmalert, "-dryRun", f"-rule={tmp_path}/out/alerts/rules/*.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == loads, done.stderr
    assert ("keep_firing_for" in done.stderr) != loads


def test_discovery_by_annotations_needs_a_prometheus_that_compares_labels() -> None:
    written = {
        version: {path for path in scrape.files(REGISTRY, Naming.KUBESKOOP, Targets(prometheus=each)) if "pods" in path}
        for version, each in prometheus.VERSIONS.items()
    }
    assert written == {"2.37": set(), "2.42": {"scrape/kubernetes-pods.yml"}, "3": {"scrape/kubernetes-pods.yml"}}


def test_the_dashboard_of_events_needs_a_grafana_that_knows_its_window() -> None:
    written = {
        version: set(loki.files(REGISTRY, Naming.KUBESKOOP, Targets(each)))
        for version, each in grafana.VERSIONS.items()
    }
    assert {version for version, files in written.items() if files} == {"10", "11", "12", "13"}
    for version, each in grafana.VERSIONS.items():
        (section,) = loki.report(REGISTRY, Targets(each))
        assert [note.places for note in section.notes] == ([] if written[version] else [("loki/events.json",)])


def test_what_is_shown_is_what_lies_beside_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    chosen = ["--out", str(out), "--only", "dashboards,alerts", "--grafana", "7.5", "--prometheus", "2.37"]
    assert generate.main(chosen) == 0
    shown = capsys.readouterr().out
    assert (out / "dashboards/compatibility.txt").read_text("utf-8") in shown
    assert (out / "alerts/compatibility.txt").read_text("utf-8") in shown
    assert generate.main([*chosen, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["changed"] == {}
    told = [section for section in document["compatibility"] if section["folder"] == "alerts"]
    (note,) = told[0]["notes"]
    assert note["feature"]["since"] == "2.42"
    assert len(note["places"]) == len([rule for rule in alerts.rules() if rule.keep])


def test_a_folder_changes_from_one_version_to_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for version, present in (("7.5", {"legacy"}), ("13", {"v2"}), (None, {"legacy", "v2"})):
        chosen = ["--grafana", version] if version else []
        assert generate.main(["--out", str(out), "--only", "dashboards", *chosen]) == 0
        assert {path.name for path in (out / "dashboards").iterdir()} & {"legacy", "v2"} == present


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grafana", "6"], "unknown version '6' of Grafana; known are 7.5, 8.4, 9, 10, 11, 12, 13"),
        (["--grafana", ""], "unknown version '' of Grafana; known are 7.5, 8.4, 9, 10, 11, 12, 13"),
        (["--prometheus", "2.4"], "unknown version '2.4' of Prometheus; known are 2.37, 2.42, 3"),
        (["--grafana-ulr", "x"], "unknown option '--grafana-ulr'; did you mean '--grafana-url'?"),
    ],
)
def test_an_unknown_version_is_one_line_with_those_that_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert generate.main(["--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr() == ("", f"generate.py: {message}\n")
    assert not (tmp_path / "out").exists()


def test_without_a_version_every_generation_is_written_and_the_report_tells_of_each() -> None:
    assert [section.folder for section in dashboards.report(REGISTRY, EVERY)] == [
        "dashboards",
        "dashboards/legacy",
        "dashboards/v2",
    ]
    assert "dashboards/v2: for Grafana 13; nothing is left out\n" in feature.text(dashboards.report(REGISTRY, EVERY))
