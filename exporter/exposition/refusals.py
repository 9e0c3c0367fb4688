"""What the endpoint has refused, counted by reason."""

from __future__ import annotations

import threading
from enum import Enum


class Reason(Enum):
    """Why a client did not get what it asked for; values are those of the label."""

    ROOM = "room"
    DEADLINE = "deadline"
    REQUEST = "request"
    HANDSHAKE = "handshake"
    CERTIFICATE = "certificate"
    PASSWORD = "password"  # noqa: S105 - a label's value
    RATE = "rate"


class Refusals:
    """Counts by reason; safe from all threads."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Reason, 0)
        self._lock = threading.Lock()

    def add(self, reason: Reason) -> None:
        """One more."""
        with self._lock:
            self._counts[reason] += 1

    def counts(self) -> dict[Reason, int]:
        """All reasons, those too that have not occurred."""
        with self._lock:
            return dict(self._counts)
