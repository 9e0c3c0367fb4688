"""A Kubernetes API server for tests: pods only, strict about what it is asked, and misbehaving on request.

It keeps one growing history of changes, so that lists, pages, watches, bookmarks and expired versions are those of one
truth. Whatever a client asks in a way that no exporter should is kept in `faults` for the test to look at.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOKEN = "a-token"  # noqa: S105 - of a server that lives for one test
_LIST = {"fieldSelector", "limit", "resourceVersion", "continue"}
_WATCH = {"fieldSelector", "watch", "allowWatchBookmarks", "resourceVersion", "timeoutSeconds"}


def pod(name: str, uid: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of an object
    """A pod as the API has it, with much that nobody wants.

    Args:
        name: of the pod.
        uid: of the pod.
        namespace: of the pod.
        more: `host_network`, `labels`, `annotations`, `ip`, `node`.
    """
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "labels": more.get("labels", {"app": name}),
            "annotations": more.get("annotations", {}),
            "managedFields": [{"manager": "kubelet", "fieldsV1": {f"f:field{index}": {} for index in range(50)}}],
        },
        "spec": {
            "nodeName": more.get("node", "node-a"),
            "containers": [{"name": "main", "image": "example.org/main:1", "env": [{"name": "A", "value": "b"}] * 20}],
            **({"hostNetwork": True} if more.get("host_network") else {}),
        },
        "status": {"phase": "Running", **({"podIP": more["ip"]} if "ip" in more else {})},
    }


@dataclass
class Request:
    """One request.

    Args:
        query: as asked.
        token: as presented.
    """

    query: dict[str, str]
    token: str


@dataclass
class Truth:
    """What there is, and how the server behaves.

    Args:
        node: the only one that may be asked for.
        token: the only one that is accepted.
        answer: given a request, another answer than the truth: status and body; None for the truth.
        feed: given a request, another watch than the truth: pieces to send; None for the truth.
        page: most pods in an answer.
        caches: whether a list of version 0 is answered whole, as by a server that has it in its cache.
    """

    node: str = "node-a"
    token: str = TOKEN
    answer: Callable[[Request], tuple[int, bytes] | None] = lambda _: None
    feed: Callable[[Request], Iterator[bytes] | None] = lambda _: None
    page: int = 500
    caches: bool = True
    version: int = 100
    oldest: int = 0  # versions before are forgotten
    bookmark_seconds: float = 0.2
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    watching: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, *pods: dict[str, Any]) -> None:
        """Add or change pods."""
        with self.changed:
            for each in pods:
                uid = each["metadata"]["uid"]
                self._record("MODIFIED" if uid in self.pods else "ADDED", each)
                self.pods[uid] = each
            self.changed.notify_all()

    def delete(self, *uids: str) -> None:
        """Delete pods."""
        with self.changed:
            for uid in uids:
                self._record("DELETED", self.pods.pop(uid))
            self.changed.notify_all()

    def _record(self, kind: str, each: dict[str, Any]) -> None:
        self.version += 1
        each["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((self.version, kind, json.loads(json.dumps(each))))

    def forget(self) -> None:
        """Forget the past, as servers do after some minutes; watches that go on are not concerned."""
        with self.changed:
            self.version += 1
            self.oldest = self.version


def status(code: int, message: str) -> bytes:
    """An error as servers put it."""
    return json.dumps({"kind": "Status", "status": "Failure", "message": message, "code": code}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def log_message(self, *_: object) -> None:
        """Tests look at what was asked, not at a log."""

    def do_GET(self) -> None:
        truth = self.server.truth
        url = urlsplit(self.path)
        pairs = parse_qsl(url.query, keep_blank_values=True)
        request = Request(dict(pairs), self.headers.get("Authorization", "").partition(" ")[2])
        truth.requests.append(request)
        self._complain(url.path, pairs)
        other = truth.answer(request)
        if other is not None:
            self._send(*other)
        elif request.token != truth.token:
            self._send(401, status(401, "Unauthorized"))
        elif request.query.get("watch") == "true":
            self._watch(request)
        else:
            self._list(request.query)

    def _complain(self, path: str, pairs: list[tuple[str, str]]) -> None:
        truth = self.server.truth
        query = dict(pairs)
        if path != "/api/v1/pods":
            truth.faults.append(f"path {path}")
        if query.get("fieldSelector") != f"spec.nodeName={truth.node}":
            truth.faults.append(
                f"fieldSelector {query.get('fieldSelector')}: pods of the whole cluster are not asked for"
            )
        unknown = query.keys() - (_WATCH if "watch" in query else _LIST)
        if unknown or len(pairs) != len(query):
            truth.faults.append(f"unknown or repeated parameters: {pairs}")
        if "watch" in query and query.keys() != _WATCH:
            truth.faults.append(f"a watch without {_WATCH - query.keys()}")

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _list(self, query: dict[str, str]) -> None:
        truth = self.server.truth
        with truth.changed:
            version, start = truth.version, 0
            if "continue" in query:
                told, _, place = query["continue"].partition("/")
                version, start = int(told), int(place)
                if version < truth.oldest:
                    self._send(410, status(410, "The provided continue parameter is too old"))
                    return
            found = list(truth.pods.values())
        whole = truth.caches and query.get("resourceVersion") == "0"
        most = len(found) if whole else min(truth.page, int(query.get("limit", "500")))
        end = start + most
        metadata = {"resourceVersion": str(version), **({"continue": f"{version}/{end}"} if end < len(found) else {})}
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": found[start:end] or None}
        self._send(200, json.dumps(body).encode())

    def _watch(self, request: Request) -> None:
        truth = self.server.truth
        since = int(request.query["resourceVersion"])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            other = truth.feed(request)
            with truth.changed:
                truth.watching += 1
                truth.changed.notify_all()
            for piece in other if other is not None else self._changes(since):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, ssl.SSLError):
            self.close_connection = True
        finally:
            with truth.changed:
                truth.watching -= 1

    def _changes(self, since: int) -> Iterator[bytes]:
        truth = self.server.truth
        if since < truth.oldest:
            yield _line("ERROR", json.loads(status(410, f"too old resource version: {since} ({truth.oldest})")))
            return
        bookmarked = time.monotonic()
        while not self.server.ending:
            with truth.changed:
                if truth.version == since and not self.server.ending:
                    truth.changed.wait(truth.bookmark_seconds)
                news = [each for each in truth.history if each[0] > since]
                version = truth.version
            yield from (_line(kind, each) for _, kind, each in news)
            since = version
            if time.monotonic() - bookmarked >= truth.bookmark_seconds:
                bookmarked = time.monotonic()
                yield _line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


def _line(kind: str, found: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


class ApiServer(ThreadingHTTPServer):
    """The server, on loopback.

    Args:
        truth: what it tells.
        certificate: file with key and certificate; without one it speaks HTTP.
        port: to listen on; 0 takes a free one.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, truth: Truth, certificate: Path | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.truth = truth
        self.ending = False
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self._connections: set[Any] = set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Clients that go away, and handshakes that fail, are part of the tests."""

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        self._connections.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Go away, with all connections, as in an outage."""
        self.ending = True
        self.shutdown()
        self.server_close()
        for each in tuple(self._connections):
            self.shutdown_request(each)
