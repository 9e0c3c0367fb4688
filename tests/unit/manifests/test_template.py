"""Objects with places for values, as manifest and as template."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from scrape.kubernetes.template import Document, Plus, Ref, Text, When, render, resolve
from tests.unit.manifests import gotemplate

VALUES: dict[str, Any] = {
    "on": True,
    "off": False,
    "port": 1,
    "word": "a: b",
    "empty": "",
    "list": ["x"],
    "none": [],
    "map": {"k": "v"},
    "Chart": {"Version": "7"},
}
TREES = [
    {"a": Ref("word"), "b": Ref("port"), "c": Ref("off")},
    {"a": Ref("list"), "b": {"c": Ref("none"), "d": [{"e": Ref("map")}]}},
    {"a": Ref("empty", Ref("Chart.Version")), "b": Ref("none", ("p", "q"))},
    {"a": Text("{}:{}", (Ref("word"), Ref("port")))},
    {"a": When("on", "yes", "no"), "b": When("off", "yes", "no"), "c": When("off", "yes"), "d": "end"},
    {"a": {"b": [When("on", {"c": {"d": Ref("list")}}), When("off", 1), "end"]}},
    {"a": {"b": {"c": When("on", {"d": [{"e": Ref("word"), "f": When("none", 1, Ref("list"))}]})}}},
    {"a": Plus(("b",), "list"), "c": {"d": Plus({"k": "mine", "l": "w"}, "map")}},
]


@pytest.mark.parametrize("tree", TREES)
def test_the_rendered_template_equals_the_resolved_tree(tree: dict[str, Any]) -> None:
    context = {"Values": VALUES, "Chart": VALUES["Chart"]}
    assert yaml.safe_load(gotemplate.render(render(tree, VALUES), context)) == resolve(tree, VALUES)


@pytest.mark.parametrize("tree", TREES)
def test_a_document_in_a_text_means_the_same(tree: dict[str, Any]) -> None:
    context = {"Values": VALUES, "Chart": VALUES["Chart"]}
    rendered = yaml.safe_load(gotemplate.render(render({"x": {"text": Document(tree)}}, VALUES), context))
    assert yaml.safe_load(rendered["x"]["text"]) == resolve(tree, VALUES)


def test_a_resolved_tree_has_no_places() -> None:
    assert [resolve(tree, VALUES) for tree in TREES] == [
        {"a": "a: b", "b": 1, "c": False},
        {"a": ["x"], "b": {"c": [], "d": [{"e": {"k": "v"}}]}},
        {"a": "7", "b": ["p", "q"]},
        {"a": "a: b:1"},
        {"a": "yes", "b": "no", "d": "end"},
        {"a": {"b": [{"c": {"d": ["x"]}}, "end"]}},
        {"a": {"b": {"c": {"d": [{"e": "a: b", "f": ["x"]}]}}}},
        {"a": ["b", "x"], "c": {"d": {"k": "mine", "l": "w"}}},
    ]
