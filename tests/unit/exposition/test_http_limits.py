"""The endpoint against clients that are slow, many, greedy or make no sense."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.exposition import stream
from exporter.exposition.connections import MOST_EACH
from exporter.model.health import HTTP_REFUSED
from tests.unit.exposition.asking import SECONDS, ask, raw
from tests.unit.exposition.conftest import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.exposition.conftest import Endpoint

GARBAGE = {
    "nothing": (b"", b""),
    "an empty line": (b"\r\n\r\n", b""),
    "random bytes": (bytes(range(256)) * 4 + b"\r\n\r\n", b"400"),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500 + b"\n", b"400"),
    "no version": (b"GET /metrics\r\n\r\n", b"400"),
    "a bad version": (b"GET /metrics HTTP/x.y\r\n\r\n", b"400"),
    "a future version": (b"GET /metrics HTTP/2.0\r\n\r\n", b"505"),
    "too many words": (b"GET /metrics extra HTTP/1.1\r\n\r\n", b"400"),
    "a line without end": (b"GET /" + b"a" * 5_000, b"414"),
    "a long line": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    "a line of the greatest length": (b"GET /" + b"a" * 4_080 + b" HTTP/1.1\r\n\r\n", b"404"),
    "a line too long by one": (b"GET /" + b"a" * 4_081 + b" HTTP/1.1\r\n\r\n", b"414"),
    "a long header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", b"431"),
    "long headers": (b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 4_000 + b"\r\n") * 5 + b"\r\n", b"431"),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    "a body": (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"413"),
    "a body that never ends": (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000, b"413"),
    "a body in chunks": (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"413"),
    "a length that is no number": (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
    "an announced body": (b"GET / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", b"413"),
    "a broken target": (b"GET http://[x/ HTTP/1.1\r\n\r\n", b"400"),
    "a target that is no text": (b"GET /\xff\xfe HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
    "a header that is no text": (b"GET /metrics HTTP/1.0\r\nAccept: \xff\xfe\r\n\r\n", b"200"),
    "half a request": (b"GET /metrics HTTP/1.1\r\nAccept: te", b"400"),
    "half a line": (b"GET /metr", b"400"),
}


@pytest.mark.parametrize(("request_", "code"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_quietly_and_the_next_request_is_served(
    endpoint: Endpoint, request_: bytes, code: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    status = raw(endpoint, request_).partition(b"\r\n")[0]
    assert (code in status, bool(status)) == (True, bool(code))
    assert ask(endpoint, "/-/healthy")[0] == 200
    assert capfd.readouterr() == ("", "")


def _connected(endpoint: Endpoint, open_ones: ExitStack) -> socket.socket:
    return open_ones.enter_context(socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS))


def _reply(client: socket.socket, request: bytes) -> bytes:
    """The first bytes of an answer; none from a connection that has been ended."""
    try:
        client.sendall(request)
        return client.recv(12)
    except ConnectionError:
        return b""


def test_of_too_many_connections_those_that_wait_longest_are_ended_for_the_new_ones(endpoint: Endpoint) -> None:
    request = b"GET /-/healthy HTTP/1.1\r\n\r\n"
    with ExitStack() as open_ones:
        clients = [_connected(endpoint, open_ones) for _ in range(100)]
        assert _reply(clients[-1], request) == b"HTTP/1.1 200"  # and so all of them have been seen
        replies = [_reply(client, request) for client in clients[:-1]]
        refused = endpoint.server.samples()[HTTP_REFUSED]
    assert (refused["room",], sum(refused.values())) == (100 - MOST_EACH, 100 - MOST_EACH)
    assert replies == [b""] * (100 - MOST_EACH) + [b"HTTP/1.1 200"] * (MOST_EACH - 1)


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX: ", b"GET /-/healthy HTTP/1.1\r\n\r\n"])
def test_however_many_clients_are_slow_a_scrape_is_answered(endpoint: Endpoint, sent: bytes) -> None:
    with ExitStack() as open_ones:
        for _ in range(3 * MOST_EACH):
            _connected(endpoint, open_ones).sendall(sent)
        assert ask(endpoint, "/metrics")[0] == 200


def _connection_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "http-connection"]


def test_a_connection_for_which_there_is_no_thread_gives_its_room_back(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2 * MOST_EACH):
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                ask(endpoint, "/-/healthy")
    assert ask(endpoint, "/-/healthy")[0] == 200


def test_a_client_that_leaves_mid_answer_is_no_news(
    endpoint: Endpoint, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    endpoint.publish(snapshot_of(50_000))  # more than the socket's buffers hold
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # leave with a reset
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            client.recv(10)
    for thread in _connection_threads():
        thread.join(SECONDS)
    assert (_connection_threads(), capfd.readouterr(), caplog.records) == ([], ("", ""), [])
    assert ask(endpoint, "/-/healthy")[0] == 200


def test_a_slow_reader_delays_nobody_and_is_let_go(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "ANSWER_SECONDS", 0.2)
    endpoint.publish(snapshot_of(50_000))
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(10) == b"HTTP/1.1 2"
        assert ask(endpoint, "/metrics")[0] == 200
        for thread in _connection_threads():
            thread.join(SECONDS)
        assert _connection_threads() == []


def test_a_client_that_says_nothing_is_let_go(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "IDLE_SECONDS", 0.05)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        assert client.recv(10) == b""


@pytest.mark.parametrize("sent", [b"G", b"GET /metrics HTTP/1.1\r\nAccept: text/"])
def test_a_client_that_trickles_is_told_that_it_is_too_slow(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(stream, "HEAD_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        client.sendall(sent)
        client.settimeout(0.02)
        answer, began = b"", time.monotonic()
        while not answer and time.monotonic() - began < SECONDS:
            with suppress(TimeoutError):
                answer = client.recv(100)
            if not answer:
                client.sendall(b"x")  # a byte now and then is no progress
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_an_answer_that_is_on_its_way_when_the_server_ends_arrives_whole(serve: Callable[..., Endpoint]) -> None:
    made = serve()
    made.publish(snapshot_of(20_000))
    whole = ask(made, "/metrics", Accept_Encoding="identity")[2]
    with ExitStack() as open_ones:
        idle, busy = _connected(made, open_ones), _connected(made, open_ones)
        assert _reply(idle, b"GET /-/healthy HTTP/1.1\r\n\r\n") == b"HTTP/1.1 200"
        busy.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        begun = busy.recv(4)
        ending = threading.Thread(target=made.server.finish)
        ending.start()
        while part := busy.recv(1 << 20):
            begun += part
        ending.join(SECONDS)
        assert (begun.partition(b"\r\n\r\n")[2] == whole, ending.is_alive()) == (True, False)
        while idle.recv(65536):  # the rest of its answer; then it ends too
            pass


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_the_answer_is_none_or_one_of_http(endpoint: Endpoint, content: bytes) -> None:
    answer = raw(endpoint, content)
    assert not answer or re.match(rb"HTTP/1\.1 (200|400|404|405|413|414|417|431|505) ", answer)
