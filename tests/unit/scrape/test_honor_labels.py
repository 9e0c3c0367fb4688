"""A running Prometheus keeps the measured pod, whatever labels the target brings along."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml

import scrape
from exporter import registry
from exporter.model.metric import Identity, Naming
from exporter.probes.udp import NO_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSPECTOR = Naming.INSPECTOR
NAME = NO_PORTS.name_in(INSPECTOR)
EXPOSITION = (
    f"# TYPE {NAME} counter\n"
    f'{NAME}{{namespace="shop",netns="ns1",node="node-a",pod="web-0"}} 5 1000\n'
    f'{NAME}{{namespace="",netns="ns0",node="node-a",pod=""}} 7 1000\n'
).encode()
PATIENCE = 20.0


class Exposition(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(EXPOSITION)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 -- signature of the base class
        pass


@pytest.fixture
def target() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_labels_and_time_of_the_measured_pod_win(tmp_path: Path, target: str) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    config = yaml.safe_load(scrape.files(registry.load(), INSPECTOR)["scrape/static.yml"])
    (job,) = config["scrape_configs"]
    job |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    ours = {identity.name_in(INSPECTOR): "exporter" for identity in (Identity.NODE, Identity.NAMESPACE, Identity.POD)}
    job["static_configs"] = [{"targets": [target], "labels": ours}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    command = [program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"]
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT) as running,
    ):
        try:
            found = series(log)
        finally:
            running.terminate()
    common = {"__name__": NAME, "instance": target, "job": "net-exporter", "node": "node-a"}
    # The scrape's time, not the exposition's of 1970, or an instant query would find nothing.
    assert sorted(found, key=lambda labels: labels["netns"]) == [
        {**common, "netns": "ns0"},
        {**common, "netns": "ns1", "namespace": "shop", "pod": "web-0"},
    ]


def series(log: Path) -> list[dict[str, str]]:
    """What Prometheus stored, as soon as there is something."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(0.1)  # polling for another program, not a measurement
        address = [
            line.partition("address=")[2].split()[0] for line in log.read_text().splitlines() if "Listening on" in line
        ]
        if not address:
            continue
        with urllib.request.urlopen(f"http://{address[0]}/api/v1/query?query={quote(NAME)}", timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
        if found:
            return [each["metric"] for each in found]
    raise AssertionError(f"nothing was scraped in {PATIENCE} s:\n{log.read_text()[-2000:]}")
