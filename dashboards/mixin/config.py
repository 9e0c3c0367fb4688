"""What a user of the mixin may change, and the table of names that it chooses from."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from alerts import thresholds
from dashboards import variables
from dashboards.grafana_tree import TAG
from dashboards.mixin import source
from dashboards.mixin.places import JOB, field
from dashboards.panel import PREFIX
from exporter.model.metric import Identity, Naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.words import Links
    from exporter.registry import Registry

# Key -> its value, and what it is for.
FIELDS: tuple[tuple[str, object, str], ...] = (
    ("selector", "", "Label matchers for every selector, such as 'cluster=\"blue\"'."),
    ("job", JOB, "Job under which Prometheus scrapes the exporter."),
    ("dashboardUidPrefix", PREFIX, "Beginning of the dashboards' uids."),
    ("dashboardTitlePrefix", "", "Beginning of the dashboards' titles."),
    ("dashboardTags", [TAG], "Tags of the dashboards, by which they also link to each other."),
)

VALUES = """// From _config to what rules and dashboards are made of:
// m, names of metrics; l, of labels; s, label matchers; t, limits as text; c, _config itself.
local declared = (import '../config.libsonnet')._config;
local names = import 'names.libsonnet';

local unknown(given, known) = [key for key in std.objectFields(given) if !std.objectHas(known, key)];
local list(words) = std.join(', ', words);

function(config)
  local strange = unknown(config, declared);
  local limits = declared.thresholds + config.thresholds;
  local strangers = unknown(limits, declared.thresholds);
  local wrong = [key for key in std.objectFields(limits) if std.type(limits[key]) != 'number'];
  local families = std.objectFields(names);
  assert strange == [] : 'unknown key in _config: ' + list(strange) + '; known: ' + list(std.objectFields(declared));
  assert strangers == [] : 'unknown key in _config.thresholds: ' + list(strangers);
  assert wrong == [] : 'no number in _config.thresholds: ' + list(wrong);
  assert std.member(families, config.naming) : '_config.naming is ' + config.naming + ', must be ' + list(families);
  local labels = names[config.naming].labels;
  local first = if config.selector == '' then '' else config.selector + ', ';
  local limit = { [key]: '%.12g' % limits[key] for key in std.objectFields(limits) };
  {
    m: names[config.naming].metrics,
    l: labels { owner: list([labels.node, labels.namespace, labels.pod]) },
    s: {
      all: if config.selector == '' then '' else '{' + config.selector + '}',
      first: first,
      board: first + BOARD,
    },
    t: limit,
    c: config,
  }
""".replace("BOARD", source.text(", ".join(variables.SCRAPED)))


def files(registry: Registry, naming: Naming, links: Links, limits: Mapping[str, float]) -> dict[str, str]:
    """Source by path."""
    return {
        "config.libsonnet": _config(naming, links, limits),
        "lib/names.libsonnet": source.NOTICE + source.write(_names(registry)) + "\n",
        "lib/values.libsonnet": source.NOTICE + VALUES,
    }


def _config(naming: Naming, links: Links, limits: Mapping[str, float]) -> str:
    lines = [source.NOTICE + "{", "  _config+:: {"]
    generated: tuple[tuple[str, object, str], ...] = (
        ("naming", naming.value, f"Family of metric and label names: {' or '.join(each.value for each in Naming)}."),
        ("runbookUrl", links.runbooks, "Folder of the runbooks, without a slash at the end."),
        ("grafanaUrl", links.grafana, "Address of Grafana, without a slash at the end; links are relative without it."),
    )
    for key, value, purpose in (*generated, *FIELDS):
        lines += [f"    // {purpose}", f"    {key}: {source.write(value)},"]
    lines += ["    // Limits of alerts; a ratio of 5 % is 0.05.", "    thresholds: {"]
    for each in thresholds.table():
        words = f"{each.name} ({each.unit}). {each.reason}"
        lines += [f"      // {line}" for line in textwrap.wrap(words, source.WIDTH)]
        lines += [f"      {each.key}: {json.dumps(limits.get(each.key, each.value))},"]
    return "\n".join([*lines, "    },", "  },", "}", ""])


def _names(registry: Registry) -> dict[str, dict[str, dict[str, str]]]:
    return {
        naming.value: {
            "labels": {key.value: key.name_in(naming) for key in (Identity.NODE, Identity.NAMESPACE, Identity.POD)},
            "metrics": {field(each): each.name_in(naming) for each in registry.metrics() if not each.external},
        }
        for naming in Naming
    }
