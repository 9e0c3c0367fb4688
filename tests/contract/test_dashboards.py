"""Every dashboard that is shipped, judged from outside: Grafana's rules for good dashboards, and stricter ones.

The first part restates the seventeen rules of grafana/dashboard-linter, which cannot be built here, without a single
exclusion. The second closes the holes that its code leaves. The third compares the three generations.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest

import dashboards
from alerts.targets.chosen import Targets
from alerts.targets.grafana import VERSIONS
from exporter import registry
from exporter.model.metric import Identity, Kind, Metric, Naming, Scope
from tests.contract import resource_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

Board = dict[str, Any]
Panel = dict[str, Any]

DESCRIBED = {
    "stat",
    "singlestat",
    "graph",
    "table",
    "timeseries",
    "gauge",
    "bargauge",
    "heatmap",
    "nodeGraph",
    "state-timeline",
}
# Unit ids present in @grafana/data 7.5, 8.4 and 13.2; any other is drawn as a bare suffix by one of them.
UNITS = {
    "Bps", "bytes", "cps", "dateTimeFromNow", "locale", "ms", "none", "ops", "percentunit", "pps", "reqps", "s",
    "short",
}  # fmt: skip
SOURCES = ({"type": "prometheus", "uid": "${datasource}"}, "$datasource")
WINDOWS = {"modern": "$__rate_interval", "legacy": "$interval"}
LEGACY_TYPES = {"graph", "heatmap", "singlestat", "table", "bargauge", "text", "row"}
MODERN_TYPES = {"timeseries", "heatmap", "nodeGraph", "stat", "table", "bargauge", "state-timeline", "text", "row"}


@cache
def bundle(naming: Naming) -> dict[str, bytes]:
    return dashboards.files(registry.load(), naming)


def schema_of(path: str) -> str:
    return "legacy" if "/legacy/" in path else "modern"


PROVISIONED = [
    pytest.param(naming, path, id=f"{naming.value}:{path}")
    for naming in Naming
    for path in bundle(naming)
    if path.endswith(".json") and "/import/" not in path
]
each_board = pytest.mark.parametrize(("naming", "path"), PROVISIONED)


@cache
def load(naming: Naming, path: str) -> Board:
    board: Board = json.loads(bundle(naming)[path])
    return resource_reader.read(board) if "/v2/" in path else board


def panels(board: Board) -> Iterator[Panel]:
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def expressions(board: Board) -> Iterator[tuple[str, str]]:
    for panel in panels(board):
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def variables(board: Board, kind: str) -> list[dict[str, Any]]:
    return [variable for variable in board["templating"]["list"] if variable["type"] == kind]


@cache
def parsed(expr: str) -> Any:  # noqa: ANN401 - promql_parser has no common base
    plain = re.sub(r"\$(__rate_interval|__range|interval)\b", "5m", expr)
    return promql_parser.parse(re.sub(r"\$\{?\w+\}?", "chosen", plain))


def nodes(node: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        if (child := getattr(node, name, None)) is not None:
            yield from nodes(child)
    for child in getattr(node, "args", None) or ():
        yield from nodes(child)


def selectors(expr: str) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Name of each selected metric, and its matchers as label -> (operator, value)."""
    for node in nodes(parsed(expr)):
        if isinstance(node, promql_parser.VectorSelector):
            found = {each.name: (str(each.op), each.value) for each in node.matchers.matchers}
            yield node.name or "", found


def unit(panel: Panel) -> str:
    if panel["type"] == "graph":
        return str(panel["yaxes"][0]["format"])
    if panel["type"] == "heatmap" and "yAxis" in panel:
        return str(panel["yAxis"]["format"])
    return str(panel["format"] if panel["type"] == "singlestat" else panel["fieldConfig"]["defaults"]["unit"])


