"""A small node: two pods with traffic between them, an exporter, and Prometheus and VictoriaMetrics that scrape it."""

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
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 180.0
SCRAPE_SECONDS = 5  # also the time-out, which a busy machine may need
BEHIND = 4.0  # seconds: what is older is stored and visible in both databases
STEADY = "count_over_time(up[30s]) >= 5 and min_over_time(up[30s]) == 1"  # 30 s is the window of the rates

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
    """A running exporter and the two that scrape it, each by itself."""

    exporter: str
    prometheus: Database
    victoria: Database
    probes: dict[str, dict[str, Any]]  # probe -> its row of `check --json`
    pods: list[str]
    at: float  # Unix seconds: both databases had scraped without a gap for the window of the rates


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


@pytest.fixture(scope="package")  # not for longer, as it would be in the way of all that follows
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Everything running, and scraped often enough for rates."""
    if os.geteuid() != 0:
        pytest.skip("needs root: real network namespaces are made")
    for program in ("prometheus", "victoria-metrics"):
        if shutil.which(program) is None:
            pytest.skip(f"needs the package {program}")
    folder = tmp_path_factory.mktemp("node")
    exporter_port, prometheus_port, victoria_port = free_port(), free_port(), free_port()
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
    scrape = _scrape(exporter_port)
    (folder / "victoria.yml").write_text(yaml.safe_dump(_for_victoria(scrape)))
    rules = [str(path) for path in sorted((ROOT / "bundle" / "alerts" / "rules").glob("*.yml"))]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(scrape | {"rule_files": rules}))
    exporter = [
        sys.executable, "-m", "exporter", "run",
        "--config", str(folder / "config.yml"), "--listen", f"127.0.0.1:{exporter_port}",
    ]  # fmt: skip
    prometheus = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{prometheus_port}", "--log.level=warn",
    ]  # fmt: skip
    victoria = [  # its answers leave out the last 30 s unless told otherwise
        "victoria-metrics", f"-promscrape.config={folder / 'victoria.yml'}", "-promscrape.config.strictParse=true",
        f"-storageDataPath={folder / 'victoria'}", f"-httpListenAddr=127.0.0.1:{victoria_port}",
        "-search.latencyOffset=1s", "-search.disableCache", "-loggerLevel=WARN",
    ]  # fmt: skip
    databases = Database(f"http://127.0.0.1:{prometheus_port}"), Database(f"http://127.0.0.1:{victoria_port}")
    address = f"http://127.0.0.1:{exporter_port}"
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(pods())
        for name, command, ready in (
            ("exporter", exporter, f"{address}/-/ready"),
            ("prometheus", prometheus, f"{databases[0].address}/-/ready"),
            ("victoria-metrics", victoria, f"{databases[1].address}/health"),
        ):
            log = folder / f"{name}.log"
            until(ready, stack.enter_context(started(command, log)), log)
        yield Node(address, *databases, _checked(), names, _steady(databases))


def _scrape(exporter_port: int) -> dict[str, Any]:
    """The generated static configuration, pointed at this exporter and sped up."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "bundle" / "scrape" / "static.yml").read_text())
    every = f"{SCRAPE_SECONDS}s"
    config["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{exporter_port}"]}]
        job["scrape_interval"], job["scrape_timeout"] = every, every
    return config


def _for_victoria(config: dict[str, Any]) -> dict[str, Any]:
    """The same without what VictoriaMetrics 1.79 does not know and, read strictly, refuses."""
    jobs = [{key: value for key, value in job.items() if key != "label_limit"} for job in config["scrape_configs"]]
    return {"scrape_configs": jobs}


def _steady(databases: tuple[Database, Database]) -> float:
    """Wait for a moment before which no scrape failed, and return it: a busy machine may miss some again later."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        at = time.time() - BEHIND
        if all(database.query(STEADY, at) for database in databases):
            return at
        time.sleep(0.5)
    pytest.fail(f"not scraped steadily: {[database.api('targets') for database in databases]}")


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
