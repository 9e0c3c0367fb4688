"""A node of a cluster: how soon after its start the exporter tells of all pods, and what it takes altogether."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from tests.netns.pods import real_pods

_ADDRESS = "127.0.0.1:19378"
_ROOT = Path(__file__).resolve().parents[2]
_SETTLE_SECONDS = 15.0


class Figure(NamedTuple):
    """As `Result` of the bench."""

    name: str
    value: float
    unit: str
    target: float | None
    ratio: str = ""


def figures(count: int) -> list[Figure]:
    """The default probes, the API server's watch and the event stream; the pods have cgroups and namespaces."""
    with tempfile.TemporaryDirectory() as folder, real_pods(Path(folder)) as pods:
        for number in range(count):
            pods.start(number)
        settings = Path(folder) / "config.yaml"
        settings.write_text(
            f"kubeconfig: {pods.kubeconfig}\nnode: node-a\nmetrics: {{additionalLabels: ['app=${{labels:app}}']}}\n"
            "event: {port: 19379, probes: [tcpreset]}\n"
        )
        command = [sys.executable, "-m", "exporter", "run", "--config", str(settings), "--listen", _ADDRESS]
        began = time.perf_counter()
        exporter = subprocess.Popen(command, cwd=_ROOT, stderr=subprocess.DEVNULL)
        try:
            body = _first_scrape()
            took = time.perf_counter() - began
            found = len({line.split('k8s_pod="', 1)[1] for line in body if line.startswith("kubeskoop_ports_range{")})
            end = time.monotonic() + _SETTLE_SECONDS
            while time.monotonic() < end:
                _scrape()
                time.sleep(1)
            memory = int(Path(f"/proc/{exporter.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            exporter.terminate()
            exporter.wait()
    return [
        Figure(f"cold start to the first scrape, {count} pods of a cluster", took, "s", 3.0),
        Figure("  pods that the first scrape lacks", count + 1 - found, "", 0.0),
        Figure(f"resident memory, {count} pods of a cluster, event stream", memory / (1 << 20), "MiB", 110.0),
    ]


def _scrape() -> list[str]:
    with urllib.request.urlopen(f"http://{_ADDRESS}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
    return text.splitlines()


def _first_scrape() -> list[str]:
    """As soon as the address answers."""
    while True:
        try:
            return _scrape()
        except OSError:
            time.sleep(0.01)
