"""A small node: two pods with traffic between them, an exporter, and a real Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60.0

TRAFFIC = """
import os, socket, sys, tempfile, threading, time
address, role = sys.argv[1], sys.argv[2]
if role == "server":
    tcp = socket.create_server((address, 8080))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind((address, 5353))
    held = []
    def echo():
        while True:
            data, peer = udp.recvfrom(2048); udp.sendto(data, peer)
    threading.Thread(target=echo, daemon=True).start()
    while True:
        connection, _ = tcp.accept(); held.append(connection); connection.sendall(b"x" * 1000)
        if len(held) > 5: held.pop(0).close()
elif role == "host":
    disk = tempfile.TemporaryFile()
    while True:
        socket.socket().connect_ex((address, 9))
        disk.write(bytes(4096)); disk.flush(); os.fsync(disk.fileno())
        time.sleep(0.1)
else:
    keep = []
    silent = []
    for _ in range(20):  # its answers go nowhere, so that SYNs are sent again
        silent.append(socket.socket()); silent[-1].setblocking(False); silent[-1].connect_ex(("10.91.0.77", 80))
    while True:
        try:
            keep.append(socket.create_connection((address, 8080), timeout=2)); keep[-1].recv(1000)
            if len(keep) > 5: keep.pop(0).close()
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.settimeout(1)
            udp.sendto(b"question", (address, 5353)); udp.recv(100)
            udp.sendto(b"nobody listens", (address, 9)); udp.close()
            socket.socket().connect_ex((address, 9))
        except OSError:
            pass
        time.sleep(0.05)
"""


@dataclass(frozen=True)
class Node:
    """A running exporter and the Prometheus that scrapes it."""

    exporter: str
    prometheus: str
    probes: dict[str, dict[str, Any]]  # probe -> its row of `check --json`
    pods: list[str]

    def api(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        url = f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{path} {parameters}: {error.read().decode()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextlib.contextmanager
def pods() -> Iterator[list[str]]:
    """Two namespaces with a veth pair and a program in each that talks to the other."""
    tag = f"{os.getpid() % 10_000}"
    names = [f"e2e{tag}a", f"e2e{tag}b"]
    programs = []
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for index, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.91.0.{index + 1}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "neigh", "add", "10.91.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0")
            role = "server" if index == 0 else "client"
            command = ["ip", "netns", "exec", name, sys.executable, "-c", TRAFFIC, "10.91.0.1", role]
            programs.append(subprocess.Popen(command))
        programs.append(subprocess.Popen([sys.executable, "-c", TRAFFIC, "127.0.0.1", "host"]))
        yield names
    finally:
        for program in programs:
            program.kill()
            program.wait()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@contextlib.contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the URL answers 200."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    pytest.fail(f"{url} did not answer: {log.read_text()}")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Everything running, and scraped often enough for rates."""
    if os.geteuid() != 0:
        pytest.skip("needs root: real network namespaces are made")
    if shutil.which("prometheus") is None:
        pytest.skip("needs the package prometheus")
    folder = tmp_path_factory.mktemp("node")
    exporter_port, prometheus_port = free_port(), free_port()
    every_probe = _probes()
    config = {
        "metrics": {"interval": 1, "ebpfStats": True, "probes": every_probe},
        "event": {
            "port": 0,
            "probes": ["tcpreset", "packetloss"],
            "sinks": [{"name": "file", "args": {"path": str(folder / "events.log")}}],
        },
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_scrape(exporter_port)))
    exporter_log, prometheus_log = folder / "exporter.log", folder / "prometheus.log"
    exporter = [
        sys.executable, "-m", "exporter", "run",
        "--config", str(folder / "config.yml"), "--listen", f"127.0.0.1:{exporter_port}",
    ]  # fmt: skip
    prometheus = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{prometheus_port}", "--log.level=warn",
    ]  # fmt: skip
    with pods() as names, started(exporter, exporter_log) as one, started(prometheus, prometheus_log) as two:
        here = Node(f"http://127.0.0.1:{exporter_port}", f"http://127.0.0.1:{prometheus_port}", _checked(), names)
        until(f"{here.exporter}/-/ready", one, exporter_log)
        until(f"{here.prometheus}/-/ready", two, prometheus_log)
        _until_scraped(here, times=8)
        yield here


def _scrape(exporter_port: int) -> dict[str, Any]:
    """The generated static configuration, pointed at this exporter and sped up."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "bundle" / "scrape" / "static.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{exporter_port}"]}]
        job["scrape_interval"], job["scrape_timeout"] = "1s", "1s"
    config["rule_files"] = [str(path) for path in sorted((ROOT / "bundle" / "alerts" / "rules").glob("*.yml"))]
    return config


def _until_scraped(node: Node, times: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = node.api("query", query="sum(count_over_time(up[5m])) and on () min(up) == 1")["result"]
        if result and float(result[0]["value"][1]) >= times:
            return
        time.sleep(0.5)
    pytest.fail(f"not scraped {times} times: {node.api('targets')}")


def _probes() -> list[dict[str, Any]]:
    """Every probe, each packet measured: there is too little traffic for samples."""
    from exporter import registry  # noqa: PLC0415 - not needed where these tests are skipped

    return [
        {"name": spec.name, "args": {option.name: 1 for option in spec.options if option.name == "sample_one_in"}}
        for spec in registry.load().probes
    ]


def _checked() -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "exporter", "check", "--json"]
    found = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    return {row["probe"]: row for row in found["probes"]}
