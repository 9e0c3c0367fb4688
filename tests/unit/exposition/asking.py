"""Asking an endpoint, politely and otherwise."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.exposition.conftest import Endpoint

SECONDS = 20.0  # no answer takes so long; a test that waits longer has failed


def ask(
    endpoint: Endpoint, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=SECONDS)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def raw(endpoint: Endpoint, request: bytes) -> bytes:
    """Everything the server says to some bytes until it ends the connection."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer
