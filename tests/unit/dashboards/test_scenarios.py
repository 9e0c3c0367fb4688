from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts import rules
from dashboards import catalogue
from dashboards.panel import Form
from dashboards.suspect import Suspect
from dashboards.suspects import connections, datagrams, node, queues
from exporter import registry

if TYPE_CHECKING:
    from dashboards.scenario import Scenario

OPTIONAL = {spec.name for spec in registry.load().probes if not spec.default}
BOARDS = {board.slug: board for board in catalogue.boards(registry.load())}
ALL = [
    value
    for module in (connections, datagrams, node, queues)
    for value in vars(module).values()
    if isinstance(value, Suspect)
]
each_scenario = pytest.mark.parametrize("scenario", catalogue.SCENARIOS, ids=lambda scenario: scenario.slug)


@each_scenario
def test_each_suspect_that_is_measured_by_default_has_a_tile_and_a_row(
    scenario: Scenario,
) -> None:
    board = BOARDS[scenario.slug]
    measured = [s.title for group in scenario.groups for s in group.suspects if not s.needs(OPTIONAL)]
    assert [panel.title for panel in board.panels() if panel.form is Form.STAT] == measured
    assert [row.title for row in board.rows if row.collapsed][: len(measured)] == measured


@each_scenario
def test_what_is_off_by_default_comes_last_and_names_its_probe(scenario: Scenario) -> None:
    off = [s for group in scenario.groups for s in group.suspects if s.needs(OPTIONAL)]
    collapsed = [row for row in BOARDS[scenario.slug].rows if row.collapsed]
    last = collapsed[-len(off) :] if off else []
    assert [row.title for row in last] == [f"{s.title} (needs {', '.join(s.needs(OPTIONAL))})" for s in off]
    assert all("**Off by default**" in row.panels[0].text for row in last)


@each_scenario
def test_the_symptom_stands_on_top_with_words_on_how_to_tell_causes_apart(scenario: Scenario) -> None:
    first = BOARDS[scenario.slug].rows[0]
    assert first.title == "Symptom"
    assert first.panels[0].text == scenario.text
    assert len(first.panels) == 1 + len(scenario.symptoms) >= 3


def test_every_suspect_is_in_some_scenario_and_its_details_are_on_a_board_that_exists() -> None:
    chosen = {suspect.title for scenario in catalogue.SCENARIOS for g in scenario.groups for suspect in g.suspects}
    assert {suspect.title for suspect in ALL} == chosen
    assert {suspect.board for suspect in ALL} <= set(BOARDS)


def test_the_alerts_that_suspects_name_are_shipped() -> None:
    shipped = {rule.name for rule in rules()}
    assert {rule.name for suspect in ALL for rule in suspect.rules} <= shipped
