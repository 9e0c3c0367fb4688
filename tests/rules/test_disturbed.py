"""The tests made from the cases: rules that a restart, a new series or a target that goes would set off must fail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from alerts import LINKS, disturbed, rulefile
from alerts.model import Fires
from alerts.rules import GROUPS
from exporter.model.metric import Kind, Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from alerts.model import AlertRule, Group

RENDERING = Rendering(Naming.KUBESKOOP)
RISE = re.compile(r"\b(rate|increase)\((\w+(?:\{[^}]*\})?)\[(\d+)m\]\)")


def blind_to_resets(expr: str) -> str:
    """The difference of the ends, as if counters never began anew."""
    return RISE.sub(r"(delta(\2[\3m]))", expr)


def from_nothing(expr: str) -> str:
    """Everything that a counter shows, as if it had risen from nothing when its series began."""
    return RISE.sub(r"\2", expr)


def unending(expr: str) -> str:
    """As if what was once true stayed true."""
    return f"last_over_time(({expr})[1d:1m])"


def rising(rule: AlertRule) -> bool:
    """Whether the first firing case is of counters that are still rising at its end."""
    case = next(case for case in rule.cases if isinstance(case, Fires))
    return bool(case.series) and all(
        each.metric.kind is Kind.COUNTER and "+" in each.values.split()[-1] for each in case.series
    )


def noticed(
    promtool: Callable[..., subprocess.CompletedProcess[str]], folder: Path, group: Group, wrong: Callable[[str], str]
) -> set[str]:
    rules = rulefile.alerts((group,), RENDERING, LINKS)
    for entry in rules["groups"][0]["rules"]:
        entry["expr"] = wrong(entry["expr"])
    (folder / "wrong.yml").write_text(yaml.safe_dump(rules), "utf-8")
    (folder / "test.yml").write_text(yaml.safe_dump(disturbed.tests(group, "wrong.yml", RENDERING)), "utf-8")
    done = promtool("test", "rules", folder / "test.yml")
    told = done.stdout + done.stderr
    assert "parse error" not in told, told
    return set(re.findall(r'(?:name: |alertname=\\")(Net\w+)', told))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.subject)
def test_a_rule_that_stays_on_when_its_target_goes_fails(
    promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, group: Group
) -> None:
    expected = {rule.name for rule in group.rules if not rule.on_absence}
    assert noticed(promtool, tmp_path, group, unending) >= expected


def test_rules_that_take_a_reset_for_a_fall_or_a_new_series_for_a_rise_fail(
    promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    blind, gullible, rises, begins = set(), set(), set(), set()
    for group in GROUPS:
        blind |= noticed(promtool, tmp_path, group, blind_to_resets)
        gullible |= noticed(promtool, tmp_path, group, from_nothing)
        rises |= {rule.name for rule in group.rules if rising(rule)}
        begins |= {rule.name for rule in group.rules if RISE.search(rule.condition.render(RENDERING))}
    assert rises
    assert (rises - blind, begins - gullible) == (set(), set())
