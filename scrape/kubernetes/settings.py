"""The ConfigMap: our configuration file with every setting at its default, or where a value of the chart says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.model.settings import SETTINGS
from scrape.kubernetes.template import Document, Ref, Text, When
from scrape.model import APP

if TYPE_CHECKING:
    from exporter.registry import Registry

FILE: Final = "config.yaml"
FOLDER: Final = "/etc/net-exporter"
LISTEN: Final = Text("{}:{}", (Ref("listenAddress"), Ref("config.metricServerPort")))

# Told by the environment, as each pod has its own; and the other name of a log level, which that level would hide.
_LEFT_OUT: Final = {"node", "debugmode"}


def config_map(registry: Registry) -> dict[str, Any]:
    """The object."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": APP, "namespace": Ref("Release.Namespace"), "labels": {"app": APP}},
        "data": {FILE: Document(_settings(registry))},
    }


def _settings(registry: Registry) -> dict[str, Any]:
    from_values = _from_values(registry)
    tree: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.key not in _LEFT_OUT:
            group, _, name = setting.key.rpartition(".")
            section = tree.setdefault(group, {}) if group else tree
            section[name] = from_values.get(setting.key, setting.default)
    return tree


def _from_values(registry: Registry) -> dict[str, Any]:
    """Settings that a value of the chart says, by key."""
    telling = tuple(spec.name for spec in registry.probes if spec.events and spec.default)
    loki = {"name": "loki", "args": {"addr": Ref("config.remoteLokiAddress")}}
    return {
        "listen": LISTEN,
        "enableLegacyVersion": Ref("config.enableLegacyVersion"),
        "metrics.enabled": Ref("config.enableMetricServer"),
        "metrics.verbose": Ref("config.metricLabelVerbose"),
        "metrics.probes": Ref("config.metricProbes"),
        "event.port": Ref("config.eventServerPort"),
        "event.probes": When("config.enableEventServer", Ref("config.eventProbes", telling), []),
        "event.sinks": When("config.remoteLokiAddress", [loki], []),
    }
