"""The chart equals the manifests with its defaults, and follows each of its values."""

# ruff: noqa: ANN401 -- what YAML and templates hold is of any type

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from exporter import config, registry
from exporter.model.metric import Naming
from scrape import kubernetes
from scrape.kubernetes.values import declared
from tests.unit.manifests import chart

if TYPE_CHECKING:
    from pathlib import Path

MANIFESTS = kubernetes.files(registry.load(), Naming.KUBESKOOP)
SCHEMA = json.loads(chart.files()["values.schema.json"])
EVERYTHING = {"podMonitor__enabled": True, "prometheusRule__enabled": True, "dashboards__enabled": True}
DAEMON_SET = ("DaemonSet", "net-exporter")


def manifests() -> dict[tuple[str, str], Any]:
    documents = [
        chart.parsed(content.decode())[0] for path, content in MANIFESTS.items() if "kustomization" not in path
    ]
    return chart.by_name(documents)


def without_text(objects: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The configuration as what it means, as Helm lays out lists in its own way."""
    settings = objects["ConfigMap", "net-exporter"]["data"]
    settings["config.yaml"] = yaml.safe_load(settings["config.yaml"])
    return objects


def test_with_its_defaults_and_everything_on_it_equals_the_manifests() -> None:
    expected = without_text(manifests())
    namespace = expected.pop(("Namespace", "net-exporter"))
    assert namespace["metadata"]["name"] == chart.NAMESPACE
    assert without_text(chart.objects(chart.values(**EVERYTHING))) == expected


def test_by_itself_it_asks_for_no_operator_and_no_grafana() -> None:
    kinds = sorted(kind for kind, _ in chart.objects(chart.values()))
    assert kinds == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "DaemonSet",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    ]


def loaded(tmp_path: Path, **changes: Any) -> config.Config:
    """What the exporter makes of the ConfigMap."""
    data = chart.objects(chart.values(**changes))["ConfigMap", "net-exporter"]["data"]
    assert list(data) == ["config.yaml"]
    (tmp_path / "config.yaml").write_text(data["config.yaml"])
    return config.load(registry.load(), str(tmp_path / "config.yaml"))


def test_the_exporter_reads_the_default_configuration_as_none_at_all(tmp_path: Path) -> None:
    assert loaded(tmp_path) == config.load(registry.load(), None)


def names(specs: Any) -> list[str]:
    return [spec.name for spec in specs]


def test_each_documented_parameter_reaches_the_exporter(tmp_path: Path) -> None:
    assert loaded(tmp_path, config__enableMetricServer=False).probes == ()
    assert loaded(tmp_path, config__enableLegacyVersion=False).headers is False
    assert loaded(tmp_path, config__metricServerPort=9200).port == 9200
    assert loaded(tmp_path, config__metricLabelVerbose=True).additional.names == ("ip", "app")
    assert loaded(tmp_path, listenAddress="[::]").host == "::"
    assert names(loaded(tmp_path, config__metricProbes=["udp", {"name": "tcp"}]).probes) == ["tcp", "udp"]
    assert loaded(tmp_path, config__eventProbes=["tcpreset"]).events.probes == ()
    events = loaded(tmp_path, config__enableEventServer=True, config__eventServerPort=19200).events
    telling = [spec.name for spec in registry.load().probes if spec.events and spec.default]
    assert names(events.probes) == telling
    assert [(spec.name, args["port"]) for spec, args in events.implied_sinks] == [("grpc", 19200)]
    chosen = [{"name": "packetloss", "args": {"enable_stack": True}}]
    events = loaded(tmp_path, config__enableEventServer=True, config__eventProbes=chosen).events
    assert (names(events.probes), events.options["packetloss"]["enable_stack"]) == (["packetloss"], True)
    sinks = loaded(tmp_path, config__remoteLokiAddress="loki.monitoring:3100").events.sinks
    assert [(spec.name, args["addr"]) for spec, args in sinks] == [("loki", "loki.monitoring:3100")]


TOLD = {"ConfigMap", "DaemonSet", "NetworkPolicy", "Service"}  # of events
CHANGES: list[tuple[dict[str, Any], set[str]]] = [
    ({"config__enableMetricServer": False}, {"ConfigMap", "DaemonSet"}),
    ({"config__enableEventServer": True}, TOLD),
    ({"config__enableLegacyVersion": False}, {"ConfigMap"}),
    ({"config__remoteLokiAddress": "loki"}, {"ConfigMap"}),
    ({"config__metricLabelVerbose": True}, {"ConfigMap"}),
    ({"config__metricServerPort": 9200}, {"ConfigMap", "DaemonSet", "Service"}),
    (
        {"config__enableEventServer": True, "config__eventServerPort": 19200},
        {"ConfigMap", "DaemonSet", "NetworkPolicy", "Service"},
    ),
    ({"config__metricProbes": ["tcp"]}, {"ConfigMap"}),
    (
        {"config__enableEventServer": True, "config__eventProbes": ["tcpreset"]},
        {"ConfigMap", "DaemonSet", "NetworkPolicy", "Service"},
    ),
    ({"image__repository": "registry.example.com/net-exporter"}, {"DaemonSet"}),
    ({"image__tag": "edge"}, {"DaemonSet"}),
    ({"image__pullPolicy": "Always"}, {"DaemonSet"}),
    ({"imagePullSecrets": [{"name": "registry"}]}, {"DaemonSet"}),
    ({"listenAddress": "[::]"}, {"ConfigMap"}),
    ({"hostNetwork": True}, {"DaemonSet"}),
    ({"extraCapabilities": ["SYSLOG"]}, {"DaemonSet"}),
    ({"resources": {"limits": {"memory": "1Gi"}}}, {"DaemonSet"}),
    ({"tolerations": []}, {"DaemonSet"}),
    ({"nodeSelector": {}}, {"DaemonSet"}),
    ({"priorityClassName": ""}, {"DaemonSet"}),
    ({"updateStrategy__maxUnavailable": "100%"}, {"DaemonSet"}),
    ({"networkPolicy__enabled": False}, {"NetworkPolicy"}),
    ({"networkPolicy__from": [{"namespaceSelector": {}}]}, {"NetworkPolicy"}),
    ({"podMonitor__enabled": False}, {"PodMonitor"}),
    ({"podMonitor__labels": {"release": "prometheus"}}, {"PodMonitor"}),
    ({"prometheusRule__enabled": False}, {"PrometheusRule"}),
    ({"prometheusRule__labels": {"release": "prometheus"}}, {"PrometheusRule"}),
    ({"dashboards__enabled": False}, {"ConfigMap"}),
]


@pytest.fixture(scope="module")
def before() -> dict[tuple[str, str], Any]:
    return chart.objects(chart.values(**EVERYTHING))


@pytest.mark.parametrize(("changes", "kinds"), CHANGES, ids=[" ".join(changes) for changes, _ in CHANGES])
def test_a_value_changes_the_objects_that_it_is_about(
    before: dict[tuple[str, str], Any], changes: dict[str, Any], kinds: set[str]
) -> None:
    after = chart.objects(chart.values(**{**EVERYTHING, **changes}))
    assert {kind for kind, name in before if before[kind, name] != after.get((kind, name))} == kinds
    assert set(after) <= set(before)


def test_every_value_is_tried() -> None:
    tried = {path.replace("__", ".") for changes, _ in CHANGES for path in changes}
    assert tried == {value.path for value in declared(registry.load())}


def test_values_land_where_they_belong() -> None:
    content = chart.values(
        **EVERYTHING,
        hostNetwork=True,
        extraCapabilities=["SYSLOG"],
        image__tag="edge",
        config__enableMetricServer=False,
        config__metricServerPort=9200,
        config__enableEventServer=True,
        podMonitor__labels={"release": "prometheus", "app": "other"},
    )
    objects = chart.objects(content)
    template = objects[DAEMON_SET]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "false"
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "9200"
    assert (template["spec"]["hostNetwork"], template["spec"]["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert container["image"] == "net-exporter:edge"
    assert [port["containerPort"] for port in container["ports"]] == [9200, 19102]
    assert container["securityContext"]["capabilities"]["add"][-1] == "SYSLOG"
    assert [port["port"] for port in objects["Service", "net-exporter"]["spec"]["ports"]] == [9200, 19102]
    # What discovery goes by is not for changing.
    assert objects["PodMonitor", "net-exporter"]["metadata"]["labels"] == {
        "app": "net-exporter",
        "release": "prometheus",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("config__metricServerPort", 0),
        ("config__metricServerPort", 65_536),
        ("config__metricServerPort", "9102"),
        ("config__eventServerPort", 1.5),
        ("config__enableEventServer", "yes"),
        ("config__metricProbes", "tcp"),
        ("config__metricProbes", ["tpc"]),
        ("config__eventProbes", ["tcp"]),
        ("config__eventProbes", [{"name": "tcpreset", "arg": {}}]),
        ("config__metricprobes", []),
        ("image__pullPolicy", "Sometimes"),
        ("image__repository", ""),
        ("extraCapabilities", ["CAP_SYSLOG"]),
        ("resources", {"limits": {"memory": "a lot"}}),
        ("updateStrategy__maxUnavailable", "0%"),
        ("tolerations", {}),
    ],
)
def test_a_bad_value_is_refused(path: str, value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        chart.values(**{path: value})


def test_the_schema_is_one_and_accepts_the_defaults() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert chart.values() == yaml.safe_load(chart.files()["values.yaml"])


def test_the_readme_has_each_value() -> None:
    text = chart.files()["README.md"].decode()
    assert re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE) == [value.path for value in declared(registry.load())]


def test_the_notes_tell_the_port_and_of_events_only_where_there_are_some() -> None:
    plain = chart.text("NOTES.txt", chart.values(config__metricServerPort=9200))
    assert "curl http://localhost:9200/metrics" in plain
    assert "inspector watch" not in plain
    assert "inspector watch" in chart.text("NOTES.txt", chart.values(config__enableEventServer=True))


@pytest.mark.parametrize(
    "changes", [EVERYTHING, {**EVERYTHING, "config__enableEventServer": True, "hostNetwork": True}]
)
def test_helm_itself_renders_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    program = shutil.which("helm")
    if program is None:
        pytest.skip("helm is not installed, nor in Debian")
    for path, content in chart.files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(chart.values(**changes)))
    command = [
        program,
        "template",
        "any",
        tmp_path,
        "--kube-version=1.34",
        "--namespace",
        chart.NAMESPACE,
        "--values",
        tmp_path / "mine.yaml",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = chart.by_name(chart.parsed(done.stdout))
    assert without_text(found) == without_text(chart.objects(chart.values(**changes)))
    lint = subprocess.run(
        [program, "lint", "--strict", "--kube-version=1.34", tmp_path], capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout
