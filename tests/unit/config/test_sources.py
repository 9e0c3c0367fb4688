"""File, environment and command line: who wins, and what is said of each."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from exporter import config
from exporter.model.settings import SETTINGS
from exporter.settings.faults import Faults, FaultsError
from exporter.settings.resolve import variable
from tests.unit.config.declared import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_command_line_overrides_the_file(load: Callable[..., config.Config]) -> None:
    found = load("listen: 127.0.0.1:1\n", listen="127.0.0.1:2")
    assert (found.host, found.port) == ("127.0.0.1", 2)


@pytest.mark.parametrize(
    ("file", "variable", "node"),
    [
        ("node: from-file\n", "from-variable", "from-file"),
        ("", "from-variable", "from-variable"),
        ("node: ''\n", "from-variable", "from-variable"),
        ("", "", socket.gethostname()),
        ("", b"caf\xe9".decode("utf-8", "surrogateescape"), "caf?"),
        ('node: "\\ud800"\n', "", "?"),
    ],
)
def test_the_node_name_is_the_file_s_else_the_variable_s_else_the_machine_s(
    load: Callable[..., config.Config], monkeypatch: pytest.MonkeyPatch, file: str, variable: str, node: str
) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    monkeypatch.setenv("INSPECTOR_NODENAME", variable)
    assert load(file).node == node


def test_the_variable_of_our_manifests_comes_first(
    load: Callable[..., config.Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_NAME", "ours")
    monkeypatch.setenv("INSPECTOR_NODENAME", "theirs")
    assert load("").node == "ours"


def test_every_setting_has_a_variable_of_its_own() -> None:
    names = [variable(setting) for setting in SETTINGS]
    assert len(set(names)) == len(names)
    assert {"NET_EXPORTER_METRICS_MAX_SERIES", "NET_EXPORTER_LOG_LEVEL", "NET_EXPORTER_EBPF_BTF_FOLDER"} <= {*names}


def test_flags_win_over_variables_and_these_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSPECTOR_NODENAME", raising=False)
    monkeypatch.setenv("NET_EXPORTER_METRICS_INTERVAL", "7")
    monkeypatch.setenv("NET_EXPORTER_METRICS_PROBES", "[tuned, {name: tcp, args: {extra: [all]}}]")
    monkeypatch.setenv("NET_EXPORTER_NODE", "12")  # a text, whatever it looks like
    path = tmp_path / "config.yaml"
    path.write_text("metrics:\n  interval: 9\n  maxSeries: 3\nlogLevel: error\n")
    chosen = ["metrics.interval=8", "metrics.interval=11", "event.port=0"]
    faults = Faults()
    found = config.settle(str(path), listen=":1", chosen=chosen, faults=faults)
    faults.check()
    assert {
        key: (each.value, str(each.place)) for key, each in found.values.items() if str(each.place) != "default"
    } == {
        "listen": (":1", "--listen"),
        "node": ("12", "environment variable NET_EXPORTER_NODE"),
        "logLevel": ("error", f"{path}:4:11"),
        "metrics.interval": (11, "--set"),
        "metrics.maxSeries": (3, f"{path}:3:14"),
        "metrics.probes": (
            ["tuned", {"name": "tcp", "args": {"extra": ["all"]}}],
            "environment variable NET_EXPORTER_METRICS_PROBES",
        ),
        "event.port": (0, "--set"),
    }
    assert found.notes == ()


def test_variables_that_kubernetes_sets_for_a_service_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_9102_TCP_ADDR"):
        monkeypatch.setenv(f"NET_EXPORTER_{name}", "tcp://10.0.0.1:9102")
    monkeypatch.setenv("NET_EXPORTER_METRIC_INTERVAL", "1")
    told = ("environment variable NET_EXPORTER_METRIC_INTERVAL is not known and has no effect",)
    assert config.load(REGISTRY, None).notes == told


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("metrics.interval", "--set: --set must be KEY=VALUE, for example metrics.interval=10, is 'metrics.interval'"),
        ("metrics.intervall=1", "--set: unknown key 'metrics.intervall'; did you mean 'metrics.interval'?"),
        ("metrics.interval=x", "--set: metrics.interval must be a number, is 'x'"),
        ("metrics.interval=[", "--set: metrics.interval: expected the node content, but found '<stream end>'"),
        ("metrics.interval=", "--set: metrics.interval must be a number, is None"),
        ("metrics.probes=[tpc]", "--set:1:2: metrics.probes: unknown probe 'tpc'; did you mean 'tcp'?"),
        ("=", "--set: unknown key ''"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_named(chosen: str, said: str) -> None:
    with pytest.raises(FaultsError) as raised:
        config.load(REGISTRY, None, chosen=[chosen])
    assert str(raised.value) == said


def test_debug_mode_is_the_level_of_the_log_unless_that_is_set(load: Callable[..., config.Config]) -> None:
    contents = ("debugmode: true", "debugMode: true", "debugmode: false", "{debugmode: true, logLevel: error}")
    assert [load(content).log_level for content in contents] == ["debug", "debug", "info", "error"]
