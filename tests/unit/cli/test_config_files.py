"""`net-exporter config`: what a file says, whether it can be used, how it reads in our shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.program import run

if TYPE_CHECKING:
    from pathlib import Path

OLDER = """\
debugmode: false
metric_config:
  interval: 7
  port: 9105
  probes: [net_softirq, {name: flow, args: {interfaceName: eth0}}]
event_config:
  loki_enable: true
  loki_address: loki:3100
  probes: [tcp_reset]
enableController: true
"""
MIGRATED = """\
# line 10:19: enableController has no equivalent: there is no controller to connect to
# listen was metric_config.port
# metrics.interval was metric_config.interval
# metrics.probes was metric_config.probes
# event.probes was event_config.probes
# event.sinks was event_config
listen: 0.0.0.0:9105
debugmode: false
metrics:
  interval: 7
  probes:
  - name: flow
    args:
      interface: eth0
  - softirq
event:
  probes:
  - tcpreset
  sinks:
  - name: loki
    args:
      addr: loki:3100
"""
WRONG = """\
metrics:
  probes: [tpc, {name: flow, args: {entries: 0}}]
  interval: soon
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_another_program_s_file_is_translated_with_a_remark_on_each_difference(file: Path) -> None:
    file.write_text(OLDER)
    assert run("config", "migrate", str(file)) == (0, MIGRATED, "")
    file.write_text(MIGRATED)
    assert run("config", "check", str(file)) == (0, f"{file}: can be used\n", "")


def test_everything_that_is_wrong_is_told_at_once_with_exit_code_2(file: Path) -> None:
    file.write_text(WRONG)
    code, out, err = run("config", "check", str(file))
    assert (code, out, err.splitlines()) == (
        2,
        "",
        [
            f"net-exporter: {file}:2:12: metrics.probes: unknown probe 'tpc'; did you mean 'tcp'?",
            f"net-exporter: {file}:2:46: metrics.probes: entries of flow must be from 1 to 10000000, is 0",
            f"net-exporter: {file}:3:13: metrics.interval must be a number, is 'soon'",
        ],
    )


def test_faults_are_json_for_programs(file: Path) -> None:
    file.write_text("metrics: {intervall: 1}")
    code, out, _ = run("config", "check", "--json", str(file))
    fault = {
        "source": str(file),
        "line": 1,
        "column": 11,
        "key": "metrics.intervall",
        "text": "unknown key 'metrics.intervall'",
        "nearest": "metrics.interval",
    }
    assert (code, json.loads(out)) == (2, {"valid": False, "faults": [fault], "notes": []})
    file.write_text("")
    code, out, err = run("config", "check", "--json", str(file))
    assert (code, json.loads(out), err) == (0, {"valid": True, "faults": [], "notes": []}, "")


def test_each_setting_is_shown_with_who_gave_it(file: Path) -> None:
    file.write_text("metric_config: {interval: 7}\nevent: {probes: [tcp_reset]}\n")
    code, out, err = run("config", "show", str(file), "--set", "metrics.maxSeries=9", "--json")
    assert (code, err) == (0, "")
    found = {row["key"]: (row["value"], row["from"]) for row in json.loads(out)}
    assert found["metrics.interval"] == (7, f"{file}:1:27")
    assert found["metrics.maxSeries"] == (9, "--set")
    assert found["event.probes"] == (["tcpreset"], f"{file}:2:17")
    assert found["listen"] == ("0.0.0.0:9102", "default")
    assert found["node"] == ("node-a", "environment variable INSPECTOR_NODENAME")
    code, out, _ = run("config", "show", str(file))
    assert (code, [line.split() for line in out.splitlines() if line.startswith("metrics.interval")]) == (
        0,
        [["metrics.interval", "7", f"{file}:1:27"]],
    )
