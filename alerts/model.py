"""What an alert is: condition, words, runbook and the cases that prove it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from string import Formatter
from typing import TYPE_CHECKING

from exporter.errors import DeclarationError
from exporter.model.metric import Identity
from exporter.model.promql import total

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.thresholds import Threshold
    from exporter.model.metric import Metric
    from exporter.model.promql import Expr, LabelKey

POD_KEYS = (Identity.NODE, Identity.NAMESPACE, Identity.POD)
LONGEST_NAME = 40
LARGEST_GROUP = 20
SHORTEST_HOLD = 1  # minutes: two scrapes at the recommended interval of 30 s

_NAME = re.compile(r"Net(?:[A-Z]+[a-z0-9]+)+")
_SUMMARY = re.compile(r"[A-Z][^{}]+\.")


class Severity(Enum):
    """By the action that is required."""

    CRITICAL = "critical"  # wake somebody: traffic is being lost, or nobody is watching
    WARNING = "warning"  # look at it in working hours
    INFO = "info"  # context for another alert; notify nobody


class Show(Enum):
    """How the value is written in the description. Rounded, so that a notification does not change every minute."""

    PERCENT = "{{ $value | humanizePercentage }}"
    COUNT = '{{ $value | printf "%.0f" }}'
    NUMBER = '{{ $value | printf "%.2f" }}'
    BYTES = "{{ $value | humanize1024 }}B"
    SECONDS = "{{ $value | humanizeDuration }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """What to do, as the sections of the runbook page.

    Args:
        meaning: what the alert says, in terms of the kernel.
        impact: what users of the pod notice.
        diagnosis: steps that tell the causes apart.
        mitigation: remedies, the quickest first.
    """

    meaning: str
    impact: str
    diagnosis: tuple[str, ...]
    mitigation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One input series of a case.

    Args:
        metric: whose sample it is.
        values: promtool's notation, one value per minute, for example `0+60x30`.
        labels: label values that differ from the defaults; the host's own series have an empty pod.
    """

    metric: Metric
    values: str
    labels: Mapping[LabelKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fires:
    """The input makes the condition true from minute `since` on; it fires `hold` later and not a minute before.

    Args:
        name: what happens, a clause.
        series: the input.
        since: first minute at which the condition holds.
        value: the value as the description shows it when it fires.
        labels: label values of the alert that differ from the defaults.
    """

    name: str
    series: tuple[Series, ...]
    since: int
    value: str
    labels: Mapping[LabelKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """The input resembles the trouble but is none; nothing fires at minute `at` (default: hold and 10 more)."""

    name: str
    series: tuple[Series, ...]
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One alert.

    Args:
        name: CamelCase, starts with Net.
        expr: the condition; its value is what the description shows.
        guards: further conditions, joined by `and`, that keep idle or healthy series out.
        hold: minutes for which it must be true (`for`).
        keep: minutes for which it stays on after it was false (`keep_firing_for`).
        severity: by the action that is required.
        summary: one static sentence.
        description: one sentence; `{value}`, `{owner}` and label names such as `{node}` are filled in.
        show: how `{value}` is written.
        runbook: what to do.
        dashboard: key of the dashboard that shows it.
        on_absence: whether it fires where there is no series, and not where there is one.
        thresholds: named limits used in the condition, for the documents.
        cases: inputs with what must come of them.
    """

    name: str
    expr: Expr
    guards: tuple[Expr, ...] = ()
    hold: int
    keep: int = 0
    severity: Severity
    summary: str
    description: str
    show: Show
    runbook: Runbook
    dashboard: str
    on_absence: bool = False
    thresholds: tuple[Threshold, ...] = ()
    cases: tuple[Fires | Silent, ...]

    def __post_init__(self) -> None:
        """Check what can be checked without running it. Raises DeclarationError."""
        if not _NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise DeclarationError(f"alert {self.name}: name must be CamelCase, start with Net, within {LONGEST_NAME}")
        if not _SUMMARY.fullmatch(self.summary):
            raise DeclarationError(f"alert {self.name}: summary must be one static sentence")
        if self.hold < SHORTEST_HOLD:
            raise DeclarationError(f"alert {self.name}: must hold for at least {SHORTEST_HOLD} minute")
        if {Fires, Silent} != {type(case) for case in self.cases}:
            raise DeclarationError(f"alert {self.name}: needs at least one firing and one silent case")
        for place in self.fields():
            if place not in ("value", "owner") and place not in self._keys():
                raise DeclarationError(f"alert {self.name}: description names {place}, which the result does not have")
        if "owner" in self.fields() and not set(POD_KEYS) <= self.expr.labels:
            raise DeclarationError(f"alert {self.name}: description names the owner, but the result has no pod")

    @property
    def condition(self) -> Expr:
        """The whole expression, guards included."""
        whole = self.expr
        for guard in self.guards:
            whole = whole.both(guard)
        return whole

    def fields(self) -> list[str]:
        """Places to fill in the description."""
        return [name for _, name, _, _ in Formatter().parse(self.description) if name]

    def _keys(self) -> set[str]:
        return {key.value if isinstance(key, Identity) else key.name for key in self.expr.labels}


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are evaluated together.

    Args:
        name: at most 40 characters.
        rules: at most 20.
    """

    name: str
    rules: tuple[AlertRule, ...]

    def __post_init__(self) -> None:
        """Check its size. Raises DeclarationError."""
        if len(self.name) > LONGEST_NAME or len(self.rules) > LARGEST_GROUP:
            raise DeclarationError(f"group {self.name}: name or number of rules ({len(self.rules)}) too large")

    @property
    def subject(self) -> str:
        """Last part of the name; also the name of its files."""
        return self.name.rpartition(".")[2]


def per_pod(expr: Expr) -> Expr:
    """Sum to exactly node, namespace and pod: a restart or another scrape address does not make a new alert."""
    return total(expr, *POD_KEYS)


def per_node(expr: Expr, *more: LabelKey) -> Expr:
    """Sum to the node, and further labels."""
    return total(expr, Identity.NODE, *more)
