"""A test that a wrong rule passes proves nothing: every rule is made wrong in several ways, and a case must notice."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from alerts import LINKS, casefile, rulefile
from alerts.recording import GROUP as RECORDING
from alerts.rules import GROUPS
from alerts.totals import RULES
from exporter.model.metric import Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from alerts.model import AlertRule, Group

RENDERING = Rendering(Naming.KUBESKOOP)
COMPARISON = re.compile(r" (>|==) ")
FLIPPED = {">": " < ", "==": " != "}
FACTOR = 3  # a case must lie within this factor of the threshold, on either side


def mutants(rule: AlertRule) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was done to the rule, and the rule file entry that came out."""
    right = rulefile.alert(rule, RENDERING, LINKS)
    text = right["expr"]
    for found in COMPARISON.finditer(text):
        flipped = text[: found.start()] + FLIPPED[found[1]] + text[found.end() :]
        yield f"comparison at {found.start()} flipped", right | {"expr": flipped}
    for guard in rule.guards:
        left = tuple(each for each in rule.guards if each is not guard)
        yield f"without guard {guard.render(RENDERING)}", rulefile.alert(replace(rule, guards=left), RENDERING, LINKS)
    for threshold in rule.thresholds:
        for value in (threshold.value * FACTOR, threshold.value / FACTOR):
            moved, count = re.subn(rf"(> ){re.escape(format(threshold.value, '.12g'))}\b", rf"\g<1>{value:.12g}", text)
            assert count == 1, f"{rule.name}: threshold {threshold.name} is not compared with exactly once"
            yield f"{threshold.name}: {value:.12g}", right | {"expr": moved}
    if "absent(" in text:
        yield "not absent", right | {"expr": text.replace("absent(", "(")}
    yield "fires at once", right | {"for": "0m"}
    yield "fires a minute late", right | {"for": f"{rule.hold + 1}m"}


def rounds(group: Group) -> Iterator[dict[str, tuple[str, dict[str, Any]]]]:
    """Alert -> its next mutant: in each round every rule of the group is wrong in one way."""
    waiting = {rule.name: list(mutants(rule)) for rule in group.rules}
    while any(waiting.values()):
        yield {name: left.pop() for name, left in waiting.items() if left}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.subject)
def test_a_wrong_rule_fails_a_case(
    promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, group: Group
) -> None:
    def survivors(number: int, wrong: dict[str, tuple[str, dict[str, Any]]]) -> list[str]:
        rules, tests = tmp_path / f"{number}.yml", tmp_path / f"{number}.test.yml"
        entries = [wrong[rule.name][1] for rule in group.rules if rule.name in wrong]
        rules.write_text(yaml.safe_dump({"groups": [{"name": "wrong", "rules": entries}]}), "utf-8")
        cases = casefile.alert_tests(group, rules.name, RENDERING, LINKS)
        cases["tests"] = [case for case in cases["tests"] if case["name"].split(":")[0] in wrong]
        tests.write_text(yaml.safe_dump(cases), "utf-8")
        done = promtool("test", "rules", tests)
        assert "FAILED" in done.stderr + done.stdout, done.stdout + done.stderr
        noticed = set(re.findall(r"name: (Net\w+): ", done.stderr + done.stdout))
        return [f"{name}: {what}" for name, (what, _) in wrong.items() if name not in noticed]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(survivors, *zip(*enumerate(rounds(group)), strict=True)))
    survived = [each for some in found for each in some]
    assert survived == []


def test_a_total_that_takes_the_host_in_fails(
    promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    rules = rulefile.recordings(RECORDING, RULES, RENDERING)
    for entry in rules["groups"][0]["rules"]:
        entry["expr"] = entry["expr"].replace('k8s_pod!=""', "")
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(rules), "utf-8")
    tests = casefile.recording_tests(RULES, "wrong.yml", RENDERING)
    (tmp_path / "wrong.test.yml").write_text(yaml.safe_dump(tests), "utf-8")
    done = promtool("test", "rules", tmp_path / "wrong.test.yml")
    noticed = set(re.findall(r'expr: "(\S+?)"', done.stderr + done.stdout))
    assert noticed == {rule.name_in(RENDERING) for rule in RULES}
