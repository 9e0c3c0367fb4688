"""Events as a dashboard over Grafana Loki: how many of which type, of whom, and the lines themselves.

Written without grafanalib, whose panels know only Prometheus; for Grafana 10 and later, the first to know `$__auto`.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from alerts.targets.chosen import EVERY
from alerts.targets.feature import Note, Section
from alerts.targets.grafana import LOKI_STEP
from dashboards.grafana_tree import TAG
from dashboards.modern import SCHEMA
from dashboards.panel import COMPLAINT, PREFIX
from dashboards.units import Show

if TYPE_CHECKING:
    from alerts.targets.chosen import Targets
    from dashboards.grafana_tree import Json
    from exporter.model.metric import Naming
    from exporter.registry import Registry

SLUG = "events"
PATH = f"loki/{SLUG}.json"
_SOURCE = {"type": "loki", "uid": "${datasource}"}
_CHOICES = ("job", "instance", "type", "node", "namespace", "pod")  # labels of every stream, where they are known
_MUST_BE_THERE = frozenset({"job", "instance", "type"})  # of events of a node itself, namespace and pod are not
_SELECTOR = "{" + ", ".join(f'{name}=~"${name}"' for name in _CHOICES) + "}"
_WANTED = _SELECTOR + " |~ `(?i)$search`"
_MOST = 20  # of those who have most events
_LINES = 1000
_SWITCH_ON = """\
Events are **off by default**. Name probes in `event.probes` and a sink `loki` in `event.sinks`; what a probe can tell
stands below.
"""


def files(registry: Registry, _naming: Naming, targets: Targets = EVERY) -> dict[str, bytes]:
    """The dashboard, where Grafana loads it: one for provisioning and import, as labels in Loki have one naming."""
    if targets.grafana and not targets.grafana.has(LOKI_STEP):
        return {}
    return {PATH: json.dumps(_board(registry), indent=1, sort_keys=True).encode() + b"\n"}


def report(_registry: Registry, targets: Targets = EVERY) -> list[Section]:
    """Whether it was left out."""
    if targets.grafana is None or targets.grafana.has(LOKI_STEP):
        return [Section("loki", "Grafana 10.0 and later", ())]
    return [Section("loki", targets.grafana.loads, (Note(LOKI_STEP, (PATH,)),))]


def _board(registry: Registry) -> Json:
    return {
        "annotations": {"list": []},
        "description": "Single exceptions as the kernel tells them: resets, losses and delays, with both ends named.",
        "editable": False,
        "graphTooltip": 1,
        "links": [_menu("By complaint", COMPLAINT), _menu("By subject", TAG)],
        "panels": [
            _counts(),
            _who(),
            _lines(),
            _row("What the types mean", 26, [_types(registry)]),
        ],
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "tags": [TAG, f"registry:{registry.fingerprint()}"],
        "templating": {"list": [_data_source(), *map(_choice, range(len(_CHOICES))), _search()]},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": "net-exporter / Events",
        "uid": PREFIX + SLUG,
    }


def _counts() -> Json:
    return _panel(
        "timeseries",
        "Events by type",
        "How many events of each type. A rise of resets or losses at the time of a complaint names its cause.",
        (0, 0, 14, 10),
        [_query(f"sum by (type) (count_over_time({_WANTED} [$__auto]))", "{{type}}")],
        fieldConfig={
            "defaults": {
                "custom": {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"group": "A", "mode": "normal"}},
                "unit": Show.NUMBER.value,
            },
            "overrides": [],
        },
        options={
            "legend": {"calcs": ["sum"], "displayMode": "table", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def _who() -> Json:
    to_pod = "&".join(f"var-{name}=${{__field.labels.{name}}}" for name in ("node", "namespace", "pod"))
    counted = f"topk({_MOST}, sum by (node, namespace, pod) (count_over_time({_WANTED} [$__range])))"
    return _panel(
        "bargauge",
        "Who has most events",
        f"The {_MOST} pods and nodes with most events in the time shown; those of a node itself have no pod. A click "
        "leads to the pod's board.",
        (14, 0, 10, 10),
        [_query(counted, "{{namespace}}/{{pod}} {{node}}", instant=True)],
        fieldConfig={
            "defaults": {
                "color": {"mode": "continuous-BlYlRd"},
                "links": [{"title": "Pod in detail", "url": f"/d/{PREFIX}pod?{to_pod}&${{__url_time_range}}"}],
                "unit": Show.NUMBER.value,
            },
            "overrides": [],
        },
        options={
            "displayMode": "gradient",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
        },
    )


def _lines() -> Json:
    return _panel(
        "logs",
        "Events",
        "Each event as it was told, the newest first: both ends with their owners, and what the kernel says of it.",
        (0, 10, 24, 16),
        [_query(_WANTED, "")],
        options={
            "dedupStrategy": "none",
            "enableLogDetails": True,
            "prettifyLogMessage": False,
            "showCommonLabels": False,
            "showLabels": False,
            "showTime": True,
            "sortOrder": "Descending",
            "wrapLogMessage": True,
        },
    )


def _types(registry: Registry) -> Json:
    rows = [f"| `{' or '.join(each.all_names())}` | {each.help} | {each.advice} |" for each in registry.events()]
    return _panel(
        "text",
        "Types",
        "What each type says and what to do.",
        (0, 27, 24, 18),
        [],
        options={
            "content": "\n".join((_SWITCH_ON, "| type | says | do |", "|---|---|---|", *rows)),
            "mode": "markdown",
        },
    )


def _panel(
    kind: str, title: str, description: str, place: tuple[int, int, int, int], targets: list[Json], **more: Json
) -> Json:
    x, y, width, height = place
    found = {
        "description": description,
        "gridPos": {"h": height, "w": width, "x": x, "y": y},
        "id": zlib.crc32(title.encode()) & 0xFFFFFF,
        "title": title,
        "type": kind,
        **more,
    }
    return found | ({"datasource": _SOURCE, "targets": targets} if targets else {})


def _row(title: str, y: int, panels: list[Json]) -> Json:
    place = {"h": 1, "w": 24, "x": 0, "y": y}
    return {
        "collapsed": True,
        "gridPos": place,
        "id": zlib.crc32(f"row {title}".encode()) & 0xFFFFFF,
        "panels": panels,
        "title": title,
        "type": "row",
    }


def _query(expr: str, legend: str, *, instant: bool = False) -> Json:
    return {
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend,
        "maxLines": _LINES,
        "queryType": "instant" if instant else "range",
        "refId": "A",
    }


def _data_source() -> Json:
    return {
        "hide": 0,
        "label": "Data source",
        "name": "datasource",
        "query": "loki",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }


def _choice(position: int) -> Json:
    """A label's values under the choices before it; the whole of one that may be absent takes in streams without it."""
    name = _CHOICES[position]
    before = ", ".join(f'{other}=~"${other}"' for other in _CHOICES[:position]) or 'type=~".+"'
    return {
        "allValue": ".+" if name in _MUST_BE_THERE else ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": _SOURCE,
        "definition": f"label_values({{{before}}}, {name})",
        "hide": 0,
        "includeAll": True,
        "label": name.capitalize(),
        "multi": True,
        "name": name,
        "query": f"label_values({{{before}}}, {name})",
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "type": "query",
    }


def _search() -> Json:
    return {
        "current": {"selected": True, "text": "", "value": ""},
        "hide": 0,
        "label": "Line contains",
        "name": "search",
        "query": "",
        "type": "textbox",
    }


def _menu(title: str, tag: str) -> Json:
    return {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": False,  # the data source there is another one
        "keepTime": True,
        "tags": [tag],
        "targetBlank": False,
        "title": title,
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }
