"""Adding a probe is adding one file: it then shows up everywhere without another edit.

This is also the worked example of docs/contributing.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROBE = '''
"""Uptime of the node."""

from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Table
from exporter.sources import procfs

SECONDS = Metric(
    probe="uptime",
    name="seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Time since the node started.",
    scope=Scope.NODE,
    source="/proc/uptime",
)


def collect(cycle):
    table = Table((SECONDS,))
    table.add(cycle.host, [float(procfs.read(cycle.env.proc / "uptime").split()[0])])
    return [table]


PROBE = ProbeSpec(name="uptime", summary="Uptime of the node.", metrics=(SECONDS,), open=stateless(collect))
'''

RUN = """
import sys
import exporter.probes
exporter.probes.__path__.append({folder!r})
{code}
"""


def _python(folder: Path, code: str) -> str:
    script = RUN.format(folder=str(folder), code=code)
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "probes").mkdir()
    (tmp_path / "probes" / "uptime.py").write_text(PROBE)
    return tmp_path / "probes"


def test_it_is_exposed(folder: Path) -> None:
    exposition = _python(folder, "from exporter.__main__ import main; main(['once'])")
    assert "# TYPE kubeskoop_uptime_seconds gauge\nkubeskoop_uptime_seconds{" in exposition


def test_it_is_listed_and_checked(folder: Path) -> None:
    rows = json.loads(_python(folder, "from exporter.__main__ import main; main(['list', '--json'])"))
    assert [row["names"] for row in rows if row["probe"] == "uptime"] == [
        {"kubeskoop": "kubeskoop_uptime_seconds", "inspector": "inspector_pod_uptimeseconds"}
    ]
    checked = json.loads(_python(folder, "from exporter.__main__ import main; main(['check', '--json'])"))
    assert [row["status"] for row in checked["probes"] if row["probe"] == "uptime"] == ["ok"]


def test_it_is_documented_and_drawn(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _python(folder, f"import runpy; runpy.run_path('generate.py')['main'](['--out', {str(out)!r}])")
    files = [path for path in out.rglob("*") if path.is_file()]
    using = [str(path.relative_to(out)) for path in files if b"kubeskoop_uptime_seconds" in path.read_bytes()]
    assert any(path.startswith("docs/") for path in using), using
    assert any(path.startswith("dashboards/") for path in using), using
    assert "index.json" in using