@each_board
class TestRules:
    """The rules of grafana/dashboard-linter, by their names there."""

    def test_template_datasource_rule(self, naming: Naming, path: str) -> None:
        sources = variables(load(naming, path), "datasource")
        assert [(source["name"], source["label"], source["query"]) for source in sources] == [
            ("datasource", "Data source", "prometheus")
        ]

    @pytest.mark.parametrize("name", ["job", "instance"])
    def test_template_job_and_instance_rules(self, naming: Naming, path: str, name: str) -> None:
        (found,) = [each for each in variables(load(naming, path), "query") if each["name"] == name]
        assert (True, ".+", name.capitalize()) == (found["multi"], found["allValue"], found["label"])
        assert found["datasource"] in SOURCES

    def test_template_label_promql_rule(self, naming: Naming, path: str) -> None:
        for variable in variables(load(naming, path), "query"):
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found
            parsed(found[1])

    def test_template_on_time_change_reload_rule(self, naming: Naming, path: str) -> None:
        assert {2} == {variable["refresh"] for variable in variables(load(naming, path), "query")}

    def test_panel_datasource_rule(self, naming: Naming, path: str) -> None:
        expected = SOURCES[schema_of(path) == "legacy"]
        board = load(naming, path)
        assert [p["title"] for p in panels(board) if p["type"] != "text" and p["datasource"] != expected] == []

    def test_panel_title_description_rule(self, naming: Naming, path: str) -> None:
        assert [p["id"] for p in panels(load(naming, path)) if not p["title"] or not p["description"]] == []

    def test_panel_units_rule(self, naming: Naming, path: str) -> None:
        """Stricter than the linter, which asks nothing of a panel that has mappings."""
        found = {(p["title"], unit(p)) for p in panels(load(naming, path)) if p["type"] in DESCRIBED}
        assert set() == {(title, each) for title, each in found if each not in UNITS}

    def test_panel_no_targets_rule(self, naming: Naming, path: str) -> None:
        assert [p["title"] for p in panels(load(naming, path)) if p["type"] in DESCRIBED and not p["targets"]] == []

    def test_target_promql_rule(self, naming: Naming, path: str) -> None:
        for _title, expr in expressions(load(naming, path)):
            parsed(expr)

    def test_target_logql_rules(self, naming: Naming, path: str) -> None:
        """No Loki source, hence no LogQL that could be wrong."""
        text = bundle(naming)[path].decode()
        assert "loki" not in text

    def test_target_rate_interval_rule(self, naming: Naming, path: str) -> None:
        """Any fixed range is refused; growth over the time shown is the one other window."""
        for title, expr in expressions(load(naming, path)):
            for function, window in re.findall(r"(\w+)\([^()\[\]]*\[([^\]]+)\]", expr):
                expected = "$__range" if function == "increase" else WINDOWS[schema_of(path)]
                assert expected == window, title

    def test_target_job_and_instance_rules(self, naming: Naming, path: str) -> None:
        for title, expr in expressions(load(naming, path)):
            for name, matchers in selectors(expr):
                expected = dict.fromkeys(("job", "instance"), ("MatchOp.Re", "chosen"))
                assert expected == {label: matchers.get(label) for label in expected}, (title, name)

    def test_target_counter_agg_rule(self, naming: Naming, path: str) -> None:
        """Every counter stands in rate() or increase(), every gauge in neither: by type, not by name."""
        known = {name: metric for metric in registry.load().metrics() for name in metric.all_names()}
        for title, expr in expressions(load(naming, path)):
            everything = list(nodes(parsed(expr)))
            ranged = {n.vector_selector.name for n in everything if isinstance(n, promql_parser.MatrixSelector)}
            for name, _matchers in selectors(expr):
                assert (known[name].kind is not Kind.GAUGE) == (name in ranged), (title, name)

    def test_uneditable_dashboard(self, naming: Naming, path: str) -> None:
        assert load(naming, path)["editable"] is False


