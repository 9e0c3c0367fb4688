"""The dashboard of events over Loki, judged as those over Prometheus are."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

import pytest
from grafana_foundation_sdk.cog import encoder, plugins

import dashboards
from dashboards import loki
from exporter import registry
from exporter.model.metric import Naming

with warnings.catch_warnings():  # as in test_grafana_types
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

FILES = loki.files(registry.load(), Naming.KUBESKOOP)
BOARD: dict[str, Any] = json.loads(FILES["loki/events.json"])
PANELS = [inner for panel in BOARD["panels"] for inner in [panel, *panel.get("panels", ())] if inner["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
QUERIES = [target["expr"] for panel in PANELS for target in panel.get("targets", ())]
LABELS = ("job", "instance", "type", "node", "namespace", "pod")
UNITS = {"short"}


def test_it_is_the_same_in_both_families_of_names() -> None:
    assert loki.files(registry.load(), Naming.INSPECTOR) == FILES


def test_its_data_source_is_a_loki_that_can_be_chosen() -> None:
    assert (VARIABLES["datasource"]["query"], VARIABLES["datasource"]["label"]) == ("loki", "Data source")
    asked = [*(panel for panel in PANELS if panel["type"] != "text"), *(VARIABLES[label] for label in LABELS)]
    assert [each["datasource"] for each in asked] == [{"type": "loki", "uid": "${datasource}"}] * len(asked)


@pytest.mark.parametrize("label", LABELS)
def test_each_label_of_a_stream_is_a_choice_of_several_under_those_before_it(label: str) -> None:
    found, before = VARIABLES[label], LABELS[: LABELS.index(label)]
    assert (True, True, 2, label.capitalize()) == (
        found["multi"],
        found["includeAll"],
        found["refresh"],
        found["label"],
    )
    inside = ", ".join(f'{each}=~"${each}"' for each in before) or 'type=~".+"'
    assert found["query"] == f"label_values({{{inside}}}, {label})"


def test_all_takes_in_events_of_nodes_which_have_no_pod_and_never_every_stream_of_loki() -> None:
    """Loki refuses a selector that might match nothing in each of its labels."""
    assert {label: VARIABLES[label]["allValue"] for label in LABELS} == {
        "job": ".+", "instance": ".+", "type": ".+", "node": ".*", "namespace": ".*", "pod": ".*",
    }  # fmt: skip


def test_every_query_selects_by_every_choice_and_by_what_is_searched() -> None:
    selector = "{" + ", ".join(f'{label}=~"${label}"' for label in LABELS) + "} |~ `(?i)$search`"
    assert [query.count(selector) for query in QUERIES] == [1, 1, 1]


def test_ranges_are_those_that_grafana_fits_to_what_is_shown() -> None:
    assert re.findall(r"\[([^\]]+)\]", " ".join(QUERIES)) == ["$__auto", "$__range"]


def test_brackets_and_quotes_of_queries_are_closed() -> None:
    for query in QUERIES:
        bare = re.sub(r'`[^`]*`|"[^"]*"', "", query)
        assert [bare.count(each) for each in "({["] == [bare.count(each) for each in ")}]"]
        assert not set(bare) & set('`"')


def test_every_variable_is_defined_and_used() -> None:
    text = json.dumps([BOARD["panels"], BOARD["templating"]["list"]])
    used = {name for name in re.findall(r"\$\{?([^\W\d]\w*)", text) if not name.startswith("__")}
    assert used == set(VARIABLES)


def test_every_panel_has_a_title_a_description_a_unit_and_a_place_of_its_own() -> None:
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)
    assert {p["fieldConfig"]["defaults"]["unit"] for p in PANELS if "fieldConfig" in p} == UNITS
    everything = [*BOARD["panels"], *PANELS]
    assert len({panel["id"] for panel in everything}) == len(BOARD["panels"]) + 1
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in BOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))


def test_it_tells_every_type_by_all_of_its_names_with_what_to_do_and_how_to_have_any() -> None:
    (text,) = [panel["options"]["content"] for panel in PANELS if panel["type"] == "text"]
    assert "`event.probes`" in text
    for event in registry.load().events():
        assert f"| `{' or '.join(event.all_names())}` | {event.help} | {event.advice} |" in text


def test_its_link_leads_to_a_board_that_exists_and_menus_find_it() -> None:
    files = dashboards.files(registry.load(), Naming.KUBESKOOP).items()
    others = [json.loads(content) for path, content in files if re.fullmatch(r"dashboards/[\w-]+\.json", path)]
    uids = {other["uid"] for other in others}
    assert set(re.findall(r"/d/([\w-]+)\?", json.dumps(BOARD))) <= uids
    assert BOARD["uid"] not in uids
    assert {link["tags"][0] for link in BOARD["links"]} == {link["tags"][0] for link in others[0]["links"]}
    assert "net-exporter" in BOARD["tags"]


def test_grafanas_types_know_every_key_and_keep_every_value() -> None:
    plugins.register_default_plugins()
    again = json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(BOARD)))
    assert _missing(BOARD, again) == []


def _missing(node: Any, kept: Any, place: str = "") -> list[str]:  # noqa: ANN401 - any node of a JSON tree
    if isinstance(node, dict):
        found = kept if isinstance(kept, dict) else {}
        return [each for key, value in node.items() for each in _missing(value, found.get(key), f"{place}/{key}")]
    if isinstance(node, list):
        inside = kept if isinstance(kept, list) and len(kept) == len(node) else [None] * len(node)
        return [each for at, value in enumerate(node) for each in _missing(value, inside[at], f"{place}/{at}")]
    return [] if node == kept else [place]
