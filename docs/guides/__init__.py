"""Troubleshooting guides: from what a user complains of, over the suspects of its dashboard, to what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.words import UID_PREFIX
from docs.guides import dns, jitter, nginx, resets
from docs.markdown import bullets, code, page, table

if TYPE_CHECKING:
    from dashboards.scenario import Group
    from dashboards.suspect import Suspect
    from docs.guides.model import Guide

_ONLY = "Suspects"  # of all kinds

GUIDES = (dns.GUIDE, nginx.GUIDE, resets.GUIDE, jitter.GUIDE)


def pages(grafana: str) -> dict[str, str]:
    """Pages by path; `grafana` is its address, empty where it is not known."""
    written = {path(guide): _page(guide, grafana) for guide in GUIDES}
    rows = [
        (
            f"[{guide.scenario.title}]({path(guide).rpartition('/')[2]})",
            "; ".join(guide.seen),
            _board(guide.scenario.slug, grafana),
        )
        for guide in GUIDES
    ]
    written["guides/README.md"] = page(
        "Troubleshooting",
        "Start from what users complain of. Each guide names the suspects in the order in which to look at "
        "them, and its "
        "dashboard shows at a glance which of them it is.",
        table(("complaint", "what you see", "dashboard"), rows),
        "An alert that fires has a [runbook](../alerts.md) of its own; a number that looks odd has an entry in the "
        "[metric reference](../metrics.md).",
    )
    return written


def path(guide: Guide) -> str:
    """Where its page is."""
    return f"guides/{guide.scenario.slug}.md"


def _page(guide: Guide, grafana: str) -> str:
    scenario = guide.scenario
    return page(
        scenario.title,
        scenario.description,
        f"## What you see\n\n{bullets(guide.seen)}",
        f"## First look\n\nDashboard {_board(scenario.slug, grafana)}: its tiles are green, orange or red by "
        f"the limits of "
        "the alerts.",
        scenario.text,
        *(
            f"## {_heading(group)}\n\n"
            + table(
                ("", "suspect", "what the number shows", "a rise means", "runbook or metric"),
                [(str(number), *_suspect(suspect)) for number, suspect in enumerate(group.suspects, 1)],
            )
            for group in scenario.groups
        ),
        "## Commands",
        *(f"{what}\n\n{code(command, 'sh')}" for what, command in guide.commands),
        f"## What to change\n\n{bullets(guide.changes)}",
        f"## An example\n\n{guide.example}",
    )


def _heading(group: Group) -> str:
    about = group.title.partition(":")[0]
    return about if about == _ONLY else f"{_ONLY}: {about}"


def _board(slug: str, grafana: str) -> str:
    place = f"/d/{UID_PREFIX}{slug}"
    return f"[{place}]({grafana}{place})" if grafana else f"`{place}`"


def _suspect(suspect: Suspect) -> tuple[str, str, str, str]:
    runbooks = [f"[{rule.name}](../runbooks/{rule.name}.md)" for rule in suspect.rules]
    metrics = [f"[{probe}](../metrics/{probe}.md)" for probe in dict.fromkeys(each.probe for each in suspect.metrics)]
    return suspect.title, suspect.shows, suspect.meaning, ", ".join(runbooks or metrics)
