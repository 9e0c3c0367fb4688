"""From backlog to Loki, one step at a time: when to push, what to do with the answer, what to tell the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from exporter.sinks.loki.protocol import Answer, Fate, fate, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sinks.loki.backlog import Backlog
    from exporter.sinks.loki.retry import Backoff

log = logging.getLogger(__name__)

_MOST_TEXT = 300  # characters of Loki's words


class Delivery:
    """The steps. Used by one thread; `retries` may be read by others.

    An attempt that ends without an answer may have arrived all the same and is repeated: Loki then gets the same lines
    with the same times twice, of which it keeps one.

    Args:
        backlog: what waits.
        push: sends a body.
        place: Loki's address, for messages.
        backoff: how long to wait after a failure.
        clock: seconds, of any origin.
    """

    def __init__(
        self,
        backlog: Backlog,
        push: Callable[[bytes], Answer],
        place: str,
        backoff: Backoff,
        clock: Callable[[], float],
    ) -> None:
        self.retries = 0
        self._backlog = backlog
        self._push = push
        self._place = place
        self._backoff = backoff
        self._clock = clock
        self._failed = 0  # attempts since the last success
        self._trouble: object = None  # what was said about it
        self._told: set[int] = set()  # statuses by which events were refused
        self._resume = 0.0  # when the next attempt is due

    def step(self, *, hurry: bool = False) -> float | None:
        """Push a batch if one is due, or in a hurry if there is one.

        Returns seconds until there may be something to do: 0 for at once, None while nothing waits.
        """
        pause = self._backlog.due()
        if pause is None:
            return None
        pause = max(0.0 if hurry else pause, self._resume - self._clock())
        if pause > 0:
            return pause
        taken = self._backlog.take()
        if taken is None:
            return None
        batch, body = taken
        if self._failed:
            self.retries += 1
        answer = self._push(body)
        outcome = fate(answer.status)
        if outcome in {Fate.RETRY, Fate.LOGIN}:
            self._backlog.keep(batch)
            self._failed += 1
            wait = self._backoff.pause(outcome, answer, self._failed)
            self._resume = self._clock() + wait
            self._complain(outcome, answer)
            return wait
        if outcome is Fate.DELIVERED:
            self._backlog.delivered(batch)
        else:
            lost = refused(answer.text, batch.count)
            self._backlog.refused(batch, lost)
            self._tell_refusal(answer, lost)
        self._recover()
        return 0.0

    def _complain(self, outcome: Fate, answer: Answer) -> None:
        """Once for each kind of trouble, however long it lasts."""
        kind = answer.status or answer.text
        if kind == self._trouble:
            return
        self._trouble = kind
        said = _said(answer)
        if outcome is Fate.LOGIN:
            log.error(
                "Loki at %s refuses these credentials (%s): correct `username`, the password or `tenant`; events wait",
                self._place,
                said,
            )
        else:
            log.warning("Loki at %s takes no events (%s); they wait and are sent again", self._place, said)

    def _tell_refusal(self, answer: Answer, count: int) -> None:
        if answer.status not in self._told:
            self._told.add(answer.status)
            log.error(
                "Loki at %s refused %d events, which are lost (%s); further ones are only counted",
                self._place,
                count,
                _said(answer),
            )

    def _recover(self) -> None:
        if self._failed:
            log.info("Loki at %s answers again, after %d attempts", self._place, self._failed)
        self._failed = 0
        self._trouble = None


def _said(answer: Answer) -> str:
    words = "".join(each if each.isprintable() else "?" for each in answer.text[:_MOST_TEXT])
    return f"{answer.status} {words}" if answer.status else words
