"""Clients of event streams: a thread for each server, which connects again for as long as that makes sense."""

from __future__ import annotations

import random
import threading
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import grpc

from exporter.errors import SourceError
from exporter.events.stream_messages import METHOD, SERVICE, Reply, decode_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0  # seconds between attempts
_ALIVE_MS: Final = 310_000  # other servers hang up on whoever asks more often than every five minutes
_END_SECONDS: Final = 2.0
_WAITING: Final = 10_000  # replies not printed yet; when there are more, the server waits, and counts what it loses
_PATIENCE: Final = 0.1  # seconds between looks at whether to end; Ctrl-C just before a wait does not end that wait
# What no further attempt will change.
_HOPELESS: Final = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
)


class Notice(NamedTuple):
    """Something about the connection to a server, for people.

    Args:
        text: what.
        over: whether there will be no further attempt.
    """

    text: str
    over: bool = False


Told: TypeAlias = Reply | Notice


class Access(NamedTuple):
    """What a server may ask for; each may be empty.

    Args:
        authority: certificates of who vouches for the server; with them, connections are encrypted.
        certificate: our own chain.
        key: its private key.
        token: to be presented.
    """

    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""


class Streams:
    """Connections to several servers, until closed.

    Args:
        addresses: of the servers, with ports.
        request: encoded, the same for all.
        access: the same for all.
    """

    def __init__(self, addresses: Sequence[str], request: bytes, access: Access) -> None:
        self._request = request
        self._access = access
        self._ending = threading.Event()
        self._calls: dict[str, grpc.Call] = {}
        self._waiting: Queue[tuple[str, Told]] = Queue(_WAITING)
        self._threads = [
            threading.Thread(target=self._follow, args=(address,), name=address, daemon=True) for address in addresses
        ]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[tuple[str, Told]]:
        """Server and what it sent, or what happened to it, as it comes; ends when every server is given up."""
        left = len(self._threads)
        while left:
            try:
                address, told = self._waiting.get(timeout=_PATIENCE)
            except Empty:
                continue
            left -= isinstance(told, Notice) and told.over
            yield address, told

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting now."""
        return self._waiting.empty()

    def close(self) -> None:
        """End all calls and threads."""
        self._ending.set()
        for call in tuple(self._calls.values()):
            call.cancel()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _follow(self, address: str) -> None:
        wait, complaint = _FIRST_WAIT, ""
        while not self._ending.is_set():
            connected, failure = self._stream(address, again=bool(complaint))
            reason, hopeless = _explained(failure, connected=connected)
            if hopeless:
                self._tell(address, Notice(reason, over=True))
                return
            if connected or reason != complaint:
                self._tell(address, Notice(f"{reason}; trying again"))
            wait = _FIRST_WAIT if connected else min(2 * wait, _LONGEST_WAIT)
            complaint = reason
            self._ending.wait(wait * random.uniform(0.5, 1))  # noqa: S311 - many clients need not come at once

    def _stream(self, address: str, *, again: bool) -> tuple[bool, Exception | None]:
        """One call, to its end. Returns whether there was a connection, and what went wrong."""
        connected = False
        metadata = (("authorization", f"Bearer {self._access.token}"),) if self._access.token else None
        with self._channel(address) as channel:
            method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"/{SERVICE}/{METHOD}")
            call = method(self._request, metadata=metadata)
            self._calls[address] = call
            try:
                if self._ending.is_set():
                    call.cancel()
                call.initial_metadata()  # waits for the server, or for what is in the way
                connected = call.is_active()
                if connected and again:
                    self._tell(address, Notice("connected again"))
                for content in call:
                    self._tell(address, decode_reply(content))
            except (grpc.RpcError, SourceError) as failure:
                return connected, failure
            finally:
                call.cancel()
        return connected, None

    def _channel(self, address: str) -> grpc.Channel:
        # Nodes are not behind the proxy of whoever watches them.
        options = [("grpc.keepalive_time_ms", _ALIVE_MS), ("grpc.enable_http_proxy", 0)]
        authority, certificate, key, _ = self._access
        if not authority:
            return grpc.insecure_channel(address, options)
        credentials = grpc.ssl_channel_credentials(authority, key or None, certificate or None)
        return grpc.secure_channel(address, credentials, options)

    def _tell(self, address: str, told: Told) -> None:
        while not self._ending.is_set():
            try:
                self._waiting.put((address, told), timeout=_PATIENCE)
            except Full:
                continue
            return


def _explained(failure: Exception | None, *, connected: bool) -> tuple[str, bool]:
    """Why a call ended, and whether another one would end the same way."""
    if failure is None:
        return "the exporter ended the stream", False
    if not isinstance(failure, grpc.Call):
        return f"not an event stream: {failure}", True
    code, details = failure.code(), failure.details() or ""
    if code is grpc.StatusCode.CANCELLED:
        return "the exporter hung up, as too little was read", False
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return "there is a gRPC server, but none of events; name the exporter's event port", True
    if code is grpc.StatusCode.UNAVAILABLE:
        return _unavailable(details, connected=connected), False
    return details or code.name, code in _HOPELESS


def _unavailable(details: str, *, connected: bool) -> str:
    """The library tells the whole way it went; the last is why it did not get there."""
    reason = details.removesuffix(": OK").rpartition(": ")[2].rstrip("])")
    if connected:
        return f"the connection is lost ({reason})"
    if reason == "Socket closed" or "andshake" in details:
        return (
            f"it hung up ({reason}), so see whether it wants TLS, and --ca, --certificate and --key are the right ones"
        )
    return f"no answer ({reason}), so see whether an exporter with event.probes runs there"
