"""The mixin, evaluated by two versions of Jsonnet, against what the generator writes without it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, TypeAlias

import _jsonnet
import promql_parser
import pytest
import yaml

import alerts
from alerts.words import Links
from dashboards import bundle, mixin
from exporter import registry
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Json: TypeAlias = Any  # what JSON holds
KNOWN = registry.load()
WHOLE = """
local m = (import 'mixin.libsonnet') + { _config+:: %s };
{ alerts: m.prometheusAlerts, rules: m.prometheusRules, dashboards: m.grafanaDashboards }
"""
RULES = "((import 'mixin.libsonnet') + { _config+:: %s }).prometheusAlerts"


class RefusedError(Exception):
    """The evaluation ended with an error."""


def by_package(folder: Path, code: str) -> Json:
    try:
        return json.loads(_jsonnet.evaluate_snippet("test", code, jpathdir=[str(folder)]))
    except RuntimeError as error:
        raise RefusedError(str(error)) from error


def by_command(folder: Path, code: str) -> Json:
    return json.loads(run(folder, "-e", code))


def run(folder: Path, *arguments: str) -> str:
    program = shutil.which("jsonnet")
    if program is None:
        pytest.skip("the jsonnet command is not installed (Debian package jsonnet)")
    done = subprocess.run([program, "-J", str(folder), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


@pytest.fixture(params=[by_package, by_command], ids=["package", "command"])
def evaluate(request: pytest.FixtureRequest) -> Callable[[Path, str], Json]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    for path, content in mixin.files(KNOWN, Naming.KUBESKOOP).items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
    return out / "mixin"


def groups(files: dict[str, bytes]) -> list[dict[str, Any]]:
    paths = [path for path in files if path.startswith("alerts/rules/") and "recording" not in path]
    return [group for path in paths for group in yaml.safe_load(files[path])["groups"]]


def boards(naming: Naming) -> dict[str, Any]:
    made = bundle.boards(KNOWN, naming, old=False)
    return {f"{board['uid'].removeprefix('net-exporter-')}.json": board for board in made}


@pytest.mark.parametrize("naming", list(Naming))
def test_rules_and_dashboards_equal_those_written_without_it(
    folder: Path, evaluate: Callable[[Path, str], Json], naming: Naming
) -> None:
    found = evaluate(folder, WHOLE % json.dumps({"naming": naming.value}))
    files = alerts.files(KNOWN, naming)
    assert found["alerts"]["groups"] == groups(files)
    assert found["rules"] == yaml.safe_load(files["alerts/rules/recording.yml"])
    assert found["dashboards"] == boards(naming)


def test_limits_links_and_the_job_are_those_of_the_configuration(
    folder: Path, evaluate: Callable[[Path, str], Json]
) -> None:
    config = {
        "thresholds": {"retransmitShare": 0.02, "stuckQueue": 2_500_000},
        "grafanaUrl": "https://grafana.example.com",
        "runbookUrl": "https://docs.example.com/runbooks",
    }
    links = Links(config["grafanaUrl"], config["runbookUrl"])  # type: ignore[arg-type]
    expected = groups(alerts.files(KNOWN, Naming.KUBESKOOP, links, config["thresholds"]))  # type: ignore[arg-type]
    assert evaluate(folder, RULES % json.dumps(config))["groups"] == expected
    text = json.dumps(evaluate(folder, RULES % '{ job: "net/exporter" }'))
    assert 'job=\\"net/exporter\\"' in text
    assert 'job=\\"net-exporter\\"' not in text


def test_a_selector_comes_into_every_selector_of_the_rules(folder: Path, evaluate: Callable[[Path, str], Json]) -> None:
    matcher = 'cluster="blue"'
    found = evaluate(folder, RULES % json.dumps({"selector": matcher}))
    rendering = Rendering(Naming.KUBESKOOP, matchers=(matcher,))
    expected = {rule.name: rule.condition.render(rendering) for rule in alerts.rules()}
    assert {rule["alert"]: rule["expr"] for group in found["groups"] for rule in group["rules"]} == expected


def test_a_selector_comes_into_every_query_and_variable_of_the_dashboards(folder: Path) -> None:
    found = by_package(folder, WHOLE % json.dumps({"selector": 'cluster="blue"'}))
    plain = by_package(folder, WHOLE % "{}")
    for recorded, before in zip(
        found["rules"]["groups"][0]["rules"], plain["rules"]["groups"][0]["rules"], strict=True
    ):
        assert without(recorded["expr"]) == before["expr"]
        assert selectors(recorded["expr"]) == recorded["expr"].count('cluster="blue"')
    for name, board in found["dashboards"].items():
        texts, before = list(queries(board)), list(queries(plain["dashboards"][name]))
        assert [without(text) for text in texts] == before
        assert texts
        for text in texts:
            assert text.count('cluster="blue"') == selectors(text) >= 1, text


def without(text: str) -> str:
    return text.replace('cluster="blue", ', "").replace('{cluster="blue"}', "")


def selectors(text: str) -> int:
    """Number of selectors, counted by another parser."""
    found = re.fullmatch(r"label_values\((.*), \w+\)", text)
    query = (found[1] if found else text).replace("$__rate_interval", "5m").replace("$__range", "1h")
    return len(re.findall(r"(?<=\w)\{", promql_parser.parse(query).prettify()))


def queries(tree: Json) -> list[str]:
    if isinstance(tree, list):
        return [text for each in tree for text in queries(each)]
    if not isinstance(tree, dict):
        return []
    own = [tree[key] for key in ("expr", "definition") if isinstance(tree.get(key), str)]
    return own + [text for each in tree.values() for text in queries(each)]


def test_dashboards_take_prefixes_and_tags(folder: Path) -> None:
    config = {"dashboardUidPrefix": "blue-", "dashboardTitlePrefix": "Blue / ", "dashboardTags": ["blue", "network"]}
    found = by_package(folder, WHOLE % json.dumps(config))["dashboards"]
    for name, board in boards(Naming.KUBESKOOP).items():
        text = json.dumps(board).replace("/d/net-exporter-", "/d/blue-")
        expected = json.loads(text)
        expected["uid"] = board["uid"].replace("net-exporter-", "blue-")
        expected["title"] = f"Blue / {board['title']}"
        expected["tags"] = ["blue", "network", *board["tags"][1:]]
        for link in expected["links"]:
            link["tags"] = ["blue", "network"] if link["tags"] == ["net-exporter"] else link["tags"]
        assert found[name] == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{ sellector: '' }", "unknown key in _config: sellector; known: dashboardTags,"),
        ("{ thresholds+: { retransmitsShare: 1 } }", "unknown key in _config.thresholds: retransmitsShare"),
        ("{ thresholds+: { closeWait: '5' } }", "no number in _config.thresholds: closeWait"),
        ("{ naming: 'kubescoop' }", "_config.naming is kubescoop, must be inspector, kubeskoop"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_named(
    folder: Path, evaluate: Callable[[Path, str], Json], config: str, message: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(message)):
        evaluate(folder, RULES % config)


def test_the_entries_write_files_that_prometheus_loads(folder: Path, tmp_path: Path) -> None:
    for name in ("alerts", "rules"):
        (tmp_path / f"{name}.yml").write_text(run(folder, "-S", str(folder / f"{name}.jsonnet")), "utf-8")
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    command = [promtool, "check", "rules", tmp_path / "alerts.yml", tmp_path / "rules.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sum(int(number) for number in re.findall(r"SUCCESS: (\d+) rules found", done.stdout))
    assert (done.returncode, found) == (0, len(list(alerts.rules())) + len(alerts.RULES)), done.stdout + done.stderr


def test_the_dashboards_entry_writes_a_file_for_each(folder: Path, tmp_path: Path) -> None:
    run(folder, "-m", str(tmp_path), str(folder / "dashboards.jsonnet"))
    written = {path.name: json.loads(path.read_text("utf-8")) for path in tmp_path.iterdir()}
    assert written == boards(Naming.KUBESKOOP)


def test_the_configuration_begins_with_what_the_generator_was_told() -> None:
    text = mixin.files(KNOWN, Naming.INSPECTOR, Links("https://g", "https://r"), {"retransmitShare": 0.02})[
        "mixin/config.libsonnet"
    ].decode()
    assert "    naming: 'inspector',\n" in text
    assert "    grafanaUrl: 'https://g',\n" in text
    assert "    runbookUrl: 'https://r',\n" in text
    assert "      retransmitShare: 0.02,\n" in text
