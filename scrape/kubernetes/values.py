"""The values of the chart: one table declares each; defaults, schema, table of the README follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exporter import __version__
from exporter.model.settings import SETTINGS
from scrape.model import NAMESPACE, PORT

if TYPE_CHECKING:
    from exporter.registry import Registry

_DEFAULTS: Final = {setting.key: setting.default for setting in SETTINGS}
_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65_535}
_TEXT: Final = {"type": "string"}
_SWITCH: Final = {"type": "boolean"}
_MAPPING: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_OBJECTS: Final = {"type": "array", "items": {"type": "object"}}
_AMOUNT: Final = {"type": ["string", "integer"], "pattern": r"^[0-9.]+(m|k|M|G|Ki|Mi|Gi)?$"}
_AMOUNTS: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"cpu": _AMOUNT, "memory": _AMOUNT, "ephemeral-storage": _AMOUNT},
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value.

    Args:
        path: dotted.
        default: used when nobody sets it.
        help: one sentence.
        schema: what it may be, as JSON schema.
    """

    path: str
    default: Any
    help: str
    schema: dict[str, Any]


def _probes(names: list[str]) -> dict[str, Any]:
    """A list as in the configuration file: names, or `name` with `args`."""
    name = {"type": "string", "enum": names}
    entry = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {"name": name, "args": {"type": "object"}},
    }
    return {"type": "array", "items": {"anyOf": [name, entry]}}


def declared(registry: Registry) -> tuple[Value, ...]:
    """All values."""
    probes = [spec.name for spec in registry.probes]
    telling = [spec.name for spec in registry.probes if spec.events]
    return (
        Value("config.enableMetricServer", True, "Whether metrics are collected.", _SWITCH),  # noqa: FBT003
        Value("config.enableEventServer", False, "Whether events are told.", _SWITCH),  # noqa: FBT003
        Value(
            "config.enableLegacyVersion",
            _DEFAULTS["enableLegacyVersion"],
            "Whether the compatibility mode may be used, which takes bcc and the kernel's headers in the image.",
            _SWITCH,
        ),
        Value("config.remoteLokiAddress", "", "Where events are pushed to: host, host:port or URL of Loki.", _TEXT),
        Value(
            "config.metricLabelVerbose",
            _DEFAULTS["metrics.verbose"],
            "Add each pod's address and its label `app` to every series.",
            _SWITCH,
        ),
        Value("config.metricServerPort", PORT, "Port of the HTTP endpoint.", _PORT),
        Value("config.eventServerPort", _DEFAULTS["event.port"], "Port of the event stream, gRPC.", _PORT),
        Value("config.metricProbes", [], "Probes to run; empty runs the default set.", _probes(probes)),
        Value(
            "config.eventProbes",
            [],
            "Probes to tell events; empty takes those of the default set.",
            _probes(telling),
        ),
        Value("image.repository", "net-exporter", "Image, with its registry.", {**_TEXT, "minLength": 1}),
        Value("image.tag", "", "Tag of the image; empty is the version of the chart's application.", _TEXT),
        Value(
            "image.pullPolicy",
            "IfNotPresent",
            "When the image is pulled.",
            {"enum": ["Always", "IfNotPresent", "Never"]},
        ),
        Value("imagePullSecrets", [], "Secrets for the registry, each as `name: NAME`.", _OBJECTS),
        Value("listenAddress", "0.0.0.0", "Address to listen on; [::] where pods have IPv6 only.", _TEXT),
        Value(
            "hostNetwork",
            False,  # noqa: FBT003
            "Use the node's network and address, so that the endpoint stays reachable when the pod network is broken.",
            _SWITCH,
        ),
        Value(
            "extraCapabilities",
            [],
            "Further capabilities, such as SYSLOG for the names of functions in events.",
            {"type": "array", "items": {"type": "string", "pattern": "^[A-Z_]+$", "not": {"pattern": "^CAP_"}}},
        ),
        Value(
            "resources",
            {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "Of the container. There is no limit of CPU, as throttling would delay what is to be measured.",
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {"requests": _AMOUNTS, "limits": _AMOUNTS},
            },
        ),
        Value("tolerations", [{"operator": "Exists"}], "Of the pods; the default runs on every node.", _OBJECTS),
        Value("nodeSelector", {"kubernetes.io/os": "linux"}, "Labels of the nodes to run on.", _MAPPING),
        Value("priorityClassName", "system-node-critical", "Priority of the pods.", _TEXT),
        Value(
            "updateStrategy.maxUnavailable",
            "10%",
            "Share of nodes updated at a time.",
            {**_TEXT, "pattern": "^([1-9][0-9]?|100)%$"},
        ),
        Value("networkPolicy.enabled", True, "Whether other ports of the pods are closed.", _SWITCH),  # noqa: FBT003
        Value("networkPolicy.from", [], "Who may reach the ports, as in NetworkPolicy; empty is everybody.", _OBJECTS),
        Value("podMonitor.enabled", False, "Make a PodMonitor for the Prometheus operator.", _SWITCH),  # noqa: FBT003
        Value("podMonitor.labels", {}, "Labels by which a Prometheus object selects it.", _MAPPING),
        Value("prometheusRule.enabled", False, "Make a PrometheusRule for the operator.", _SWITCH),  # noqa: FBT003
        Value("prometheusRule.labels", {}, "Labels by which a Prometheus object selects it.", _MAPPING),
        Value("dashboards.enabled", False, "Lay out dashboards for Grafana's sidecar.", _SWITCH),  # noqa: FBT003
    )


def defaults(values: tuple[Value, ...]) -> dict[str, Any]:
    """The content of values.yaml."""
    tree: dict[str, Any] = {}
    for value in values:
        *groups, name = value.path.split(".")
        at = tree
        for group in groups:
            at = at.setdefault(group, {})
        at[name] = value.default
    return tree


def with_release(tree: dict[str, Any], namespace: str = NAMESPACE) -> dict[str, Any]:
    """The values, with what Helm knows of the release besides."""
    return {**tree, "Release": {"Namespace": namespace}, "Chart": {"AppVersion": __version__}}


def schema(values: tuple[Value, ...]) -> dict[str, Any]:
    """JSON schema of values.yaml: what it does not name is a mistake."""
    tree: dict[str, Any] = _object()
    for value in values:
        *groups, name = value.path.split(".")
        at = tree
        for group in groups:
            at = at["properties"].setdefault(group, _object())
        at["properties"][name] = {**value.schema, "description": value.help, "default": value.default}
    # Helm itself puts this beside the values of a chart, and of one below another.
    tree["properties"]["global"] = {"type": "object"}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **tree}


def _object() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}
