"""One connection to Loki, kept alive between requests."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.sinks.loki import protocol
from exporter.sinks.loki.protocol import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.sinks.loki.address import Address

_IDLE_SECONDS = 20.0  # servers and balancers let go of idle connections after 30 or more
_MOST_TEXT = 4096  # bytes read of an answer
_LATE = "no answer in time: see whether Loki is overloaded, or raise `timeout`"


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """Who asks.

    Args:
        tenant: for X-Scope-OrgID, or empty.
        user: for basic authentication, or empty.
        password: finds the password, each time anew because secrets are rotated. Raises OSError.
    """

    tenant: str = ""
    user: str = ""
    password: Callable[[], str] = str

    def headers(self) -> dict[str, str]:
        """Those that say so."""
        headers = {"X-Scope-OrgID": self.tenant} if self.tenant else {}
        if self.user:
            token = b64encode(f"{self.user}:{self.password()}".encode("utf-8", "surrogateescape")).decode("ascii")
            headers["Authorization"] = f"Basic {token}"
        return headers


class Client:
    """Pushes. Used by one thread, but for `abort`. The standard library serves: one request at a time, one host.

    Args:
        address: where to.
        login: who asks.
        tls: how to check the server's certificate; None for plain HTTP.
        timeout: seconds that a whole request may take, and that each step of it may.
        clock: seconds, of any origin.
    """

    def __init__(
        self, address: Address, login: Login, tls: ssl.SSLContext | None, timeout: float, clock: Callable[[], float]
    ) -> None:
        self._address = address
        self._login = login
        self._tls = tls
        self._timeout = timeout
        self._clock = clock
        self._connection: HTTPConnection | None = None
        self._headers: dict[str, str] = {}
        self._used = 0.0
        self._expired = False

    def push(self, body: bytes) -> Answer:
        """Send one body; whatever prevents an answer becomes an answer of status 0."""
        if self._clock() - self._used > _IDLE_SECONDS:
            self.close()
        try:
            with self._deadline():
                answer = self._push(body)
        except (OSError, HTTPException, ValueError) as error:  # ValueError: TLS, when cut off by the deadline
            self.close()
            return Answer(0, _LATE if self._expired else _reason(error))
        self._used = self._clock()
        if self._expired:  # what was cut off can look like the end of an answer
            self.close()
            return Answer(0, _LATE)
        if answer.status in protocol.LOGIN:
            self.close()  # the next connection reads the password anew
        return answer

    def abort(self) -> None:
        """Make a request that hangs in another thread fail now."""
        connection = self._connection
        held = None if connection is None else connection.sock
        if held is not None:
            with suppress(OSError):
                socket.socket.shutdown(held, socket.SHUT_RDWR)  # not the method of TLS, which changes what others use

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _push(self, body: bytes) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._address.path, body, self._headers)
        with self._connection.getresponse() as response:
            text = response.read(_MOST_TEXT)
            complete = response.isclosed()
        if not complete:  # more than anybody reads
            self.close()
        words = " ".join(text.decode("utf-8", "replace").split()) or response.reason
        if location := response.getheader("Location"):
            words = f"{words}, see {location}"
        return Answer(response.status, words, response.getheader("Retry-After", ""))

    def _connect(self) -> HTTPConnection:
        self._headers = {
            "Content-Type": protocol.CONTENT_TYPE,
            "Content-Encoding": protocol.ENCODING,
            "User-Agent": f"net-exporter/{__version__}",
            **self._login.headers(),
        }
        host = self._address.host()
        if self._tls is None:
            return HTTPConnection(host, self._address.port, timeout=self._timeout)
        return HTTPSConnection(host, self._address.port, timeout=self._timeout, context=self._tls)

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """A server that sends a byte now and then would never run into the timeout of a single step."""
        self._expired = False
        timer = threading.Timer(self._timeout, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._expired = True
        self.abort()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}: name the authority's certificate in `caFile`"
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, OSError):
        hint = (
            ": see whether Loki listens there, or correct `addr`" if isinstance(error, ConnectionRefusedError) else ""
        )
        return (error.strerror or str(error) or type(error).__name__) + hint
    return f"not HTTP, {type(error).__name__} {error}: see whether `addr` names Loki's HTTP port"
