"""What a push shows: the plan, a progress bar on a terminal, what became of each step, and the exit code."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from dashboards.push.steps import Action, converge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.push.steps import Step, Target

_WORDS = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.SKIP: "as they should be",
    Action.LEAVE: "left alone",
}
_DONE = {**_WORDS, Action.CREATE: "created", Action.UPDATE: "updated", Action.FAIL: "failed"}


def push(target: Target, *, only_plan: bool, as_json: bool, notes: Sequence[str] = ()) -> int:
    """Plan, and unless only that was asked, apply.

    Returns the exit code: 0 all is as it should be, or only planned; 1 something was left alone or failed. Raises
    PushError.
    """
    plan = target.plan()
    if not as_json:
        show(plan, notes)
    results = [] if only_plan else _apply(target, plan)
    if as_json:
        document = {"plan": [step.plain() for step in plan], "notes": list(notes)}
        result = {} if only_plan else {"result": [step.plain() for step in results]}
        print(json.dumps(document | result, indent=1, ensure_ascii=False))
    elif not only_plan:
        for step in results:
            if step.action is Action.FAIL or (step.why and step.open):
                print(step.line())
        print(f"done: {_sum(results, _DONE)}")
    return 1 if any(step.action in (Action.LEAVE, Action.FAIL) for step in results) else 0


def show(plan: Sequence[Step], notes: Sequence[str]) -> None:
    """Print a plan."""
    for step in plan:
        if step.action is not Action.SKIP:
            print(step.line())
    for note in notes:
        print(f"note    {note}")
    print(f"plan: {_sum(plan, _WORDS)}")


def _apply(target: Target, plan: Sequence[Step]) -> list[Step]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("push", total=len(plan))
        return converge(target, plan, done=lambda _: progress.advance(task))


def _sum(steps: Sequence[Step], words: dict[Action, str]) -> str:
    counts = Counter(step.action for step in steps)
    return ", ".join(f"{counts[action]} {word}" for action, word in words.items() if counts[action]) or "nothing"
