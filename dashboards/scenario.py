"""A scenario: the symptom on top, then which suspect it is and where, then each suspect with what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dashboards.boards.signs import Sign, pods_with
from dashboards.panel import COMPLAINT, Board, Form, Panel, Row
from dashboards.views import PODS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from dashboards.suspect import Suspect
    from dashboards.views import Topic

_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Group:
    """Suspects of one kind of trouble; of all kinds where a scenario has but one group."""

    title: str
    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What somebody complains of.

    Args:
        slug: of its board.
        title: of its board.
        description: one or two sentences.
        text: Markdown on how to tell the causes apart.
        symptoms: what the complaint looks like in numbers, of the pods selected.
        groups: who may be at fault, the likeliest first.
    """

    slug: str
    title: str
    description: str
    text: str
    symptoms: tuple[Topic, ...]
    groups: tuple[Group, ...]

    def board(self, optional: AbstractSet[str]) -> Board:
        """Its dashboard: the answer on one screen, a row to open for each suspect; `optional` probes come last."""
        suspects = [suspect for group in self.groups for suspect in group.suspects]
        rows = (
            Row("Symptom", self._symptom()),
            *(
                Row(group.title, tuple(suspect.tile() for suspect in group.suspects if not suspect.needs(optional)))
                for group in self.groups
            ),
            Row("Where", (self._where([suspect for suspect in suspects if not suspect.needs(optional)]),)),
            *(
                Row(suspect.title, suspect.panels([]), collapsed=True)
                for suspect in suspects
                if not suspect.needs(optional)
            ),
            *(
                Row(f"{suspect.title} (needs {', '.join(needed)})", suspect.panels(needed), collapsed=True)
                for suspect in suspects
                if (needed := suspect.needs(optional))
            ),
        )
        return Board(
            slug=self.slug,
            title=f"net-exporter / {self.title}",
            description=self.description,
            rows=rows,
            tags=(COMPLAINT,),
        )

    def _symptom(self) -> tuple[Panel, ...]:
        width = _WIDTH // len(self.symptoms)
        drawn = (replace(topic.panel(PODS), width=width) for topic in self.symptoms)
        return (self._reading(), *drawn)

    def _reading(self) -> Panel:
        return Panel(
            title="How to read this",
            description="How to tell the causes apart.",
            form=Form.TEXT,
            text=self.text,
            width=_WIDTH,
            height=6,
        )

    def _where(self, suspects: list[Suspect]) -> Panel:
        found = tuple(
            Sign(suspect.title, suspect.of(PODS), suspect.unit, suspect.steps)
            for suspect in suspects
            if suspect.steps and suspect.per_pod
        )
        return pods_with(
            found,
            "Pods by number of suspects",
            "Pods for which a number above has reached the limit of its alert, those with most of them first; an empty "
            "cell is below. A click on a pod or a node shows it by subject.",
        )
