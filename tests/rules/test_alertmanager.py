"""The example for Alertmanager: checked by amtool, and by a live one that is told of alerts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

import alerts
from alerts import routing
from alerts.casefile import DEFAULTS
from alerts.model import Severity
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alerts.model import AlertRule

PATIENCE = 60  # seconds until the live one has started and answered


def tool(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed (Debian package prometheus-alertmanager)")
    return program


def amtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [tool("amtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_alertmanager_loads_it(folder: Path) -> None:
    done = amtool("check-config", folder / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"- {len(routing.NEEDLESS)} inhibit rules" in done.stdout


@pytest.mark.parametrize("severity", list(Severity))
def test_each_severity_reaches_its_receiver(folder: Path, severity: Severity) -> None:
    for rule in alerts.rules():
        if rule.severity is severity:
            labels = (f"alertname={rule.name}", f"severity={severity.value}")
            expected = routing.RECEIVERS[severity]
            break
    config = f"--config.file={folder / 'alertmanager.yml'}"
    done = amtool("config", "routes", "test", config, f"--verify.receivers={expected}", *labels)
    assert done.returncode == 0, done.stdout + done.stderr
    other = amtool("config", "routes", "test", config, "alertname=SomebodyElses", f"severity={severity.value}")
    assert other.stdout.strip() == routing.NOBODY


def test_what_is_needless_exists_and_is_less_severe_or_narrower(folder: Path) -> None:
    config = yaml.safe_load((folder / "alertmanager.yml").read_text("utf-8"))
    names = {rule.name for rule in alerts.rules()}
    for inhibition in config["inhibit_rules"]:
        told = re.findall(r"Net\w+", " ".join(inhibition["source_matchers"] + inhibition["target_matchers"]))
        assert set(told) <= names
        assert len(told) == len(set(told)) >= 2
        assert inhibition["equal"]


class Live:
    """A running Alertmanager.

    Args:
        url: of its API.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def tell(self, *labels: dict[str, str]) -> None:
        body = json.dumps([{"labels": each} for each in labels]).encode()
        with urlopen(Request(f"{self.url}/alerts", body, {"Content-Type": "application/json"}), timeout=10):
            pass

    def inhibited(self) -> dict[str, bool]:
        """Alert and node -> whether another one makes it needless."""
        with urlopen(f"{self.url}/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return {f"{a['labels']['alertname']}@{where(a['labels'])}": bool(a["status"]["inhibitedBy"]) for a in found}


def where(labels: dict[str, str]) -> str:
    return labels.get("k8s_node") or labels.get("node") or labels["job"]


@pytest.fixture
def live(folder: Path, tmp_path: Path) -> Iterator[Live]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    command = [
        *(tool("prometheus-alertmanager"), f"--config.file={folder / 'alertmanager.yml'}"),
        *(f"--storage.path={tmp_path}", f"--web.listen-address={address}", "--cluster.listen-address="),
    ]
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urlopen(f"http://{address}/-/ready", timeout=5).close()
                break
            except (URLError, OSError):
                assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
                assert time.monotonic() < until, (tmp_path / "log").read_text("utf-8")
                time.sleep(0.1)
        yield Live(f"http://{address}/api/v2")
    finally:
        process.terminate()
        process.wait()


def labels(rule: AlertRule, rendering: Rendering, node: str) -> dict[str, str]:
    values = {rendering.label(key): DEFAULTS.get(key, "x") for key in rule.expr.labels}
    for key in ("k8s_node", "node", "job"):
        if key in values:
            values[key] = node
            break
    return {"alertname": rule.name, "severity": rule.severity.value, **values}


def test_the_graver_alert_silences_the_lesser_of_the_same_node_only(folder: Path, live: Live) -> None:
    rendering = Rendering(next(naming for naming in Naming if naming.value in folder.parent.name))
    for source, targets in routing.NEEDLESS:
        live.tell(labels(source, rendering, "node-a"))
        for target in targets:
            live.tell(labels(target, rendering, "node-a"), labels(target, rendering, "node-b"))
    expected = {f"{target.name}@node-a": True for _, targets in routing.NEEDLESS for target in targets}
    expected |= {f"{target.name}@node-b": False for _, targets in routing.NEEDLESS for target in targets}
    expected |= {
        f"{source.name}@node-a": False for source, _ in routing.NEEDLESS if source.name + "@node-a" not in expected
    }
    # On node-b the nearly full table is told as well, and makes its trend needless there.
    expected["NetConntrackTableFillingUp@node-b"] = True
    until = time.monotonic() + PATIENCE
    while live.inhibited() != expected and time.monotonic() < until:
        time.sleep(0.2)  # Alertmanager takes alerts over a moment after it has answered
    assert live.inhibited() == expected