@each_board
class TestBeyondTheRules:
    def test_every_variable_is_defined_and_used(self, naming: Naming, path: str) -> None:
        board = load(naming, path)
        defined = {variable["name"] for variable in board["templating"]["list"]}
        text = json.dumps([board["panels"], board["templating"]["list"]])
        used = {name for name in re.findall(r"\$\{?([^\W\d]\w*)", text) if not name.startswith("__")}
        assert used == defined

    def test_no_node_wide_number_is_filtered_by_pod(self, naming: Naming, path: str) -> None:
        known = {name: metric for metric in registry.load().metrics() for name in metric.all_names()}
        pod = Identity.POD.name_in(naming)
        for title, expr in expressions(load(naming, path)):
            for name, matchers in selectors(expr):
                assert known[name].scope is not Scope.NODE or pod not in matchers, (title, name)

    def test_a_number_of_namespaces_is_the_hosts_or_the_pods_or_counts_both_for_the_fleet(
        self, naming: Naming, path: str
    ) -> None:
        """A host's number beside a pod's of the same label set would be added up twice by a reader."""
        known = {name: metric for metric in registry.load().metrics() for name in metric.all_names()}
        pod = Identity.POD.name_in(naming)
        for panel in panels(load(naming, path)):
            if panel["type"] in {"stat", "singlestat", "text"}:
                continue
            for target in panel["targets"]:
                for name, matchers in selectors(target["expr"]):
                    assert known[name].scope is Scope.NODE or pod in matchers, (panel["title"], name)

    def test_ids_and_titles_are_distinct_and_panels_do_not_overlap(self, naming: Naming, path: str) -> None:
        board = load(naming, path)
        everything = [*panels(board), *(p for p in board["panels"] if p["type"] == "row")]
        assert len(everything) == len({p["id"] for p in everything})
        for group in [board["panels"], *(p["panels"] for p in board["panels"] if p["type"] == "row")]:
            cells = [cell for p in group for cell in _cells(p["gridPos"])]
            assert len(cells) == len(set(cells))
            assert all(0 <= x < 24 for x, _y in cells)

    def test_only_panels_that_its_grafana_has(self, naming: Naming, path: str) -> None:
        known = LEGACY_TYPES if schema_of(path) == "legacy" else MODERN_TYPES
        assert {p["type"] for p in [*load(naming, path)["panels"], *panels(load(naming, path))]} <= known

    def test_nothing_of_grafanalibs_defects_is_left(self, naming: Naming, path: str) -> None:
        board = load(naming, path)
        assert ("schemaVersion" in board) != ("/v2/" in path)
        assert board.get("schemaVersion", 36) == (27 if "/legacy/" in path else 36)
        assert not {"rows", "sharedCrosshair", "hideControls", "gnetId", "style", "__inputs"} & set(board)
        for panel in panels(board):
            assert not {"span", "height", "minSpan", "editable", "error", "maxDataPoints", "repeat"} & set(panel)
            for target in panel.get("targets", ()):
                assert not {"step", "metric", "target", "query"} & set(target)
                assert target.get("intervalFactor", 1) == 1

    def test_links_lead_to_boards_that_exist(self, naming: Naming, path: str) -> None:
        uids = {load(naming, other)["uid"] for other in bundle(naming) if other.endswith(".json")}
        found = set(re.findall(r"/d/([\w-]+)\?", bundle(naming)[path].decode()))
        assert found <= uids


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def neutral(board: Board) -> list[Any]:
    """What a reader sees, whichever generation draws it."""
    return [_neutral(panel) for panel in panels(board)]


def _neutral(panel: Panel) -> Any:  # noqa: ANN401 - a nested tuple
    if panel["type"] == "text":
        return panel["title"], panel["options"]
    queries = [
        (re.sub(r"\$(__rate_interval|interval)\b", "window", target["expr"]), target["legendFormat"], target["instant"])
        for target in panel["targets"]
    ]
    return panel["title"], panel["description"], panel["gridPos"], queries, unit(panel), _steps(panel), _links(panel)


def _steps(panel: Panel) -> list[float]:
    if panel["type"] == "graph":
        return [step["value"] for step in panel["thresholds"]]
    if panel["type"] == "heatmap":
        return []
    if panel["type"] == "singlestat":
        return [float(step) for step in panel["thresholds"].split(",") if step]
    return [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]


def _links(panel: Panel) -> list[list[str]]:
    if panel["type"] == "graph":
        found = panel["options"]["dataLinks"]
    elif panel["type"] == "singlestat":
        found = panel["links"]
    else:
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        properties = [each for override in config["overrides"] for each in override["properties"]]
        in_columns = [link for each in properties if each["id"] == "links" for link in each["value"]]
        found = [*config["defaults"].get("links", ()), *in_columns]
    return [re.findall(r"/d/[\w-]+|var-(?:node|namespace|pod)=[^&]+", link["url"]) for link in found]


@pytest.mark.parametrize("naming", list(Naming))
@pytest.mark.parametrize("generation", ["legacy", "v2"])
def test_every_generation_says_the_same(naming: Naming, generation: str) -> None:
    modern = {path for path in bundle(naming) if re.fullmatch(r"dashboards/[\w-]+\.json", path)}
    others = {path for path in bundle(naming) if re.fullmatch(rf"dashboards/{generation}/[\w-]+\.json", path)}
    assert others == {path.replace("dashboards/", f"dashboards/{generation}/") for path in modern}
    for path in modern:
        shown, other = load(naming, path), load(naming, path.replace("dashboards/", f"dashboards/{generation}/"))
        shown = without_node_graphs(shown) if generation == "legacy" else shown
        assert neutral(shown) == neutral(other)
        assert headings(shown) == headings(other)


