from __future__ import annotations

import re
import shlex

import docs
from alerts.words import Links
from docs.guides import GUIDES, path
from exporter import registry
from exporter.model.metric import Naming

KNOWN = registry.load()
PAGES = {name: text.decode() for name, text in docs.files(KNOWN, Naming.KUBESKOOP).items() if name.endswith(".md")}
OWN_COMMANDS = {"inspector", "net-exporter"}


def test_every_suspect_stands_in_its_guide_in_order_with_its_runbooks() -> None:
    for guide in GUIDES:
        text = PAGES[f"docs/{path(guide)}"]
        for group in guide.scenario.groups:
            title = re.escape(group.title.partition(":")[0])
            (table,) = re.findall(rf"^## (?:Suspects: )?{title}\n\n((?:\|.*\n)+)", text, re.MULTILINE)
            rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", table, re.MULTILINE)
            for number, suspect in enumerate(group.suspects, 1):
                assert rows[number - 1][:2] == (str(number), suspect.title)
                for rule in suspect.rules:
                    assert f"[{rule.name}](../runbooks/{rule.name}.md)" in rows[number - 1][2]


def test_every_suspect_says_what_a_rise_means() -> None:
    silent = {
        suspect.title
        for guide in GUIDES
        for group in guide.scenario.groups
        for suspect in group.suspects
        if not suspect.meaning
    }
    assert silent == set()


def test_every_command_can_be_typed() -> None:
    for guide in GUIDES:
        for _, command in guide.commands:
            for line in command.splitlines():
                assert shlex.split(line), line


def test_events_named_in_commands_exist() -> None:
    named = {name for guide in GUIDES for _, command in guide.commands for name in re.findall(r"--type (\S+)", command)}
    assert named
    assert named <= {name for event in KNOWN.events() for name in event.all_names()}


def test_dashboards_are_linked_where_grafana_is_known() -> None:
    there = docs.files(KNOWN, Naming.KUBESKOOP, Links(grafana="https://grafana.example"))
    for guide in GUIDES:
        place = f"/d/net-exporter-{guide.scenario.slug}"
        assert f"Dashboard `{place}`" in PAGES[f"docs/{path(guide)}"]
        assert f"[{place}](https://grafana.example{place})" in there[f"docs/{path(guide)}"].decode()
        assert f"`{place}`" in PAGES["docs/guides/README.md"]
