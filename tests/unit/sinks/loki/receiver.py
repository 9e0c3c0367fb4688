"""A Loki that checks what it gets as the real one does, keeps it, and misbehaves when told to."""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    import ssl

Act: TypeAlias = Callable[["Handler", dict[str, Any]], None]

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NANOSECONDS = re.compile(r"1[0-9]{18}")  # from 2001 to 2033
_SOON = 10.0
_MOST_LABELS = 15


def faults(content: object) -> list[str]:
    """What Loki would not accept, and what this project does not want to send."""
    if not isinstance(content, dict) or set(content) != {"streams"} or not content["streams"]:
        return [f"not just streams: {content!r:.80}"]
    found = []
    seen = []
    for each in content["streams"]:
        if set(each) != {"stream", "values"} or not each["values"]:
            found.append(f"not a stream: {each!r:.80}")
            continue
        labels = each["stream"]
        seen.append(labels)
        if not labels or len(labels) > _MOST_LABELS:
            found.append(f"{len(labels)} labels")
        found += [f"label {name}={value!r}" for name, value in labels.items() if not _is_label(name, value)]
        for value in each["values"]:
            if len(value) != 2 or not _NANOSECONDS.fullmatch(value[0]) or not isinstance(value[1], str):
                found.append(f"not a value: {value!r:.80}")
        if any(int(first[0]) > int(second[0]) for first, second in pairwise(each["values"])):
            found.append(f"out of order: {labels}")
    if any(seen.count(labels) > 1 for labels in seen):
        found.append("a stream is there twice")
    return found


def _is_label(name: str, value: object) -> bool:
    return _LABEL.fullmatch(name) is not None and isinstance(value, str) and value != ""


def decoded(body: bytes) -> dict[str, Any]:
    """Content of a body."""
    content: dict[str, Any] = json.loads(gzip.decompress(body))
    return content


def lines(content: dict[str, Any]) -> list[str]:
    """All its lines."""
    return [value[1] for each in content["streams"] for value in each["values"]]


def accept(handler: Handler, content: dict[str, Any]) -> None:
    """As a healthy Loki."""
    handler.receiver.pushes.append(content)
    handler.send_response(204)
    handler.end_headers()


def answer(status: int, text: str = "", **headers: str) -> Act:
    """Any answer, without keeping anything."""

    def act(handler: Handler, _content: dict[str, Any]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return act


def reset(handler: Handler, _content: dict[str, Any]) -> None:
    """Break the connection without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def keep_and_reset(handler: Handler, content: dict[str, Any]) -> None:
    """Take it, but break the connection before saying so."""
    handler.receiver.pushes.append(content)
    reset(handler, content)


def hang(handler: Handler, _content: dict[str, Any]) -> None:
    """Say nothing until the test is over."""
    handler.receiver.hanging.set()
    handler.receiver.released.wait(_SOON)
    handler.close_connection = True


def trickle(first: bytes) -> Act:
    """Begin with `first`, then a byte now and then, faster than any timeout for a single read."""

    def act(handler: Handler, _content: dict[str, Any]) -> None:
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(first)
            while not handler.receiver.released.wait(0.02):
                handler.wfile.write(b"x")

    return act


class Handler(BaseHTTPRequestHandler):
    """Does what the receiver's script says next."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    @property
    def receiver(self) -> Receiver:
        return self.server.receiver

    def do_POST(self) -> None:
        receiver = self.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.requests.append((self.path, dict(self.headers), self.client_address[1]))
        content = {}
        try:
            content = decoded(body)
            receiver.faults += faults(content)
        except (OSError, ValueError) as error:
            receiver.faults.append(f"unreadable: {error}")
        if (self.path, self.headers["Content-Type"], self.headers["Content-Encoding"]) != (
            receiver.path,
            "application/json",
            "gzip",
        ):
            receiver.faults.append(f"{self.path} {self.headers}")
        (receiver.script.popleft() if receiver.script else receiver.otherwise)(self, content)

    def log_message(self, *_args: object) -> None:
        """Tests print nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, *_args: object) -> None:
        """Clients that go away are part of the tests."""


class Receiver:
    """Listens on loopback while the `with` lasts; on leaving, whatever was wrong with a request is an error.

    Args:
        script: acts of the first requests; then `otherwise`.
        tls: of an HTTPS server.
    """

    def __init__(self, *script: Act, otherwise: Act = accept, tls: ssl.SSLContext | None = None) -> None:
        self.script = deque(script)
        self.otherwise = otherwise
        self.path = "/loki/api/v1/push"
        self.pushes: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str], int]] = []
        self.faults: list[str] = []
        self.hanging = threading.Event()
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.receiver = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def lines(self) -> list[str]:
        """All that were kept, in the order of arrival."""
        return [line for push in self.pushes for line in lines(push)]

    @property
    def addr(self) -> str:
        """For the configuration."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert self.faults == []
