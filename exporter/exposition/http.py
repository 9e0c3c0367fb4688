"""The HTTP endpoint: /metrics, /-/healthy, /-/ready and the pages for people."""

from __future__ import annotations

import errno
import json
import logging
import re
import socket
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from exporter import __version__
from exporter.errors import StartError
from exporter.exposition import page
from exporter.exposition.events_page import EventsPage
from exporter.exposition.text import Format
from exporter.runtime.health import statuses

if TYPE_CHECKING:
    from exporter.exposition.answers import Answers
    from exporter.runtime.schedule import Schedule

log = logging.getLogger(__name__)

_MOST_CONNECTIONS = 64  # each has a thread; scrapers need one or two
_IDLE_SECONDS = 30.0  # a client that says nothing for so long is let go
_FIRST_CYCLE_WAIT = 5.0  # seconds a scrape waits for the very first cycle
_REFUSED = re.compile(r"q\s*=\s*0(\.0*)?")


class Server(ThreadingHTTPServer):
    """Listens on one address, serves a bounded number of connections at a time."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(  # noqa: PLR0913 - what it listens on and what it serves
        self,
        host: str,
        port: int,
        schedule: Schedule,
        answers: Answers,
        node: str,
        *,
        events: EventsPage | None = None,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        handler = partial(_Handler, schedule, answers, node, events or EventsPage(None, node, ()))
        try:
            super().__init__((host, port), handler)
        except OSError as error:
            hint = "; is another exporter running? choose one with --listen" if error.errno == errno.EADDRINUSE else ""
            raise StartError(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from error
        except (OverflowError, TypeError, ValueError) as error:  # port out of range, name overlong or with a zero byte
            raise StartError(f"cannot listen on {host}:{port}: {error}") from error

    def server_bind(self) -> None:
        """Listen on IPv4 too when asked for all of IPv6; skip the name look-up that the base class does."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Turn away what exceeds the number of connections, rather than grow without bound."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError as error:  # no thread to be had
            log.debug("turned a connection away: %s", error)
            self._room.release()
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve one connection in its thread and give its room back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - base class signature
        """A client that went away is no trace for the log."""
        log.debug("connection of %s ended early", client_address, exc_info=True)  # noqa: LOG014 - called from one


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"net-exporter/{__version__}"
    sys_version = ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True  # headers and body are two writes; the second must not wait for an answer

    def __init__(self, schedule: Schedule, answers: Answers, node: str, events: EventsPage, *args: object) -> None:
        self._schedule = schedule
        self._events = events
        self._answers = answers
        self._node = node
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer by path."""
        try:
            parts = urlsplit(self.path)
        except ValueError as error:
            self._text(HTTPStatus.BAD_REQUEST, f"{error}\n")
            return
        match parts.path:
            case "/metrics":
                self._metrics()
            case "/-/healthy":
                self._text(HTTPStatus.OK, "ok\n")
            case "/-/ready":
                self._ready()
            case "/pods":
                self._pods()
            case "/events":
                self._answer(*self._events.answer(parts.query))
            case "/":
                self._page()
            case _:
                self._text(
                    HTTPStatus.NOT_FOUND,
                    "no such page; there are /metrics, /events, /pods, /-/healthy, /-/ready and /\n",
                )

    do_HEAD = do_GET  # noqa: N815 - the base class finds methods by HTTP verb

    def _metrics(self) -> None:
        wire = Format.OPENMETRICS if self._accepts("Accept", "application/openmetrics-text") else Format.TEXT
        compressed = self._accepts("Accept-Encoding", "gzip")
        body = self._answers.get(self._schedule.latest(_FIRST_CYCLE_WAIT), wire, compressed=compressed)
        self._answer(HTTPStatus.OK, wire.value, body, encoding="gzip" if compressed else "")

    def _accepts(self, header: str, wanted: str) -> bool:
        """Whether a header lists something, and not with the weight 0 that refuses it."""
        for entry in ",".join(self.headers.get_all(header, ())).lower().split(","):
            name, *parameters = (part.strip() for part in entry.split(";"))
            if name == wanted:
                return not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
        return False

    def _ready(self) -> None:
        snapshot = self._schedule.latest()
        if snapshot is None:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: no cycle has completed lately\n")
            return
        self._text(HTTPStatus.OK, "".join(["ready\n", *(f"{line}\n" for line in statuses(snapshot))]))

    def _page(self) -> None:
        now, before = self._schedule.last_two()
        self._answer(
            HTTPStatus.OK,
            "text/html; charset=utf-8",
            page.render(self._node, now, before, self._schedule.interval).encode("utf-8", "replace"),
        )

    def _pods(self) -> None:
        now, _ = self._schedule.last_two()
        pods = [] if now is None else [pod._asdict() for pod in now.pods]
        self._answer(HTTPStatus.OK, "application/json", json.dumps(pods, indent=1).encode())

    def _text(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", text.encode("utf-8", "replace"))

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *, encoding: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Vary", "Accept, Accept-Encoding")
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - base class signature
        """Requests are not news."""
        log.debug(format, *args)
