"""At most so many requests in a time: a bucket that fills by one token at each interval."""

from __future__ import annotations

import threading
import time


class Bucket:
    """Safe from all threads.

    Args:
        interval: seconds for a token; 0 for no limit.
        burst: tokens that it holds.
    """

    def __init__(self, interval: float, burst: int) -> None:
        self.limits = interval, burst
        self._tokens = float(burst)
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether a request may be answered now."""
        interval, burst = self.limits
        if not interval:
            return True
        with self._lock:
            now = time.monotonic()
            self._tokens = min(burst, self._tokens + (now - self._at) / interval)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
