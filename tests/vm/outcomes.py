"""A pytest plugin that leaves one line of JSON for each test in the file that VM_OUTCOMES names, as the tests go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


_spent: dict[str, float] = {}  # on the way of each test so far


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called by pytest after each phase of a test; its set-up and clean-up only tell when they do not pass."""
    _spent[report.nodeid] = seconds = _spent.pop(report.nodeid, 0.0) + report.duration
    if report.when != "call" and report.passed:
        return
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else report.longreprtext
    line = json.dumps({"test": report.nodeid, "outcome": report.outcome, "seconds": seconds, "reason": reason})
    with Path(os.environ["VM_OUTCOMES"]).open("a") as file:
        file.write(line + "\n")
