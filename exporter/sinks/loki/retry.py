"""How long to wait before the next attempt."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from exporter.sinks.loki.protocol import Fate

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sinks.loki.protocol import Answer

_FIRST_SECONDS = 0.5
_MOST_SECONDS = 30.0
_LOGIN_SECONDS = 60.0  # somebody has to correct the credentials first
_LONGEST_WISH = 600.0  # seconds; a server's mistake must not silence a node for hours


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles the pause up to half a minute.

    Pauses are shortened by chance, so that the nodes of a cluster do not come back all at once.

    Args:
        chance: a number from 0 up to 1, another one each time.
        wall: seconds since 1970.
    """

    chance: Callable[[], float]
    wall: Callable[[], float]

    def pause(self, fate: Fate, answer: Answer, attempt: int) -> float:
        """Seconds to wait after the failed `attempt`, counted from 1."""
        if fate is Fate.LOGIN:
            return _LOGIN_SECONDS * (1 - self.chance() / 4)
        wish = self._wish(answer.retry_after)
        if wish > 0:
            return wish + self.chance() * min(1.0, wish / 4)  # later than asked for, never sooner
        doubled = _FIRST_SECONDS * 2.0 ** min(attempt - 1, 16)
        return min(_MOST_SECONDS, doubled) * (1 - self.chance() / 2)

    def _wish(self, header: str) -> float:
        """Seconds that Retry-After asks for, as a number or a date; 0 for none and for nonsense."""
        if header.isascii() and header.isdigit():
            return float(min(int(header[:9]), _LONGEST_WISH))
        try:
            date = parsedate_to_datetime(header).timestamp()
        except (ValueError, OverflowError):
            return 0.0
        return min(max(0.0, date - self.wall()), _LONGEST_WISH)
