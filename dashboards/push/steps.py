"""A plan is a list of steps; converging is to apply them and to look again at whatever may or may not have happened."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from exporter.errors import NetExporterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROUNDS = 4
LONGEST_PAUSE = 30.0  # seconds, whatever the server wishes
_FIRST_PAUSE = 1.0
_HOPELESS = 3  # unsure answers in a row after which the rest of a round waits too


class Action(Enum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    SKIP = "skip"  # it is as it should be
    LEAVE = "leave"  # somebody else's, or edited by somebody else
    FAIL = "fail"  # was to be created or updated


class PushError(NetExporterError):
    """The server refuses; another attempt would be refused as well."""


class RefusedError(PushError):
    """It refuses everything, for example the token; nothing more is tried."""


class UnsureError(PushError):
    """It may or may not have been done: throttled, a time-out, a failure of the server.

    Args:
        text: for people.
        wait: seconds that the server asks to wait.
    """

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True)
class Step:
    """One object of the server.

    Args:
        kind: such as `dashboard`.
        name: unique within its kind.
        action: what is done, or was.
        why: for what is left alone, or failed.
        sent: `action` is the call, the rest its parameters, as plain values; for servers whose calls have names.
    """

    kind: str
    name: str
    action: Action
    why: str = ""
    sent: Any = None

    @property
    def open(self) -> bool:
        """Whether there is something to do."""
        return self.action in (Action.CREATE, Action.UPDATE)

    @property
    def key(self) -> tuple[str, str]:
        """What the step is about."""
        return self.kind, self.name

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "action": self.action.value}

    def line(self) -> str:
        """For people."""
        call = f" ({self.sent['action']})" if self.sent else ""
        return f"{self.action.value:7} {self.kind} {self.name}{call}{': ' if self.why else ''}{self.why}"


class Target(Protocol):
    """A server that something is pushed to."""

    def plan(self) -> list[Step]:
        """Read the server and compare. Raises PushError."""

    def apply(self, step: Step) -> str:
        """Do one step of the last plan; returns a remark. Raises PushError."""


def converge(
    target: Target,
    first: Sequence[Step],
    *,
    sleep: Callable[[float], None] = time.sleep,
    done: Callable[[Step], None] = lambda _: None,
) -> list[Step]:
    """Apply a plan; what became of each step, in its order.

    What is unsure is read again before it is done again, so nothing is there twice. Raises RefusedError.
    """
    outcomes = {step.key: step for step in first}
    steps: Sequence[Step] = first
    asked = {step.key: step.action for step in first}
    for attempt in range(ROUNDS):
        unsure, wait = _round(target, [step for step in steps if step.key in asked], asked, outcomes, done)
        if not unsure or attempt + 1 == ROUNDS:
            break
        sleep(min(max(wait, _FIRST_PAUSE * 2**attempt), LONGEST_PAUSE))
        asked = {key: asked[key] for key in unsure}
        try:
            steps = target.plan()
        except UnsureError:
            continue  # with the steps as they are: what is done now fails, or is told by the server to be there
    return list(outcomes.values())


def _round(
    target: Target,
    steps: Iterable[Step],
    asked: dict[tuple[str, str], Action],
    outcomes: dict[tuple[str, str], Step],
    done: Callable[[Step], None],
) -> tuple[list[tuple[str, str]], float]:
    """The keys that need another look, and how long the server wants to be left alone."""
    unsure: list[tuple[str, str]] = []
    wait, row = 0.0, 0
    for step in steps:
        if row == _HOPELESS:
            unsure.append(step.key)
            outcomes[step.key] = replace(step, action=Action.FAIL, why="not tried, as the server fails for others")
            continue
        try:
            remark = target.apply(step) if step.open else step.why
        except UnsureError as error:
            unsure.append(step.key)
            wait, row = max(wait, error.wait), row + 1
            outcomes[step.key] = replace(step, action=Action.FAIL, why=str(error))
        except RefusedError:
            raise
        except PushError as error:
            outcomes[step.key] = replace(step, action=Action.FAIL, why=str(error))
        else:
            row = 0
            # Found as it should be after an unsure answer: that attempt had done it.
            action = asked[step.key] if step.action is Action.SKIP else step.action
            outcomes[step.key] = replace(step, action=action, why=remark)
            done(outcomes[step.key])
    return unsure, wait
