"""The HTTP endpoint: listens, takes connections in, speaks TLS with them, and ends them in order."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from socketserver import TCPServer
from typing import TYPE_CHECKING, Final

from exporter.errors import StartError
from exporter.exposition.connections import Connection, Connections, peer
from exporter.exposition.handler import Endpoint, Handler
from exporter.exposition.refusals import Reason, Refusals
from exporter.exposition.web.names import REQUIRED
from exporter.exposition.web.tls import names_of
from exporter.model.health import HTTP_REFUSED, WEB_CONFIG_VALID

if TYPE_CHECKING:
    import ssl

    from exporter.exposition.pages import Pages
    from exporter.exposition.web.file import Tls
    from exporter.exposition.web.live import Web
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

_HANDSHAKE_SECONDS: Final = 10.0
_FINISH_SECONDS: Final = 5.0  # for scrapes that are being answered when the exporter ends
_SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SPEAK_TLS: Final = b"this port speaks TLS; ask https://\n"
_PLAIN_TO_TLS: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_SPEAK_TLS), _SPEAK_TLS)
)


class Server(TCPServer):
    """Listens on one address; each connection has a thread.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        pages: that are served.
        web: who may ask, and over what.
    """

    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, host: str, port: int, pages: Pages, web: Web) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections = Connections()
        self._web = web
        self._refusals = Refusals()
        self._endpoint = Endpoint(pages, web, self._refusals, threading.Event())
        try:
            super().__init__((host, port), Handler)  # type: ignore[arg-type] # made in `_serve`
        except OSError as error:
            hint = "; is another exporter running? choose one with --listen" if error.errno == errno.EADDRINUSE else ""
            raise StartError(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from error
        except (OverflowError, TypeError, ValueError) as error:  # port out of range, name overlong or with a zero byte
            raise StartError(f"cannot listen on {host}:{port}: {error}") from error
        self.server_port: int = self.socket.getsockname()[1]

    @property
    def scheme(self) -> str:
        """How its addresses begin now."""
        return "https" if self._web.rules().context else "http"

    def samples(self) -> dict[Metric, Samples]:
        """Self-metrics."""
        refused = self._refusals.counts()
        refused[Reason.ROOM] += self._connections.turned_away
        return {
            HTTP_REFUSED: {(reason.value,): count for reason, count in refused.items()},
            WEB_CONFIG_VALID: {(): self._web.valid},
        }

    def server_bind(self) -> None:
        """Listen on IPv4 too when asked for all of IPv6."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setblocking(False)  # noqa: FBT003 - a client may be gone before it is taken in
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, object]:
        """The next connection; where there is no descriptor for it, pause rather than try in a circle."""
        try:
            return self.socket.accept()
        except OSError as error:
            if error.errno in _SCARCE:
                time.sleep(0.1)
            raise

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Take a connection in, or turn it away rather than grow without bound."""
        if not isinstance(request, socket.socket) or not isinstance(client_address, tuple):
            return
        connection = Connection(request, *peer(client_address[0]))
        if not self._connections.enter(connection):
            self.shutdown_request(request)
            return
        thread = threading.Thread(target=self._serve, args=(connection,), name="http-connection", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread to be had
            log.debug("turned a connection away: %s", error)
            self._refusals.add(Reason.ROOM)
            self._connections.leave(connection)
            self.shutdown_request(request)

    def _serve(self, connection: Connection) -> None:
        """Serve one connection in its thread. What its client does wrong is no news."""
        try:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are two writes
            rules = self._web.rules()
            tls = rules.file.tls
            if rules.context is None or tls is None:
                Handler(self._endpoint, connection, certified=False)
            elif self._encrypted(connection, rules.context, tls):
                Handler(self._endpoint, connection, certified=tls.client_auth == REQUIRED)
        except OSError as error:
            log.debug("connection of %s ended early: %s", connection.peer, error)
        finally:
            self._connections.leave(connection)
            connection.socket.close()

    def _encrypted(self, connection: Connection, context: ssl.SSLContext, tls: Tls) -> bool:
        """Shake hands; False where the client is not one to talk to."""
        plain = connection.socket
        plain.settimeout(_HANDSHAKE_SECONDS)
        try:
            if plain.recv(1, socket.MSG_PEEK).isalpha():  # a handshake begins with another byte
                self._refusals.add(Reason.HANDSHAKE)
                plain.sendall(_PLAIN_TO_TLS)
                return False
            encrypted = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            connection.socket = encrypted
            encrypted.do_handshake()
        except OSError:
            self._refusals.add(Reason.HANDSHAKE)
            raise
        if tls.allowed_sans is not None and not names_of(encrypted.getpeercert() or {}) & tls.allowed_sans:
            self._refusals.add(Reason.CERTIFICATE)
            return False
        return True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - base class signature
        """A connection that could not be taken in is no trace for the log."""
        log.debug("connection of %s could not be taken in", client_address, exc_info=True)  # noqa: LOG014 - called from one

    def finish(self) -> None:
        """Take no more connections, and let scrapes that are being answered end."""
        self._endpoint.ending.set()
        self._endpoint.pages.close()
        self.shutdown()
        self.server_close()
        self._connections.finish(_FINISH_SECONDS)
