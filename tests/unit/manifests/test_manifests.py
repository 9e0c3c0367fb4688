"""The manifests: valid for every Kubernetes that is about, and fitting to one another and to the exporter."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from alerts.targets.chosen import EVERY
from exporter import config, registry
from exporter.errors import DeclarationError
from exporter.model.metric import Naming
from exporter.model.needs import TO_LOAD, declared, union
from scrape import kubernetes
from scrape.kubernetes import boards
from scrape.model import APP, NAMESPACE, PATH, PORT, PORT_NAME, SERVICE
from scrape.prometheus import POD_RULES
from tests.unit.manifests.chart import parsed

FILES = {
    path.removeprefix("kubernetes/"): content
    for path, content in kubernetes.files(registry.load(), Naming.KUBESKOOP).items()
}
OBJECTS = {path: parsed(content.decode())[0] for path, content in FILES.items() if "kustomization" not in path}
OF_OPERATOR = ("monitoring/podmonitor.yaml", "monitoring/prometheusrule.yaml")
BUNDLE = Path(__file__).resolve().parents[3] / "bundle"
MEBIBYTE = 1 << 20

# Fields of monitoring.coreos.com/v1 that we use; the operator prunes unknown ones without a word.
POD_MONITOR = {"selector", "namespaceSelector", "sampleLimit", "labelLimit", "podMetricsEndpoints"}
ALERT = {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
RECORDING = {"record", "expr", "labels"}

# Each adds fields that we use: 1.30 AppArmor, 1.31 recursive read-only mounts; older ones ignore them.
STRICT = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
OLDER = ("1.25", "1.26", "1.27", "1.28", "1.29", "1.30")

daemon_set = OBJECTS["daemonset.yaml"]
pod = daemon_set["spec"]["template"]["spec"]
(container,) = pod["containers"]


@pytest.mark.parametrize("version", [*OLDER, *STRICT])
def test_kubernetes_knows_each_field(version: str) -> None:
    alike = {path.rpartition("/")[0] or path: each for path, each in OBJECTS.items() if path not in OF_OPERATOR}
    assert len(alike) == len([path for path in OBJECTS if "/" not in path]) + 1  # one of the dashboards, as all are
    for each in alike.values():
        kubernetes_validate.validate(each, version, strict=version in STRICT)


def test_the_validation_notices_a_wrong_field() -> None:
    wrong = json.loads(json.dumps(daemon_set))
    wrong["spec"]["template"]["spec"]["hostPid"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_objects_of_the_operator_have_known_fields() -> None:
    monitor, rules = (OBJECTS[path] for path in OF_OPERATOR)
    assert {(each["apiVersion"], each["kind"]) for each in (monitor, rules)} == {
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
    }
    assert set(monitor["spec"]) == POD_MONITOR
    for group in rules["spec"]["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        for rule in group["rules"]:
            assert set(rule) <= (ALERT if "alert" in rule else RECORDING)


@pytest.mark.parametrize("folder", ["", "monitoring/", "dashboards/"])
def test_the_kustomization_has_each_file_beside_it(folder: str) -> None:
    listed = yaml.safe_load(FILES[f"{folder}kustomization.yaml"])["resources"]
    beside = {path.removeprefix(folder) for path in OBJECTS if path.startswith(folder)}
    assert sorted(listed) == sorted(name for name in beside if "/" not in name)


@pytest.mark.parametrize("folder", ["", "monitoring", "dashboards"])
def test_kubectl_builds_it(folder: str) -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed, nor in Debian 12")
    done = subprocess.run([program, "kustomize", BUNDLE / "kubernetes" / folder], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    built = parsed(done.stdout.decode())
    expected = [each for path, each in OBJECTS.items() if path.rpartition("/")[0] == folder]
    assert sorted(map(str, built)) == sorted(map(str, map(sorted_keys, expected)))


def sorted_keys(tree: Any) -> Any:  # noqa: ANN401 -- any YAML
    """As kubectl writes it."""
    if isinstance(tree, dict):
        return {key: sorted_keys(tree[key]) for key in sorted(tree)}
    return [sorted_keys(each) for each in tree] if isinstance(tree, list) else tree


def test_everything_is_in_one_namespace() -> None:
    of_cluster = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
    for path, each in OBJECTS.items():
        assert each["metadata"].get("namespace") == (None if each["kind"] in of_cluster else NAMESPACE), path
        assert each["metadata"]["labels"]["app"] == APP, path


def test_its_capabilities_are_those_that_the_exporter_may_keep_and_one_for_the_start() -> None:
    every = union(declared(registry.load().probes, scan=True))
    asked = container["securityContext"]["capabilities"]
    assert {f"CAP_{name}" for name in asked["add"]} == every | {TO_LOAD.what}
    assert asked["drop"] == ["ALL"]
    # Probes that are off by default need no more: switching one on needs no other manifest.
    assert union(declared([spec for spec in registry.load().probes if spec.default], scan=True)) == every


def test_selectors_find_the_pods_and_no_more() -> None:
    labels = daemon_set["spec"]["template"]["metadata"]["labels"]
    selectors = (
        daemon_set["spec"]["selector"]["matchLabels"],
        OBJECTS["service.yaml"]["spec"]["selector"],
        OBJECTS["networkpolicy.yaml"]["spec"]["podSelector"]["matchLabels"],
        OBJECTS["monitoring/podmonitor.yaml"]["spec"]["selector"]["matchLabels"],
    )
    assert [labels] * len(selectors) == list(selectors) == [{"app": "net-exporter"}] * len(selectors)


def test_existing_discovery_finds_it() -> None:
    """By the name of the endpoints, by the annotations of the pod, and by its label."""
    assert (OBJECTS["service.yaml"]["metadata"]["name"], SERVICE) == ("net-exporter", "net-exporter")
    assert OBJECTS["service.yaml"]["spec"]["clusterIP"] == "None"
    annotations = daemon_set["spec"]["template"]["metadata"]["annotations"]
    told = {name: annotations[f"prometheus.io/{name}"] for name in ("scrape", "port", "path")}
    assert told == {"scrape": "true", "port": str(PORT), "path": PATH}
    asked = " ".join(label for rule in POD_RULES for label in rule["source_labels"])
    assert all(f"annotation_prometheus_io_{name}" in asked for name in told)


def test_ports_are_called_alike_everywhere() -> None:
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert named == {PORT_NAME: PORT}
    asked = [
        *(port["targetPort"] for port in OBJECTS["service.yaml"]["spec"]["ports"]),
        *(port["port"] for rule in OBJECTS["networkpolicy.yaml"]["spec"]["ingress"] for port in rule["ports"]),
        *(each["port"] for each in OBJECTS["monitoring/podmonitor.yaml"]["spec"]["podMetricsEndpoints"]),
        *(container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")),
    ]
    assert set(asked) == {PORT_NAME}


def test_what_is_mounted_is_there_and_read_only_but_for_the_own_folder() -> None:
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert volumes == set(mounts)
    assert [name for name, mount in mounts.items() if not mount.get("readOnly")] == ["run"]


def test_reading_pods_is_all_that_the_account_may() -> None:
    assert OBJECTS["clusterrole.yaml"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]
    binding = OBJECTS["clusterrolebinding.yaml"]
    assert binding["roleRef"]["name"] == OBJECTS["clusterrole.yaml"]["metadata"]["name"]
    account = OBJECTS["serviceaccount.yaml"]["metadata"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
    assert pod["serviceAccountName"] == account["name"]


def test_the_configuration_says_every_setting_and_means_the_defaults(tmp_path: Path) -> None:
    data = OBJECTS["configmap.yaml"]["data"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "config")
    assert container["args"] == ["run", "--config", *(f"{mount['mountPath']}/{name}" for name in data)]
    (content,) = data.values()
    (tmp_path / "config.yaml").write_text(content)
    assert config.load(registry.load(), str(tmp_path / "config.yaml")) == config.load(registry.load(), None)


def test_dashboards_fit_into_their_objects_and_are_what_provisioning_loads() -> None:
    found = {path: each for path, each in OBJECTS.items() if path.startswith("dashboards/")}
    assert len(found) == len(list((BUNDLE / "dashboards").glob("*.json")))
    for path, each in found.items():
        ((name, content),) = each["data"].items()
        slug = name.removeprefix("net-exporter-")
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(content) == json.loads((BUNDLE / "dashboards" / slug).read_text("utf-8")), path
        assert len(FILES[path]) < MEBIBYTE


def test_a_dashboard_too_large_for_kubectl_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "MOST_BYTES", 50_000)
    with pytest.raises(DeclarationError, match=r"dashboard \w+ takes \d+ bytes as a ConfigMap, more than 50000"):
        boards.minified(registry.load(), Naming.KUBESKOOP, EVERY)
