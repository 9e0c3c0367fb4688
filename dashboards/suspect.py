"""A suspect: one possible cause of what somebody complains of, with its number, its limit and what to do about it.

Words and limits are those of the alert that watches it, else those of the metric: nothing is said twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts import LINKS
from dashboards import optional
from dashboards.limits import limits
from dashboards.panel import Colour, Form, Link, Panel, Query
from dashboards.views import HOSTS, NODES, PODS, TO_NODE, TO_POD
from exporter.errors import DeclarationError
from exporter.model.metric import Identity
from exporter.model.promql import Expr, aggregate, clamp_min

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from alerts.model import AlertRule
    from dashboards.panel import Step
    from dashboards.units import Show
    from dashboards.views import View
    from exporter.model.metric import Metric

_HEIGHT = 14  # of a row: what its words need
_WORDS_WIDTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A possible cause.

    Args:
        title: names it on its tile, in the table and above its row.
        shows: what is drawn, a sentence.
        of: its number in a view, the larger the worse.
        unit: of that number.
        board: slug of the board that has the details.
        rules: alerts that watch it, the mildest first; the first threshold of each is the limit.
        window: seconds over which an alert counts, where it counts and the number here is per second.
    """

    title: str
    shows: str
    of: Callable[[View], Expr]
    unit: Show
    board: str
    rules: tuple[AlertRule, ...] = ()
    window: float = 1

    @property
    def steps(self) -> tuple[Step, ...]:
        """Where its alerts fire."""
        return limits(*self.rules, window=self.window)

    @property
    def per_pod(self) -> bool:
        """Whether pods have the number, or only nodes."""
        return all(PODS.has(metric) for metric in self.metrics)

    def needs(self, probes: AbstractSet[str]) -> list[str]:
        """Those of the probes named that it takes."""
        return optional.needed(self.metrics, probes)

    def tile(self) -> Panel:
        """The worst of the pods selected and of the nodes themselves, in the colour that its alert gives it."""
        several = self.of(PODS).otherwise(self.of(HOSTS)) if self.per_pod else self.of(NODES)
        return Panel(
            title=self.title,
            description=f"The worst {'pod or node' if self.per_pod else 'node'}. {self.shows} {self.meaning}".strip(),
            form=Form.STAT,
            queries=(Query(aggregate("max", several), ""),),
            unit=self.unit,
            steps=self.steps,
            base=Colour.GOOD if self.steps else Colour.PLAIN,
            links=(Link("In detail", self.board, ()),),
            width=4,
            height=4,
        )

    def panels(self, needed: list[str]) -> tuple[Panel, ...]:
        """Its row: what to make of it, and who has it; `needed` probes are off by default."""
        return (self._words(needed), *([self._drawn(PODS)] if self.per_pod else []), self._drawn(NODES))

    def _drawn(self, view: View) -> Panel:
        return Panel(
            title=f"{self.title}: {'pods' if view is PODS else 'nodes'}",
            description=f"{self.shows} {self.meaning}".strip(),
            queries=(Query(view.limited(self.of(view)), _legend(self.of(view), view)),),
            unit=self.unit,
            steps=self.steps,
            links=(*((TO_POD,) if view is PODS else ()), TO_NODE, Link("In detail", self.board, (Identity.NODE,))),
            width=_WORDS_WIDTH,
            height=_HEIGHT,
        )

    def _words(self, needed: list[str]) -> Panel:
        return Panel(
            title=f"{self.title}: what to do",
            description="What a rise means, how to tell causes apart and what to do.",
            form=Form.TEXT,
            text="\n\n".join((*([optional.switch_on(needed)] if needed else []), *self._advice())),
            width=_WORDS_WIDTH,
            height=_HEIGHT,
        )

    def _advice(self) -> tuple[str, ...]:
        if not self.rules:
            return (*dict.fromkeys(metric.help for metric in self.metrics), f"**Do:** {self.meaning}")
        runbook = self.rules[0].runbook
        return (
            f"**A rise means:** {runbook.meaning}",
            "**Look at:**",
            _listed(runbook.diagnosis),
            "**Do:**",
            _listed(runbook.mitigation),
            *(f"Alert {rule.name}, runbook {_place(rule)}" for rule in self.rules),
        )

    @property
    def meaning(self) -> str:
        """What a rise means, or what to do about it where no alert watches."""
        if self.rules:
            return self.rules[0].runbook.meaning
        return " ".join(dict.fromkeys(metric.advice for metric in self.metrics if metric.advice))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What its number is made of."""
        return tuple(dict.fromkeys(self.of(NODES).metrics))


def share(part: Expr, whole: Expr, rule: AlertRule, scale: float = 1) -> Expr:
    """A ratio that reaches the limit of its alert where also the alert's second limit, for the part alone, is met.

    `scale` brings the part to what the ratio is of, for example 60 for a share per minute.

    Raises DeclarationError when the alert has not both.
    """
    if len(rule.thresholds) < 2:  # noqa: PLR2004 - the two limits named above
        raise DeclarationError(f"alert {rule.name} has no second threshold, from which a share means something")
    limit, least = rule.thresholds[:2]
    return (part * scale if scale != 1 else part) / clamp_min(whole, scale * least.value / limit.value)


def _legend(expr: Expr, view: View) -> str:
    own = sorted(key.name for key in expr.labels if not isinstance(key, Identity))
    return " ".join((view.prefix, *(f"{{{name}}}" for name in own)))


def _listed(lines: tuple[str, ...]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _place(rule: AlertRule) -> str:
    return f"`{LINKS.runbooks}/{rule.name}.md`"
