"""One connection: its requests are read, judged and answered in turn."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from exporter import __version__
from exporter.exposition.pages import OPEN_PATHS, RELOAD
from exporter.exposition.refusals import Reason
from exporter.exposition.reply import Asked, Reply, plain
from exporter.exposition.stream import Head, Incoming, Outgoing, TruncatedError, remaining
from exporter.exposition.web.passwords import BusyError

if TYPE_CHECKING:
    import threading

    from exporter.exposition.connections import Connection
    from exporter.exposition.pages import Pages
    from exporter.exposition.refusals import Refusals
    from exporter.exposition.web.live import Rules, Web

log = logging.getLogger(__name__)

_LONGEST_LINE: Final = 4096  # method, path and version
_METHODS: Final = ("GET", "HEAD")
_LINGER_SECONDS: Final = 1.0  # for what a refused client still sends, so that it gets to read why
_CHALLENGE: Final = 'Basic realm="net-exporter", charset="UTF-8"'
_HEADERS: Final = {
    # Styles and the script that brings the page up to date are within the page; nothing is loaded from elsewhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Endpoint(NamedTuple):
    """What all connections share."""

    pages: Pages
    web: Web
    refusals: Refusals
    ending: threading.Event


class _RefusedError(Exception):
    """The request gets this instead of a page."""

    def __init__(self, reason: Reason, reply: Reply, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reply.body)
        self.reason = reason
        self.reply = reply
        self.headers = headers


class Handler(BaseHTTPRequestHandler):
    """Serves one connection until it ends.

    Args:
        endpoint: that it belongs to.
        connection: with an encrypted socket where TLS is spoken.
        certified: whether the client has shown a certificate that was asked of everybody.
    """

    protocol_version = "HTTP/1.1"
    server_version = f"net-exporter/{__version__}"
    sys_version = ""

    def __init__(self, endpoint: Endpoint, connection: Connection, *, certified: bool) -> None:
        self._endpoint = endpoint
        self._client = connection
        self._certified = certified
        self._rules: Rules = endpoint.web.rules()
        self._incoming = Incoming(connection.socket)
        self._head = Head(self._incoming)
        self._outgoing = Outgoing(connection.socket)
        super().__init__(connection.socket, connection.peer, None)  # type: ignore[arg-type] # it uses no server

    def setup(self) -> None:
        """Streams with deadlines instead of the library's."""
        self.connection, self.rfile, self.wfile = self._client.socket, self._head, self._outgoing

    def finish(self) -> None:
        """Let the client read what it was told before the connection goes."""
        deadline = time.monotonic() + _LINGER_SECONDS
        with suppress(OSError):
            self.connection.shutdown(1)
            while True:
                self.connection.settimeout(remaining(deadline))
                if not self.connection.recv(65536):
                    return

    def handle_one_request(self) -> None:
        """Read a request and answer it; whatever is wrong with it is answered too, and ends the connection."""
        self.close_connection = True
        self.command, self.request_version, self.requestline = "", self.protocol_version, ""
        self._client.await_client()
        if self._endpoint.ending.is_set():  # which who ends the connections may have missed
            return
        self._incoming.expect()
        self._head.renew()
        try:
            self.raw_requestline = self._head.readline(_LONGEST_LINE + 1)
            if not self.raw_requestline:
                return
            if len(self.raw_requestline) > _LONGEST_LINE:
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
                return
            if not self.parse_request():
                return
        except TruncatedError:
            self.send_error(HTTPStatus.BAD_REQUEST, "the request ends early")
            return
        except TimeoutError:
            if self._incoming.began:
                self._refuse(_RefusedError(Reason.DEADLINE, plain(HTTPStatus.REQUEST_TIMEOUT, "too slow\n")))
            return
        self._client.answer()
        try:
            self._answer(self._reply())
        except _RefusedError as refused:
            self._refuse(refused)

    def parse_request(self) -> bool:
        """Refuse what the library would guess at."""
        if not super().parse_request():
            return False
        if self.request_version == "HTTP/0.9":
            self.send_error(HTTPStatus.BAD_REQUEST, "the version of HTTP is missing")
            return False
        return True

    def handle_expect_100(self) -> bool:
        """No request has a body to wait for; who announces one is refused."""
        return True

    def _reply(self) -> Reply:
        """What the request gets. Raises _RefusedError."""
        self._check_form()
        try:
            parts = urlsplit(self.path)
        except ValueError as error:
            raise _bad(HTTPStatus.BAD_REQUEST, str(error)) from error
        self._rules = self._endpoint.web.rules()
        # Who names a password is judged everywhere, else it could be guessed where there is no limit.
        open_to_all = parts.path in OPEN_PATHS and "Authorization" not in self.headers
        if not open_to_all and not self._rules.bucket.take():
            seconds = max(1, round(self._rules.file.interval))
            told = plain(HTTPStatus.TOO_MANY_REQUESTS, "too many requests\n")
            raise _RefusedError(Reason.RATE, told, (("Retry-After", str(seconds)),))
        passwords = self._rules.passwords
        named = bool(passwords) and not open_to_all
        if named:
            self._check_password()
        trusted = named or self._certified or self._client.local
        known = named or not passwords
        return self._endpoint.pages.answer(Asked(parts.path, parts.query, self.headers, known, trusted))

    def _check_form(self) -> None:
        """Raises _RefusedError for another method, or for a body, which no request here has."""
        length = self.headers.get("Content-Length", "0").strip()
        body = bool(length.strip("0")) or "Transfer-Encoding" in self.headers
        if body:
            self.close_connection = True  # it is not read, so what follows is no request
        allowed = ("POST",) if self.path.partition("?")[0] == RELOAD else _METHODS
        if self.command not in allowed:
            told = f"only {' and '.join(allowed)}"
            raise _bad(HTTPStatus.METHOD_NOT_ALLOWED, told, ("Allow", ", ".join(allowed)))
        if not (length.isascii() and length.isdecimal()):
            raise _bad(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        if body:
            raise _bad(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "requests have no body here")

    def _check_password(self) -> None:
        """Raises _RefusedError unless the client has named a user with the password."""
        given = self.headers.get("Authorization", "")
        try:
            right = bool(given) and self._rules.passwords.admits(given)
        except BusyError as error:
            told = plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords are being checked\n")
            raise _RefusedError(Reason.PASSWORD, told, (("Retry-After", "5"),)) from error
        if not right:
            told = plain(HTTPStatus.UNAUTHORIZED, "name and password are needed\n")
            raise _RefusedError(Reason.PASSWORD, told, (("WWW-Authenticate", _CHALLENGE),))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that could not be understood, and end the connection."""
        status = HTTPStatus(code)
        text = ": ".join(filter(None, (status.phrase, message, explain)))
        self._refuse(_RefusedError(Reason.REQUEST, plain(status, f"{text}\n")))
        self.close_connection = True

    def _refuse(self, refused: _RefusedError) -> None:
        self._endpoint.refusals.add(refused.reason)
        if (
            refused.reason in (Reason.REQUEST, Reason.DEADLINE)
            and refused.reply.status != HTTPStatus.METHOD_NOT_ALLOWED
        ):
            self.close_connection = True
        self._answer(refused.reply, refused.headers)

    def _answer(self, reply: Reply, more: tuple[tuple[str, str], ...] = ()) -> None:
        self._outgoing.begin()
        self.request_version = self.protocol_version  # one that was not understood would get no status line
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Vary", "Accept, Accept-Encoding")
        if reply.encoding:
            self.send_header("Content-Encoding", reply.encoding)
        for name, value in ({**_HEADERS, **self._rules.file.headers}).items():
            self.send_header(name, value)
        for name, value in more:
            self.send_header(name, value)
        if self.close_connection or self._endpoint.ending.is_set():
            self.send_header("Connection", "close")  # which sets close_connection
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(reply.body)
            except TimeoutError:
                self._endpoint.refusals.add(Reason.DEADLINE)
                raise

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - base class signature
        """Requests are not news."""
        log.debug(format, *args)


def _bad(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> _RefusedError:
    return _RefusedError(Reason.REQUEST, plain(status, f"{text}\n"), headers)
