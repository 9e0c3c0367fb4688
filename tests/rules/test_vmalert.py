"""VictoriaMetrics' rule engine loads the same files."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path


def dry_run(rules: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("vmalert")
    if program is None:
        pytest.skip("vmalert is not installed (Debian package victoria-metrics)")
    command = [program, "-dryRun", f"-rule={rules}/*.yml"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rewritten(folder: Path, out: Path) -> dict[str, dict[str, object]]:
    """The rule files without `keep_firing_for`, which vmalert knows since 1.90 and Debian's 1.79 does not."""
    read = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in (folder / "rules").glob("*.yml")}
    for name, content in read.items():
        for group in content["groups"]:
            for rule in group["rules"]:
                rule.pop("keep_firing_for", None)
        (out / name).write_text(yaml.safe_dump(content), "utf-8")
    return read


def test_vmalert_accepts_every_rule_file(folder: Path, tmp_path: Path) -> None:
    assert len(rewritten(folder, tmp_path)) >= 8
    done = dry_run(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_vmalert_would_refuse_a_wrong_expression_and_a_wrong_template(folder: Path, tmp_path: Path) -> None:
    for key, wrong in (("expr", "sum by (rate(x)"), ("annotations", {"summary": "{{ $labels.a | urlqery }}"})):
        files = rewritten(folder, tmp_path)
        groups = files["udp.yml"]["groups"]
        assert isinstance(groups, list)
        groups[0]["rules"][0][key] = wrong
        (tmp_path / "udp.yml").write_text(yaml.safe_dump(files["udp.yml"]), "utf-8")
        assert dry_run(tmp_path).returncode != 0, key
