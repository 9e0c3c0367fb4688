"""The other names are recorded with the other labels and the same numbers, which promtool evaluates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

import alerts
from alerts import migration
from exporter import registry
from exporter.model.metric import Naming

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

KNOWN = registry.load()
RESETS = KNOWN.metric("kubeskoop_tcp_estabresets")
OPENS = KNOWN.metric("kubeskoop_tcp_activeopens")
RTT = KNOWN.metric("kubeskoop_tcprtt_seconds")
COMMANDS = KNOWN.metric("kubeskoop_virtcmdlatency_seconds")
LABELS = {
    Naming.KUBESKOOP: 'k8s_node="n1",k8s_namespace="shop",k8s_pod="web-0"',
    Naming.INSPECTOR: 'namespace="shop",netns="4026531840",node="n1",pod="web-0"',
}
HOST = {
    Naming.KUBESKOOP: 'k8s_node="n1",k8s_namespace="",k8s_pod=""',
    Naming.INSPECTOR: 'namespace="",netns="4026531840",node="n1",pod=""',
}
WITHOUT_NETNS = {
    Naming.KUBESKOOP: LABELS[Naming.KUBESKOOP],
    Naming.INSPECTOR: 'namespace="shop",node="n1",pod="web-0"',
}


@pytest.mark.parametrize("exposed", list(Naming))
def test_each_pod_and_the_host_have_the_other_names_with_the_numbers_of_their_own(
    exposed: Naming, tmp_path: Path, promtool: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    wanted = next(naming for naming in Naming if naming is not exposed)
    (tmp_path / "migration.yml").write_bytes(alerts.files(KNOWN, exposed)[migration.PATH])
    assert promtool("check", "rules", tmp_path / "migration.yml").returncode == 0
    name, other = RESETS.name_in(exposed), RESETS.name_in(wanted)
    target = 'instance="10.0.0.1:9102",job="net-exporter"'
    bucket, other_bucket = (f"{RTT.name_in(naming)}_bucket" for naming in (exposed, wanted))
    none = ",".join(label for label in HOST[wanted].split(",") if label.endswith('"n1"'))
    test = {
        "rule_files": ["migration.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"{name}{{{LABELS[exposed]},{target}}}", "values": "3 3"},
                    {"series": f"{name}{{{HOST[exposed]},{target}}}", "values": "5 5"},
                    {"series": f'{bucket}{{{LABELS[exposed]},{target},le="0.1"}}', "values": "7 7"},
                ],
                "promql_expr_test": [
                    {
                        "expr": other,
                        "eval_time": "1m",
                        "exp_samples": [
                            {"labels": f"{other}{{{WITHOUT_NETNS[wanted]},{target}}}", "value": 3},
                            {"labels": f"{other}{{{none},{target}}}", "value": 5},
                        ],
                    },
                    {
                        "expr": other_bucket,
                        "eval_time": "1m",
                        "exp_samples": [
                            {"labels": f'{other_bucket}{{{WITHOUT_NETNS[wanted]},{target},le="0.1"}}', "value": 7}
                        ],
                    },
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    ran = promtool("test", "rules", tmp_path / "test.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("exposed", list(Naming))
def test_every_name_but_those_exposed_is_recorded_once(exposed: Naming) -> None:
    rules = [rule for group in migration.rules(KNOWN, exposed)["groups"] for rule in group["rules"]]
    made = [rule["record"] for rule in rules]
    assert len(made) == len(set(made))
    collected = [metric for spec in KNOWN.probes for metric in spec.metrics]
    missing = {
        name
        for metric in collected
        for name in (*(metric.name_in(naming) for naming in Naming), *metric.aliases)
        if name not in made and f"{name}_count" not in made
    }
    assert missing == {metric.name_in(exposed) for metric in collected}


def test_an_older_spelling_keeps_its_labels_as_they_are() -> None:
    (alias,) = [alias for alias in OPENS.aliases if alias.startswith("inspector_")]
    rules = {
        rule["record"]: rule["expr"]
        for group in migration.rules(KNOWN, Naming.INSPECTOR)["groups"]
        for rule in group["rules"]
    }
    assert rules[alias] == "inspector_pod_tcpactiveopens"


def test_buckets_known_by_number_are_not_made_of_bounds() -> None:
    made = {rule["record"] for group in migration.rules(KNOWN, Naming.KUBESKOOP)["groups"] for rule in group["rules"]}
    name = COMMANDS.name_in(Naming.INSPECTOR)
    assert {f"{name}_count", f"{name}_sum"} <= made
    assert f"{name}_bucket" not in made
