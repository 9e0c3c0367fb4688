from __future__ import annotations

from typing import Any

import pytest
import yaml

import scrape
from exporter import registry
from exporter.model.metric import Naming

FILES = scrape.files(registry.load(), Naming.INSPECTOR)

# Fields of monitoring.coreos.com/v1 that we use; the operator prunes unknown ones without a word.
SPEC_FIELDS = {"selector", "namespaceSelector", "sampleLimit", "labelLimit"}
ENDPOINT_FIELDS = {"port", "path", "interval", "scrapeTimeout", "honorLabels", "honorTimestamps", "relabelings"}
RULE_FIELDS = {"sourceLabels", "separator", "targetLabel", "regex", "replacement", "action", "modulus"}


@pytest.mark.parametrize(
    ("path", "kind", "endpoints"),
    [
        ("scrape/servicemonitor.yml", "ServiceMonitor", "endpoints"),
        ("scrape/podmonitor.yml", "PodMonitor", "podMetricsEndpoints"),
    ],
)
def test_only_known_fields_are_used(path: str, kind: str, endpoints: str) -> None:
    monitor: dict[str, Any] = yaml.safe_load(FILES[path])
    assert set(monitor) == {"apiVersion", "kind", "metadata", "spec"}
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", kind)
    assert set(monitor["spec"]) == {*SPEC_FIELDS, endpoints}
    (endpoint,) = monitor["spec"][endpoints]
    assert set(endpoint) == ENDPOINT_FIELDS
    assert (endpoint["honorLabels"], endpoint["honorTimestamps"]) == (True, False)
    for rule in endpoint["relabelings"]:
        assert set(rule) <= RULE_FIELDS


def test_the_operators_own_target_labels_are_dropped_after_job_and_instance_are_set() -> None:
    monitor = yaml.safe_load(FILES["scrape/servicemonitor.yml"])
    (endpoint,) = monitor["spec"]["endpoints"]
    assert [
        (rule.get("action", "replace"), rule.get("targetLabel", rule.get("regex"))) for rule in endpoint["relabelings"]
    ] == [
        ("replace", "instance"),
        ("replace", "job"),
        ("labeldrop", "container|endpoint|namespace|pod|service"),
    ]
