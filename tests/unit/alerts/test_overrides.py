from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

import alerts
import generate
from alerts import overrides
from alerts.rules import tcp_path
from exporter import registry
from exporter.errors import UsageError
from exporter.model.metric import Naming

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = {"retransmitShare": 0.02, "sentSegments": 40.0}


def rule(files: dict[str, bytes], name: str) -> str:
    [group] = yaml.safe_load(files["alerts/rules/tcp-path.yml"])["groups"]
    [found] = [each for each in group["rules"] if each["alert"] == name]
    return str(found["expr"])


def test_numbers_of_a_file_replace_the_declared_ones(tmp_path: Path) -> None:
    path = tmp_path / "limits.yml"
    path.write_text("# ours\nretransmitShare: 0.02\nsentSegments: 40\n", "utf-8")
    assert overrides.read(path) == LIMITS
    files = alerts.files(registry.load(), Naming.KUBESKOOP, limits=LIMITS)
    declared = alerts.files(registry.load(), Naming.KUBESKOOP)
    name = tcp_path.RETRANSMITS.name
    assert rule(files, name) == rule(declared, name).replace("> 0.05", "> 0.02").replace("> 10", "> 40")
    other = tcp_path.CONNECT_FAILURES.name
    assert rule(files, other) == rule(declared, other)


def test_tests_of_a_rule_with_other_limits_are_left_out_and_named() -> None:
    files = alerts.files(registry.load(), Naming.KUBESKOOP, limits={"retransmitShare": 0.02, "sentSegments": 10})
    for path in ("alerts/tests/tcp-path.test.yml", "alerts/tests/tcp-path.disturbed.test.yml"):
        text = files[path].decode()
        assert "# Without NetTcpRetransmitRatioHigh: its limits are not the declared ones.\n" in text
        names = {test["name"].split(":")[0] for test in yaml.safe_load(text)["tests"]}
        assert names == {rule.name for rule in tcp_path.GROUP.rules} - {"NetTcpRetransmitRatioHigh"}


def test_an_empty_file_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "limits.yml").write_text("# nothing yet\n", "utf-8")
    assert overrides.read(tmp_path / "limits.yml") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retransmitsShare: 0.1", "unknown threshold 'retransmitsShare'; did you mean 'retransmitShare'?"),
        ("1: 2", "unknown threshold 1; docs/thresholds.md lists the keys"),
        ("resetsSent: many", "resetsSent: 'many' is no number"),
        ("resetsSent: yes", "resetsSent: True is no number"),
        ("resetsSent: [5]", "resetsSent: [5] is no number"),
        ("resetsSent: -1", "resetsSent: -1 must be a number from 0 upwards"),
        ("resetsSent: .nan", "resetsSent: nan must be a number from 0 upwards"),
        ("resetsSent: .inf", "resetsSent: inf must be a number from 0 upwards"),
        ("retransmitShare: 5", "retransmitShare: 5 must be a ratio from 0 to 1, such as 0.05 for 5 %"),
        ("- resetsSent", "must be a mapping of keys to numbers"),
        ("resetsSent: {", ":1:14: not YAML: "),
        ("!!python/object:os.system {}", ":1:1: not YAML: "),
        ("[" * 5000, "not YAML: nested too deeply"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "limits.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        overrides.read(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        overrides.parse({"closeWait": "x", "descriptors": -1}, "limits.yml")
    assert str(caught.value).splitlines() == [
        "limits.yml: closeWait: 'x' is no number",
        "limits.yml: descriptors: -1 must be a number from 0 upwards",
    ]


def test_a_file_that_is_missing_or_no_text_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_bytes(b"a: \xff")
    for path, reason in ((tmp_path / "none.yml", "No such file"), (bad, "not UTF-8 text at byte 3"), (tmp_path, "dir")):
        assert generate.main(["--check", "--only", "alerts", "--thresholds", str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("generate.py: ")
        assert str(path) in line
        assert reason in line


def test_documents_tell_the_number_in_force_and_the_declared_one(tmp_path: Path) -> None:
    limits = tmp_path / "limits.yml"
    limits.write_text("retransmitShare: 0.02\n", "utf-8")
    out = tmp_path / "out"
    assert generate.main(["--only", "alerts,docs", "--thresholds", str(limits), "--out", str(out)]) == 0
    for page in ("thresholds.md", "runbooks/NetTcpRetransmitRatioHigh.md"):
        assert "| `retransmitShare` | 0.02 (declared: 0.05) | ratio |" in (out / "docs" / page).read_text("utf-8")
    assert "> 0.02" in (out / "alerts/prometheusrule.yml").read_text("utf-8")
