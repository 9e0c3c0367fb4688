from __future__ import annotations

import json

import _jsonnet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dashboards.mixin import source
from dashboards.mixin.source import Changed, Code, place

TEXTS = some.text(some.characters(exclude_categories=("Cs", "Co"), exclude_characters="\0"))
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**31), 2**31) | TEXTS,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may have the processor
@given(VALUES)
def test_any_value_comes_back(value: object) -> None:
    assert json.loads(_jsonnet.evaluate_snippet("x", source.write(value))) == value


def test_places_become_sums_in_texts_and_keys() -> None:
    written = source.write({f"a {place('l.pod')}": f"{place('m.x')}[5m]", place("l.pod"): "", "in": Code("1 + 1")})
    assert written == "{ ['a ' + l.pod]: m.x + '[5m]', [l.pod]: '', 'in': 1 + 1 }"


def test_a_change_names_its_base_and_changes_nested_fields() -> None:
    change = Changed("p.stat", {"title": "x", "options": Changed("", {"a": 1})})
    assert source.write(change) == "p.stat + { title: 'x', options+: { a: 1 } }"


@pytest.mark.parametrize("width", [source.WIDTH, source.WIDTH + 1])
def test_what_is_too_wide_stands_one_below_the_other(width: int) -> None:
    written = source.write(["x" * (width - 4)])
    assert written.count("\n") == (0 if width == source.WIDTH else 2)