def without_node_graphs(board: Board) -> Board:
    """As Grafana before 8 shows it; a collapsed row of nothing else goes with them."""
    rows = [
        p | {"panels": [inner for inner in p["panels"] if inner["type"] != "nodeGraph"]} if p["type"] == "row" else p
        for p in board["panels"]
        if p["type"] != "nodeGraph"
    ]
    return board | {"panels": [p for p in rows if p["type"] != "row" or p["panels"] or not p["collapsed"]]}


def headings(board: Board) -> list[Any]:
    """The board's own words, and its rows with what stands below each."""
    rows = [(p["title"], p["collapsed"], p["gridPos"]) for p in board["panels"] if p["type"] == "row"]
    return [board["uid"], board["title"], board["tags"], board["refresh"], rows]


@pytest.mark.parametrize("naming", list(Naming))
def test_the_resource_has_the_very_panels_of_the_json_for_13(naming: Naming) -> None:
    """Not only the same meaning: also options, overrides and transformations."""
    kept = ("id", "title", "type", "options", "targets", "fieldConfig")
    classic = dashboards.files(registry.load(), naming, Targets(VERSIONS["13"]))
    for path in classic:
        if re.fullmatch(r"dashboards/[\w-]+\.json", path):
            shown = load(naming, path.replace("dashboards/", "dashboards/v2/"))
            expected = [{key: p.get(key) for key in kept} for p in panels(json.loads(classic[path]))]
            assert [{key: p.get(key) for key in kept} for p in panels(shown)] == expected


@pytest.mark.parametrize(("naming", "path"), [each for each in PROVISIONED if "/v2/" not in str(each.values[1])])
def test_the_importable_form_differs_only_in_its_data_source(naming: Naming, path: str) -> None:
    folder, _, name = path.rpartition("/")
    imported = dict(load(naming, f"{folder}/import/{name}"))
    assert [each["name"] for each in imported.pop("__inputs")] == ["DS_PROMETHEUS"]
    required = {each["id"] for each in imported.pop("__requires") if each["type"] == "panel"}
    expected = load(naming, path)
    assert required == {panel["type"] for panel in panels(expected)}
    text = json.dumps(expected)
    for before in ("var-datasource=${datasource}&", "var-datasource=$datasource&"):
        text = text.replace(before, "")
    expected = json.loads(text.replace("${datasource}", "${DS_PROMETHEUS}").replace("$datasource", "${DS_PROMETHEUS}"))
    expected["templating"]["list"] = expected["templating"]["list"][1:]
    assert expected == imported


def test_every_metric_that_is_exposed_by_default_is_on_some_panel() -> None:
    shown = dashboards.index(registry.load())
    missing = [_name(metric) for metric in registry.load().metrics() if metric.default and _name(metric) not in shown]
    assert missing == []


def test_a_probes_metric_is_on_its_own_board_too() -> None:
    shown = dashboards.index(registry.load())
    general = ("net-exporter / Overview", "net-exporter / Node", "net-exporter / Pod")
    for metric in registry.load().metrics():
        if metric.default:
            assert [place for place in shown[_name(metric)] if not place.startswith(tuple(f"{g} ›" for g in general))]


def test_overview_node_and_pod_ask_only_for_what_runs_by_default() -> None:
    optional = {spec.name for spec in registry.load().probes if not spec.default}
    known = {name: metric for metric in registry.load().metrics() for name in metric.all_names()}
    for slug in ("overview", "node", "pod"):
        for _title, expr in expressions(load(Naming.KUBESKOOP, f"dashboards/{slug}.json")):
            assert not {known[name].probe for name, _matchers in selectors(expr)} & optional


def test_the_same_input_gives_the_same_bytes() -> None:
    first = bundle(Naming.KUBESKOOP)
    assert first == dashboards.files(registry.load(), Naming.KUBESKOOP)
    assert list(first) == list(dashboards.files(registry.load(), Naming.KUBESKOOP))


def _name(metric: Metric) -> str:
    return metric.name_in(Naming.KUBESKOOP)
