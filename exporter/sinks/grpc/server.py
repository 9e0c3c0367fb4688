"""The gRPC side of the event stream. Importing it costs memory, so that is done on demand."""

from __future__ import annotations

import hmac
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import grpc

from exporter.errors import SourceError, StartError, UsageError
from exporter.events import text
from exporter.events.selection import Selection, kinds, words
from exporter.events.stream_messages import METHOD, SERVICE, Meta, Reply, decode_watch
from exporter.sinks.grpc.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.model.event import Named
    from exporter.sinks.context import SinkContext

log = logging.getLogger(__name__)

_SPARE_THREADS: Final = 2  # tell those who are refused why
_REQUEST_BYTES: Final = 64 * 1024
_CLOSE_SECONDS: Final = 1.0
_ALIVE_MS: Final = 30_000  # a client whose machine has gone is noticed after two of these


class EventServer:
    """A sink that offers events to whoever is connected; without clients, nothing is lost.

    Args:
        args: options of the sink `grpc`.
        context: of all sinks.
    """

    def __init__(self, args: Mapping[str, Any], context: SinkContext) -> None:
        self._context = context
        self._token = _content(args["tokenFile"]).strip()
        if args["tokenFile"] and not self._token:
            raise StartError(f"{args['tokenFile']} holds no token; write one into it")
        self._watchers = Watchers(args["clients"], args["queue"], args["patience"])
        self._server = grpc.server(
            ThreadPoolExecutor(args["clients"] + _SPARE_THREADS, thread_name_prefix="watch"),
            handlers=[
                grpc.method_handlers_generic_handler(
                    SERVICE, {METHOD: grpc.unary_stream_rpc_method_handler(self._watch)}
                )
            ],
            options=[
                ("grpc.so_reuseport", 0),  # else two exporters would share the port and the clients
                ("grpc.max_receive_message_length", _REQUEST_BYTES),
                ("grpc.keepalive_time_ms", _ALIVE_MS),
                ("grpc.keepalive_timeout_ms", _ALIVE_MS),
            ],
            maximum_concurrent_rpcs=args["clients"] + _SPARE_THREADS,
        )
        self.port = self._listen(args)
        self._server.start()

    def _listen(self, args: Mapping[str, Any]) -> int:
        host, port = args["host"], args["port"]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if not args["certFile"]:
                return self._server.add_insecure_port(address)
            authority = _content(args["clientCaFile"]) or None
            credentials = grpc.ssl_server_credentials(
                [(_content(args["keyFile"]), _content(args["certFile"]))], authority, authority is not None
            )
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as problem:
            reason = _why_not(host, port) or "the certificate or the key is not usable"
            raise StartError(f"cannot listen on {address}: {reason}") from problem

    def send(self, events: Sequence[Named]) -> None:
        """Offer them to the clients; what one of them misses is counted, not raised."""
        if not self._watchers:
            return
        lost, hung_up = self._watchers.publish([(named.event.type, self._reply(named)) for named in events])
        if lost:
            self._context.lost("slow_client", lost)
        if hung_up:
            log.warning("sink grpc: hung up on %d client(s) that read nothing", hung_up)

    def close(self) -> None:
        """Let clients take what waits for them, then end their calls."""
        self._watchers.close()
        self._server.stop(_CLOSE_SECONDS).wait()

    def _reply(self, named: Named) -> Reply:
        pod, netns = named.pod, named.event.netns
        owner = ("", "") if pod is None else (text.HOST, text.HOST) if pod.is_host else (pod.name, pod.namespace)
        meta = Meta(named.node, *owner, f"ns{netns}" if netns else "")
        return Reply(self._context.type_name(named), meta, text.body(named), named.event.time)

    def _watch(self, request: bytes, call: grpc.ServicerContext) -> Iterator[bytes]:
        if self._token and not self._presents_token(call):
            call.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed; give the right one with --token-file")
        try:
            selection = self._selection(request)
        except (SourceError, UsageError) as problem:
            call.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))
        watcher = self._watchers.add(selection, call.cancel)
        if watcher is None:
            call.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many clients watch already; end one, or raise `clients`"
            )
        try:
            if call.add_callback(watcher.close):
                call.send_initial_metadata(())  # tells the client that it will see what happens from now on
                yield from iter(watcher.take, None)
        finally:
            self._watchers.remove(watcher)

    def _selection(self, request: bytes) -> Selection:
        name, wanted = decode_watch(request)
        types = kinds(words(name), self._context.types)
        return Selection(types, words(wanted.pod), words(wanted.namespace), words(wanted.node))

    def _presents_token(self, call: grpc.ServicerContext) -> bool:
        given = str(dict(call.invocation_metadata()).get("authorization", ""))
        return hmac.compare_digest(given.encode(), b"Bearer " + self._token)


def _content(path: str) -> bytes:
    """Content of a file; nothing for no file. Raises StartError."""
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as problem:
        raise StartError(f"{path}: {problem.strerror}") from problem


def _why_not(host: str, port: int) -> str:
    """Why an address cannot be had, which the library does not tell; empty when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
            trial.listen()
    except OSError as problem:
        return problem.strerror or str(problem)
    return ""
