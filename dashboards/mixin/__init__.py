"""The bundle as a mixin: the same rules and dashboards in Jsonnet, with what differs between places in `_config`.

It needs no other library. `import 'mixin.libsonnet'` has `prometheusAlerts`, `prometheusRules`, `grafanaDashboards`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts import DECLARED, LINKS
from dashboards.mixin import boards, config, rules, source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.words import Links
    from exporter.model.metric import Naming
    from exporter.registry import Registry

WHOLE = """(import 'config.libsonnet') +
(import 'alerts/alerts.libsonnet') +
(import 'rules/rules.libsonnet') +
(import 'dashboards/dashboards.libsonnet')
"""
# For the command: jsonnet -S alerts.jsonnet, jsonnet -S rules.jsonnet, jsonnet -m DIR dashboards.jsonnet
ENTRIES = {
    "alerts.jsonnet": "std.manifestYamlDoc((import 'mixin.libsonnet').prometheusAlerts)\n",
    "rules.jsonnet": "std.manifestYamlDoc((import 'mixin.libsonnet').prometheusRules)\n",
    "dashboards.jsonnet": "(import 'mixin.libsonnet').grafanaDashboards\n",
}
JSONNETFILE = '{\n  "version": 1,\n  "dependencies": [],\n  "legacyImports": true\n}\n'


def files(
    registry: Registry, naming: Naming, links: Links = LINKS, limits: Mapping[str, float] = DECLARED
) -> dict[str, bytes]:
    """All files, by path within the bundle. Naming, links and limits are those that `_config` begins with."""
    written = {
        **config.files(registry, naming, links, limits),
        **rules.files(registry.fingerprint()),
        **boards.files(registry),
        "mixin.libsonnet": source.NOTICE + WHOLE,
        "jsonnetfile.json": JSONNETFILE,
        **{path: source.NOTICE + text for path, text in ENTRIES.items()},
    }
    return {f"mixin/{path}": text.encode() for path, text in sorted(written.items())}
