"""`generate.py push grafana` as a user runs it: the plan, the bundle's own dashboards, bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import generate
from dashboards import catalogue
from dashboards.push.server import Server
from exporter import registry
from tests.unit.push.fake_grafana import TOKEN, Failure

if TYPE_CHECKING:
    from tests.unit.push.fake_grafana import FakeGrafana

COUNT = len(list(catalogue.boards(registry.load())))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    monkeypatch.delenv("GRAFANA_URL", raising=False)


def run(*arguments: str) -> int:
    return generate.main(["push", "grafana", *arguments])


def test_the_plan_comes_first_and_alone_where_asked(
    grafana: FakeGrafana, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_URL", grafana.url)
    assert run("--plan") == 0
    planned = capsys.readouterr().out
    assert planned.startswith("create  folder net-exporter\ncreate  dashboard net-exporter-")
    assert planned.endswith(f"\nplan: {COUNT + 1} to create\n")
    assert grafana.writes == []
    assert run() == 0
    assert capsys.readouterr().out == f"{planned}done: {COUNT + 1} created\n"
    assert run("--plan") == 0
    assert capsys.readouterr().out == f"plan: {COUNT + 1} as they should be\n"


def test_what_is_pushed_is_what_is_generated(grafana: FakeGrafana, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--url", grafana.url) == 0
    for path in sorted((generate.BUNDLE / "dashboards").glob("*.json")):
        board = json.loads(path.read_bytes())
        assert grafana.saved(board["uid"]) | {"id": None, "version": 1} == board
    assert run("--url", grafana.url, "--naming", "inspector") == 0
    assert capsys.readouterr().out.endswith(f"done: {COUNT} updated, 1 as they should be\n")


def test_json_tells_plan_and_result(grafana: FakeGrafana, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--url", grafana.url, "--json", "--plan") == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"plan", "notes"}
    assert len(told["plan"]) == COUNT + 1
    assert told["plan"][0] == {"kind": "folder", "name": "net-exporter", "action": "create", "why": "", "sent": None}
    run("--url", grafana.url)
    grafana.edit("net-exporter-udp")
    capsys.readouterr()
    assert run("--url", grafana.url, "--json") == 1
    result = json.loads(capsys.readouterr().out)["result"]
    [left] = [step for step in result if step["action"] != "skip"]
    assert (left["name"], left["action"]) == ("net-exporter-udp", "leave")
    assert "is of alice" in left["why"]


def test_what_fails_is_told_and_the_exit_code_says_so(grafana: FakeGrafana, capsys: pytest.CaptureFixture[str]) -> None:
    grafana.failures.append(Failure("/api/dashboards/db", 400, body=b'{"message": "Too large"}'))
    assert run("--url", grafana.url) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-2].endswith("/api/dashboards/db answers 400: Too large")
    assert told[-1] == f"done: {COUNT} created, 1 failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push"], "the following arguments are required: TARGET"),
        (["push", "grafna"], "unknown target 'grafna'; did you mean 'grafana'?"),
        (["push", "--plan"], "unknown target '--plan'"),
        (["push", "grafana", "--plam"], "unknown option '--plam'; did you mean '--plan'?"),
        (["push", "grafana", "--naming", "kubescoop"], "unknown naming 'kubescoop'; did you mean 'kubeskoop'?"),
        (["push", "grafana"], "no address of Grafana; name it with --url or GRAFANA_URL"),
        (
            ["push", "grafana", "--url", "grafana"],
            "'grafana' is no address of a Grafana; write https://HOST[:PORT][/PATH]",
        ),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert generate.main(arguments) == 2
    assert capsys.readouterr() == ("", f"generate.py: {message}\n")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "no token; set GRAFANA_TOKEN to one of a service account with role Editor"),
        ("a\nb", "GRAFANA_TOKEN holds characters that no token has"),
        ("tök", "GRAFANA_TOKEN holds characters that no token has"),
        ("wrong", "refuses the token (401); set GRAFANA_TOKEN to one of a service account with role Editor"),
    ],
)
def test_a_token_that_cannot_be_right_is_one_line(
    grafana: FakeGrafana,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    message: str,
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", token)
    assert run("--url", grafana.url) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.endswith(f"{message}\n")
    assert error.count("\n") == 1
    assert grafana.writes == []


def test_a_user_who_stops_it_sees_one_line(
    grafana: FakeGrafana, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "post", stop)
    assert run("--url", grafana.url) == 130
    assert capsys.readouterr().err == "generate.py: stopped; run it again to finish\n"


def test_a_missing_package_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_: str) -> None:
        raise ModuleNotFoundError("No module named 'rich'", name="rich")

    monkeypatch.setattr(generate.importlib, "import_module", lacking)
    assert run("--url", "https://example.com") == 2
    assert capsys.readouterr() == (
        "",
        "generate.py: package rich is not installed; run: pip install --group generate\n",
    )


def test_help_names_targets_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["push", "--help"], ["grafana", "Create or update the folder and the dashboards of a Grafana."]),
        (["push", "grafana", "--help"], ["--plan", "--json", "--url", "--datasource", "--overwrite", "--folder"]),
    ):
        with pytest.raises(SystemExit) as ended:
            generate.main(arguments)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert [word for word in words if word not in told] == []


def test_a_terminal_sees_progress_and_a_file_does_not(grafana: FakeGrafana) -> None:
    command = [sys.executable, "generate.py", "push", "grafana", "--url", grafana.url]
    where = {"cwd": generate.BUNDLE.parent, "stdout": subprocess.DEVNULL, "timeout": 120}
    assert subprocess.run(command, check=True, stderr=subprocess.PIPE, **where).stderr == b""
    grafana.boards.clear()
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        subprocess.run(command, check=True, stderr=theirs, env={**os.environ, "TERM": "xterm"}, **where)
        os.close(theirs)
        assert b"100%" in screen.read(65536)
