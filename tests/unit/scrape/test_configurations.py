"""Every scrape configuration, checked by whatever can check it here.

Debian's Prometheus is built without the Kubernetes discovery, so its promtool refuses `kubernetes_sd_configs`
as an unknown field. Such a job is therefore checked three times: its fields by a list of our own, its whole by
vmagent where that is installed, and its relabelling by promtool over a twin that takes the same labels from a file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import scrape
from exporter import registry
from exporter.model.metric import IDENTITY_LABELS, Naming
from scrape import prometheus
from scrape.model import JOB

if TYPE_CHECKING:
    from pathlib import Path

FILES = scrape.files(registry.load(), Naming.KUBESKOOP)
PROMETHEUS = [
    f"scrape/{name}.yml"
    for name in ("static", "file-sd", "kubernetes-endpoints", "kubernetes-endpointslice", "kubernetes-pods")
]
IN_CLUSTER = [path for path in PROMETHEUS if "kubernetes" in path]

JOB_FIELDS = {
    "job_name",
    "scrape_interval",
    "scrape_timeout",
    "metrics_path",
    "honor_labels",
    "honor_timestamps",
    "sample_limit",
    "label_limit",
    "static_configs",
    "file_sd_configs",
    "kubernetes_sd_configs",
    "relabel_configs",
}
RULE_FIELDS = {"source_labels", "separator", "target_label", "regex", "replacement", "action", "modulus"}
ACTIONS = {"replace", "keep", "drop", "keepequal", "dropequal", "labelmap", "labeldrop", "labelkeep"}
SELECTOR_ROLES = {
    "endpoints": {"endpoints", "service", "pod"},
    "endpointslice": {"endpointslice", "service", "pod"},
    "pod": {"pod"},
}


def parsed(path: str) -> Any:  # noqa: ANN401 -- any YAML document
    return yaml.safe_load(FILES[path])


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def written(tmp_path: Path) -> Path:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("path", ["scrape/static.yml", "scrape/file-sd.yml"])
def test_promtool_accepts_it(tmp_path: Path, path: str) -> None:
    done = subprocess.run(
        [tool("promtool"), "check", "config", "--lint=all", written(tmp_path) / path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is valid prometheus config file syntax" in done.stdout


@pytest.mark.parametrize("path", IN_CLUSTER)
def test_debians_promtool_objects_to_nothing_but_the_missing_discovery(tmp_path: Path, path: str) -> None:
    done = subprocess.run(
        [tool("promtool"), "check", "config", written(tmp_path) / path], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return  # a promtool with Kubernetes discovery: even better
    complaints = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("line ")]
    assert len(complaints) == 1
    assert "field kubernetes_sd_configs not found" in complaints[0]


@pytest.mark.parametrize("path", IN_CLUSTER)
def test_vmagent_accepts_it_strictly(tmp_path: Path, path: str) -> None:
    config = parsed(path)
    (job,) = config["scrape_configs"]
    del job["label_limit"]  # vmagent 1.79 does not know it yet, and ignores it unless strict
    for rule in job["relabel_configs"]:
        if rule.get("action") == "keepequal":
            rule["action"] = "keep_if_equal"  # its older spelling, see the comment in the file
            rule["source_labels"].append(rule.pop("target_label"))
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config), "utf-8")
    command = [tool("vmagent"), "-dryRun", "-promscrape.config.strictParse=true", "-remoteWrite.url=http://127.0.0.1:1"]
    done = subprocess.run(
        [*command, f"-promscrape.config={tmp_path / 'config.yml'}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("path", PROMETHEUS)
def test_only_known_fields_roles_and_actions_are_used(path: str) -> None:
    (job,) = parsed(path)["scrape_configs"]
    assert job["job_name"] == JOB
    assert set(job) <= JOB_FIELDS
    for discovery in job.get("kubernetes_sd_configs", []):
        assert set(discovery) <= {"role", "selectors", "namespaces"}
        assert discovery["role"] in SELECTOR_ROLES
        for selector in discovery["selectors"]:
            assert set(selector) <= {"role", "label", "field"}
            assert selector["role"] in SELECTOR_ROLES[discovery["role"]]
    for rule in job.get("relabel_configs", []):
        assert set(rule) <= RULE_FIELDS
        assert rule.get("action", "replace") in ACTIONS


@pytest.mark.parametrize("naming", list(Naming))
def test_no_target_label_takes_the_place_of_a_measured_one(naming: Naming) -> None:
    """With such a label, the exporter's own pod would stand where the measured pod belongs, or rename it."""
    taken = {identity.name_in(naming) for identity in IDENTITY_LABELS[naming]}
    for path, content in scrape.files(registry.load(), naming).items():
        for document in yaml.safe_load_all(content):
            text = json.dumps(document)
            for label in taken:
                assert f'"target_label": "{label}"' not in text, path
                assert f'"targetLabel": "{label}"' not in text, path
            assert "labelmap" not in text, path
    for path in PROMETHEUS:
        (job,) = parsed(path)["scrape_configs"]
        assert (job["honor_labels"], job["honor_timestamps"]) == (True, False)


