"""The rules as Prometheus itself sees them, in both dialects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import alerts
from alerts.totals import RULES

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def test_prometheus_loads_every_rule_file(
    promtool: Callable[..., subprocess.CompletedProcess[str]], folder: Path
) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted((folder / "rules").glob("*.yml")))
    found = sum(int(number) for number in re.findall(r"SUCCESS: (\d+) rules found", done.stdout))
    assert (done.returncode, found) == (0, len(list(alerts.rules())) + len(RULES)), done.stdout + done.stderr


def test_every_alert_fires_and_stays_silent_as_declared(
    promtool: Callable[..., subprocess.CompletedProcess[str]], folder: Path
) -> None:
    done = promtool("test", "rules", *sorted((folder / "tests").glob("*.test.yml")))
    assert done.returncode == 0, done.stdout + done.stderr
