"""`generate.py push arms` as a user runs it."""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

import alerts
import generate
from alerts import thresholds
from scrape.arms.calls import ACTIONS, SERVICES
from tests.unit.push.fake_arms import CLUSTER, ENVIRONMENT, REGION, WORKSPACE, Failure
from tests.unit.push.fake_grafana import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.push.fake_arms import FakeArms
    from tests.unit.push.fake_grafana import FakeGrafana

COUNT = len(list(alerts.rules()))
NO_CREDENTIALS = (
    "no credentials of Alibaba Cloud; set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, "
    "or use --plan"
)
WHERE = ("--region", REGION, "--cluster", CLUSTER, "--environment", ENVIRONMENT)


def run(*arguments: str) -> int:
    return generate.main(["push", "arms", *arguments])


def at(fake: FakeArms) -> tuple[str, ...]:
    return ("--endpoint", fake.url, "--cms-endpoint", fake.url)


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)


def test_all_of_it_is_pushed_and_the_second_run_finds_it_there(
    arms: FakeArms, grafana: FakeGrafana, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    arms.grafana = grafana.url
    total = COUNT + 2 + 1 + len(list((generate.BUNDLE / "dashboards").glob("*.json")))
    assert run(*WHERE, *at(arms), "--workspace", WORKSPACE) == 0
    assert capsys.readouterr().out.endswith(f"\ndone: {total} created\n")
    assert len(arms.alerts) == COUNT
    assert grafana.saved("net-exporter-udp")["uid"] == "net-exporter-udp"
    assert f"{grafana.url}/d/" in json.dumps(arms.alerts[0]["Annotations"])
    assert run(*WHERE, *at(arms), "--workspace", WORKSPACE) == 0
    assert capsys.readouterr().out.endswith(f"plan: {total} as they should be\ndone: {total} as they should be\n")


def test_a_plan_needs_neither_credentials_nor_a_service_nor_the_sdk(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.client", None)
    assert run(*WHERE, "--plan", "--workspace", WORKSPACE) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "create  scrape configuration net-exporter/net-exporter (CreateEnvServiceMonitor)"
    assert told[1] == "create  recording rules net-exporter.recording (CreateAggTaskGroup)"
    assert told[2] == "create  alert rule NetExporterDown (CreateOrUpdateAlertRule)"
    assert told[-1] == f"plan: {COUNT + 2} to create"
    notes = [line for line in told if line.startswith("note    ")]
    assert notes[0] == "note    no credentials: planned as if the account had nothing"
    assert any("keep_firing_for" in note for note in notes)
    assert notes[-1] == "note    dashboards: not planned without credentials and GRAFANA_TOKEN"


def test_the_plan_as_json_holds_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*WHERE, "--plan", "--json", "--recording", "v1", "--scrape", "customjob") == 0
    calls = [step["sent"] for step in json.loads(capsys.readouterr().out)["plan"]]
    assert [call["action"] for call in calls[:3]] == [
        "CreateEnvCustomJob",
        "AddRecordingRule",
        "CreateOrUpdateAlertRule",
    ]
    assert calls[0]["parameters"]["CustomJobName"] == "net-exporter"
    assert calls[2]["parameters"]["ClusterId"] == CLUSTER


def test_a_file_of_limits_replaces_those_of_the_alert_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = tmp_path / "limits.yml"
    limits.write_text("lostDatagrams: 7\n", "utf-8")
    queries = []
    for further in ((), ("--thresholds", str(limits))):
        assert run(*WHERE, "--plan", "--json", *further) == 0
        sent = [step["sent"]["parameters"] for step in json.loads(capsys.readouterr().out)["plan"]]
        queries.append({each["AlertName"]: each["PromQL"] for each in sent if "AlertName" in each})
    declared, replaced = queries
    assert declared["NetUdpSendBufferErrors"].endswith(" > 1")
    assert replaced["NetUdpSendBufferErrors"].endswith(" > 7")
    changed = {name for name, query in replaced.items() if query != declared[name]}
    assert changed == {rule.name for rule in alerts.rules() if thresholds.LOST_DATAGRAMS in rule.thresholds}


def test_dashboards_alone_need_no_credentials_of_the_cloud(
    grafana: FakeGrafana, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    assert run("--region", REGION, "--url", grafana.url, "--plan") == 0
    assert capsys.readouterr().out.startswith("create  folder net-exporter\n")
    assert run("--region", REGION, "--url", grafana.url) == 0
    assert "net-exporter-udp" in grafana.boards


def test_a_plan_with_credentials_compares(arms: FakeArms, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*WHERE, *at(arms)) == 0
    arms.alerts[0]["Level"] = "P4"
    capsys.readouterr()
    assert run(*WHERE, *at(arms), "--plan") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "update  alert rule NetExporterDown (CreateOrUpdateAlertRule)"
    assert told[-1] == f"plan: 1 to update, {COUNT + 1} as they should be"


def test_version_1_is_asked_for_and_told_apart(arms: FakeArms) -> None:
    arms.version = "V1"
    assert run("--region", REGION, "--cluster", CLUSTER, *at(arms)) == 0
    assert "net-exporter.recording" in arms.recording
    assert arms.tasks == {}


def test_what_fails_is_told_and_the_exit_code_says_so(arms: FakeArms, capsys: pytest.CaptureFixture[str]) -> None:
    arms.failures.append(Failure("CreateOrUpdateAlertRule", 400, "InvalidPromQL"))
    assert run(*WHERE, *at(arms)) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-2].startswith(
        "fail    alert rule NetExporterDown (CreateOrUpdateAlertRule): CreateOrUpdateAlertRule: "
    )
    assert told[-1] == f"done: {COUNT + 1} created, 1 failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "'' is no region; name one with --region, such as cn-hangzhou"),
        (["--region", "Hangzhou!"], "'Hangzhou!' is no region; name one with --region, such as cn-hangzhou"),
        (
            ["--region", REGION],
            "nothing to push to; name --cluster, --environment, --workspace or --url",
        ),
        (["--region", REGION, "--cluster", "c 1"], "--cluster 'c 1' is no id; the console shows it"),
        (
            ["--region", REGION, "--url", "grafana"],
            "'grafana' is no address of a Grafana; write https://HOST[:PORT][/PATH]",
        ),
        (
            ["--region", REGION, "--cluster", "c", "--endpoint", "ftp://x"],
            "--endpoint 'ftp://x' is no address; write HOST[:PORT]",
        ),
        (["--region", REGION, "--regoin", "x"], "unknown option '--regoin'; did you mean '--region'?"),
        (
            ["--region", REGION, "--cluster", CLUSTER],
            NO_CREDENTIALS,
        ),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr() == ("", f"generate.py: {message}\n")


def test_a_missing_sdk_is_one_line_with_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.client", None)
    assert run(*WHERE) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error == (
        "generate.py: the SDK of Alibaba Cloud is not installed (alibabacloud_credentials.client); run: "
        "pip install -e '.[arms]'\n"
    )


@pytest.mark.usefixtures("credentials")
def test_a_region_without_the_service_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--region", "cn-nowhere", "--cluster", CLUSTER, "--endpoint", "arms.cn-nowhere.invalid") == 2
    assert capsys.readouterr() == (
        "",
        "generate.py: arms.cn-nowhere.invalid is not known; is 'cn-nowhere' a region with it?\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--region", "cn-beijing", "--cluster", CLUSTER),
            "GetPrometheusInstance: InvalidRegionId: code: 400, The region",
        ),
        (("--region", REGION, "--cluster", "c-2"), "GetPrometheusInstance: 404: The instance does not exist."),
        (
            ("--region", REGION, "--environment", "env-2"),
            "ListEnvServiceMonitors: 404: The environment does not exist.",
        ),
        (
            ("--region", REGION, "--workspace", "grafana-2"),
            "Grafana workspace grafana-2 has no address; is it running?",
        ),
    ],
)
def test_what_the_account_does_not_have_is_one_line(
    arms: FakeArms, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(*arguments, *at(arms)) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"generate.py: {message}")
    assert error.count("\n") == 1
    assert arms.writes == []


def test_the_policy_allows_every_call_and_nothing_else(arms: FakeArms, tmp_path: Path) -> None:
    assert generate.main(["--out", str(tmp_path / "out"), "--only", "arms"]) == 0
    policy = json.loads((tmp_path / "out" / "arms" / "ram-policy.json").read_bytes())
    allowed = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert sorted(allowed) == sorted(
        f"{service.value}:{action}" for service, actions in ACTIONS.items() for action in actions
    )
    assert not any(fnmatch("arms:Delete", action) or "*" in action for action in allowed)
    for form in ("servicemonitor", "podmonitor", "customjob"):
        assert run(*WHERE, *at(arms), "--scrape", form) == 0
    assert set(arms.calls) <= set(SERVICES)
