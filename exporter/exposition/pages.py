"""Which page answers which path."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from exporter.exposition import page
from exporter.exposition.control import Control
from exporter.exposition.events_page import EventsPage
from exporter.exposition.reply import Reply, plain
from exporter.exposition.text import Format
from exporter.runtime.health import statuses

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.exposition.answers import Answers
    from exporter.exposition.debug import DebugPages
    from exporter.exposition.reply import Asked
    from exporter.runtime.schedule import Schedule

_FIRST_CYCLE_WAIT = 5.0  # seconds a scrape waits for the very first cycle
_REFUSED: Final = re.compile(r"q\s*=\s*0(\.0*)?")
_PATHS: Final = "/metrics, /events, /pods, /-/healthy, /-/ready and /"

RELOAD: Final = "/-/reload"  # by POST, and the only one
# An orchestrator's probes know no password: these tell in one word whether it lives, and are never limited.
OPEN_PATHS: Final = ("/-/healthy", "/-/ready")


class Pages:
    """Answers requests.

    Args:
        schedule: of the cycles.
        answers: to scrapes.
        node: name of this node.
        events: the page of events.
        debug: pages for whoever looks into the exporter itself; None without debugmode.
        control: of the configuration.
    """

    def __init__(  # noqa: PLR0913 - everything that is served
        self,
        schedule: Schedule,
        answers: Answers,
        node: str,
        events: EventsPage | None,
        debug: DebugPages | None,
        *,
        control: Control | None = None,
    ) -> None:
        self._schedule = schedule
        self._answers = answers
        self._node = node
        self._debug = debug
        self._control = control = control or Control(None, reloads=False)
        events = events or EventsPage(lambda: None, node, ())
        self._pages: dict[str, Callable[[Asked], Reply]] = {
            "/metrics": self._metrics,
            "/-/healthy": lambda _: plain(HTTPStatus.OK, "ok\n"),
            "/-/ready": self._ready,
            "/pods": self._pods,
            "/events": lambda asked: events.answer(asked.query),
            RELOAD: lambda _: plain(*control.reload()),
            "/": self._page,
            **(debug.pages if debug is not None else {}),
        }

    def answer(self, asked: Asked) -> Reply:
        """The page at that path, or which there are."""
        made = self._pages.get(asked.path)
        return made(asked) if made else plain(HTTPStatus.NOT_FOUND, f"no such page; there are {_PATHS}\n")

    def close(self) -> None:
        """Let nobody wait for an answer any longer than it takes to make it."""
        if self._debug is not None:
            self._debug.close()

    def _metrics(self, asked: Asked) -> Reply:
        wire = Format.OPENMETRICS if _accepts(asked, "Accept", "application/openmetrics-text") else Format.TEXT
        compressed = _accepts(asked, "Accept-Encoding", "gzip")
        body = self._answers.get(self._schedule.latest(_FIRST_CYCLE_WAIT), wire, compressed=compressed)
        return Reply(HTTPStatus.OK, wire.value, body, "gzip" if compressed else "")

    def _ready(self, asked: Asked) -> Reply:
        snapshot = self._schedule.latest()
        if snapshot is None:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: no cycle has completed lately\n")
        lines = (*self._control.lines(), *statuses(snapshot)) if asked.known else ()
        details = [f"{line}\n" for line in lines]
        return plain(HTTPStatus.OK, "".join(["ready\n", *details]))

    def _page(self, _: Asked) -> Reply:
        now, before = self._schedule.last_two()
        body = page.render(self._node, now, before, self._schedule.interval).encode("utf-8", "replace")
        return Reply(HTTPStatus.OK, "text/html; charset=utf-8", body)

    def _pods(self, _: Asked) -> Reply:
        now, _before = self._schedule.last_two()
        pods = [] if now is None else [pod._asdict() for pod in now.pods]
        return Reply(HTTPStatus.OK, "application/json", json.dumps(pods, indent=1).encode())


def _accepts(asked: Asked, header: str, wanted: str) -> bool:
    """Whether a header lists something, and not with the weight 0 that refuses it."""
    for entry in ",".join(asked.headers.get_all(header, ())).lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        if name == wanted:
            return not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
    return False