def test_example_targets_carry_only_an_instance() -> None:
    assert [set(each["labels"]) for each in parsed("scrape/targets/net-exporter.yml")] == [{"instance"}] * 2


NODE = {"__meta_kubernetes_pod_node_name": "node-a"}
ANNOTATED = {
    **NODE,
    "__meta_kubernetes_namespace": "kube-system",
    "__meta_kubernetes_pod_name": "net-exporter-x7k2p",
    "__meta_kubernetes_pod_label_app": "net-exporter",
    "__meta_kubernetes_pod_label_controller_revision_hash": "5d8f",
    "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
    "__meta_kubernetes_pod_annotation_prometheus_io_port": "9102",
    "__meta_kubernetes_pod_container_port_number": "9102",
}
FOUND = {"instance": "node-a", "job": "net-exporter"}


@pytest.mark.parametrize(
    ("rules", "address", "labels", "expected"),
    [
        (prometheus.ENDPOINTS_RULES, "10.0.0.1:9102", {**NODE, "__meta_kubernetes_endpoints_name": JOB}, FOUND),
        (prometheus.ENDPOINTS_RULES, "10.0.0.1:19102", {**NODE, "__meta_kubernetes_endpoints_name": JOB}, None),
        (prometheus.ENDPOINTS_RULES, "10.0.0.1:9102", {**NODE, "__meta_kubernetes_endpoints_name": "other"}, None),
        (
            prometheus.ENDPOINTS_RULES,
            "10.0.0.1:9102",
            {"__meta_kubernetes_endpoints_name": JOB},
            {"instance": "10.0.0.1:9102", "job": "net-exporter"},
        ),
        (prometheus.ENDPOINTSLICE_RULES, "[fd00::1]:9102", {**NODE, "__meta_kubernetes_service_name": JOB}, FOUND),
        (prometheus.ENDPOINTSLICE_RULES, "10.0.0.1:19102", {**NODE, "__meta_kubernetes_service_name": JOB}, None),
        (prometheus.ENDPOINTSLICE_RULES, "10.0.0.1:9102", {**NODE, "__meta_kubernetes_service_name": "web"}, None),
        (prometheus.POD_RULES, "10.0.0.1:9102", ANNOTATED, FOUND),
        (
            prometheus.POD_RULES,
            "10.0.0.1:19102",
            {**ANNOTATED, "__meta_kubernetes_pod_container_port_number": "19102"},
            None,
        ),
        (
            prometheus.POD_RULES,
            "10.0.0.1:9102",
            {**ANNOTATED, "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "false"},
            None,
        ),
        (prometheus.POD_RULES, "10.0.0.1:9102", {**ANNOTATED, "__meta_kubernetes_pod_label_app": "web"}, None),
    ],
    ids=[
        "endpoints",
        "endpoints, other port of the pod",
        "endpoints, other service",
        "endpoints without a pod keep the address",
        "endpointslice, IPv6",
        "endpointslice, other port of the pod",
        "endpointslice, other service",
        "annotated pod",
        "annotated pod, other port",
        "pod that asks not to be scraped",
        "other annotated pod",
    ],
)
def test_relabelling_keeps_the_right_targets_with_two_labels(
    tmp_path: Path, rules: list[dict[str, Any]], address: str, labels: dict[str, str], expected: dict[str, str] | None
) -> None:
    (target,) = relabelled(tmp_path, rules, address, labels)
    visible = {name: value for name, value in target["labels"].items() if not name.startswith("__")}
    assert (visible or None) == expected


def test_port_and_path_come_from_the_annotations(tmp_path: Path) -> None:
    labels = {**ANNOTATED, "__meta_kubernetes_pod_annotation_prometheus_io_path": "/net"}
    for address in ("10.0.0.1", "[fd00::1]"):
        (target,) = relabelled(tmp_path, prometheus.POD_RULES, f"{address}:80", labels)
        assert target["labels"]["__address__"] == f"{address}:9102"
        assert target["labels"]["__metrics_path__"] == "/net"


def relabelled(
    tmp_path: Path, rules: list[dict[str, Any]], address: str, labels: dict[str, str]
) -> list[dict[str, dict[str, str]]]:
    """What promtool makes of one target that comes from a file instead of from Kubernetes."""
    twin = {"job_name": JOB, "file_sd_configs": [{"files": ["targets.json"]}], "relabel_configs": rules}
    (tmp_path / "twin.yml").write_text(yaml.safe_dump({"scrape_configs": [twin]}), "utf-8")
    (tmp_path / "targets.json").write_text(json.dumps([{"targets": [address], "labels": labels}]), "utf-8")
    done = subprocess.run(
        [tool("promtool"), "check", "service-discovery", "--timeout=200ms", tmp_path / "twin.yml", JOB],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, dict[str, str]]] = json.JSONDecoder().raw_decode(done.stdout)[0]
    return found
