"""Pages about the exporter's own inside: threads, memory, times. There only with debugmode."""

from __future__ import annotations

import gc
import json
import sys
import threading
import traceback
import tracemalloc
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from exporter.exposition.reply import Reply, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.exposition.reply import Asked
    from exporter.runtime.schedule import Schedule

_MOST_SECONDS: Final = 10
_MOST_LINES: Final = 50
_FORBIDDEN: Final = "ask from this machine, or set basic_auth_users or client certificates in the web configuration\n"


class DebugPages:
    """Answers whoever is trusted.

    Args:
        schedule: of the cycles.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._tracing = threading.Lock()
        self._ending = threading.Event()
        made: dict[str, Callable[[Asked], Reply]] = {
            "/debug/stacks": lambda _: plain(HTTPStatus.OK, _stacks()),
            "/debug/memory": self._memory,
            "/debug/timings": lambda _: _json(self._timings()),
            "/debug/gc": lambda _: _json(_collections()),
        }
        self.pages = {path: _guarded(page) for path, page in made.items()}

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._ending.set()

    def _timings(self) -> dict[str, object]:
        now, _ = self._schedule.last_two()
        if now is None:
            return {}
        probes = {each.probe: {"status": each.status.value, "seconds": each.seconds} for each in now.outcomes}
        return {"taken_at": now.taken_at, "seconds": now.seconds, "probes": probes, "readers": dict(now.readers)}

    def _memory(self, asked: Asked) -> Reply:
        """What has been allocated within some seconds and is still there; tracing slows the exporter for so long."""
        wanted = parse_qs(asked.query).get("seconds", ["2"])[-1]
        if wanted not in map(str, range(1, _MOST_SECONDS + 1)):
            return plain(HTTPStatus.BAD_REQUEST, f"seconds must be from 1 to {_MOST_SECONDS}\n")
        if not self._tracing.acquire(blocking=False):
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "somebody else is tracing; ask again later\n")
        try:
            tracemalloc.start()
            self._ending.wait(int(wanted))
            found = tracemalloc.take_snapshot().statistics("lineno")
        finally:
            tracemalloc.stop()
            self._tracing.release()
        lines = [f"{each.size:12,} bytes {each.count:9,} blocks  {each.traceback}\n" for each in found[:_MOST_LINES]]
        rest = sum(each.size for each in found[_MOST_LINES:])
        return plain(HTTPStatus.OK, "".join([*lines, f"{rest:12,} bytes elsewhere\n"]))


def _guarded(page: Callable[[Asked], Reply]) -> Callable[[Asked], Reply]:
    return lambda asked: page(asked) if asked.trusted else plain(HTTPStatus.FORBIDDEN, _FORBIDDEN)


def _stacks() -> str:
    """Where each thread is, the outermost call first."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see other threads
        parts.append(f"{names.get(ident, 'not of Python')}:\n")
        parts += traceback.format_stack(frame)
        parts.append("\n")
    return "".join(parts)


def _collections() -> dict[str, object]:
    """What the search for rings of references has done since the start."""
    return {"counts": gc.get_count(), "thresholds": gc.get_threshold(), "generations": gc.get_stats()}


def _json(found: object) -> Reply:
    return Reply(HTTPStatus.OK, "application/json", json.dumps(found, indent=1).encode())
