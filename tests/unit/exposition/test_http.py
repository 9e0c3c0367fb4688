"""The endpoint over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import socket
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.errors import StartError
from exporter.exposition import http as module
from exporter.exposition.text import Format
from exporter.model.pod import Pod
from exporter.model.snapshot import Snapshot
from exporter.runtime import schedule as schedule_module
from tests.conftest import HOST
from tests.unit.exposition.conftest import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.exposition.conftest import Endpoint

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
SECONDS = 20.0  # no answer takes so long; a test that waits longer has failed


def _ask(
    endpoint: Endpoint, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=SECONDS)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def _raw(endpoint: Endpoint, request: bytes) -> bytes:
    """Everything the server says to some bytes until it ends the connection."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


@pytest.fixture
def endpoint(serve: Callable[..., Endpoint]) -> Endpoint:
    """A server that has something to serve."""
    made = serve()
    made.publish()
    return made


def test_metrics_are_text_unless_asked_for_otherwise(endpoint: Endpoint) -> None:
    status, headers, body = _ask(endpoint, "/metrics")
    assert (status, headers["Content-Type"], headers["Content-Encoding"]) == (200, Format.TEXT.value, None)
    assert int(headers["Content-Length"]) == len(body)
    names = [family.name for family in parse_text(body.decode())]
    assert names[:3] == ["kubeskoop_fake_rx", "kubeskoop_fake_lost", "kubeskoop_fake_level"]
    assert "kubeskoop_exporter_build_info" in names


@pytest.mark.parametrize(
    ("accept", "wire"),
    [
        (PROMETHEUS, Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; version=1.0.0", Format.OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format.TEXT),
        ("application/openmetrics-text;q=0, text/plain", Format.TEXT),
        ("application/openmetrics-text;version=1.0.0; q=0.000, */*", Format.TEXT),
        ("application/openmetrics-text-not", Format.TEXT),
        ("*/*", Format.TEXT),
        ("", Format.TEXT),
        (";;,,;q=", Format.TEXT),
    ],
)
def test_the_format_is_the_one_accepted(endpoint: Endpoint, accept: str, wire: Format) -> None:
    _, headers, body = _ask(endpoint, "/metrics", Accept=accept)
    assert headers["Content-Type"] == wire.value
    assert body.endswith(b"# EOF\n") is (wire is Format.OPENMETRICS)


def test_openmetrics_can_be_parsed_to_its_end(endpoint: Endpoint) -> None:
    body = _ask(endpoint, "/metrics", Accept=PROMETHEUS)[2].decode()
    samples = {sample.name for family in parse_openmetrics(body) for sample in family.samples}
    assert {"kubeskoop_fake_rx", "kubeskoop_fake_lost_total", "kubeskoop_exporter_cycles_total"} < samples


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("deflate, gzip;q=1.0, *;q=0.5", "gzip"), ("gzip;q=0", None), ("identity", None), ("", None)],
)
def test_compression_is_the_scraper_s_choice(endpoint: Endpoint, accepted: str, encoding: str | None) -> None:
    plain = _ask(endpoint, "/metrics")[2]
    _, headers, body = _ask(endpoint, "/metrics", Accept_Encoding=accepted)
    assert headers["Content-Encoding"] == encoding
    assert (gzip.decompress(body) if encoding else body) == plain


def test_all_scrapes_of_one_cycle_get_the_same_bytes_and_the_next_cycle_s_are_new(endpoint: Endpoint) -> None:
    first = [_ask(endpoint, "/metrics")[2] for _ in range(3)]
    assert len(set(first)) == 1
    endpoint.publish(snapshot_of(2))
    assert b"web-1" not in first[0]
    assert b"web-1" in _ask(endpoint, "/metrics")[2]


@pytest.mark.parametrize("path", ["/metrics", "/", "/pods", "/-/healthy", "/-/ready", "/nowhere"])
def test_head_answers_like_get_without_a_body(endpoint: Endpoint, path: str) -> None:
    status, headers, body = _ask(endpoint, path, "HEAD")
    got_status, got_headers, got_body = _ask(endpoint, path)
    assert (status, headers["Content-Type"], headers["Content-Length"], body) == (
        got_status,
        got_headers["Content-Type"],
        str(len(got_body)),
        b"",
    )


def test_an_unknown_path_is_told_which_there_are(endpoint: Endpoint) -> None:
    status, _, body = _ask(endpoint, "/metric")
    assert (status, body) == (404, b"no such page; there are /metrics, /events, /pods, /-/healthy, /-/ready and /\n")


@pytest.mark.parametrize("path", ["/metrics?format=x", "/metrics#top", "http://elsewhere/metrics"])
def test_query_fragment_and_host_do_not_matter(endpoint: Endpoint, path: str) -> None:
    assert _ask(endpoint, path)[0] == 200


def test_pods_are_json(endpoint: Endpoint) -> None:
    assert json.loads(_ask(endpoint, "/pods")[2])[1] == {"namespace": "shop", "name": "web-0", "netns": 4026532001}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(endpoint: Endpoint, method: str) -> None:
    assert _ask(endpoint, "/metrics", method)[0] == 501


def test_a_connection_serves_many_requests(endpoint: Endpoint) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=SECONDS)) as connection:
        connection.connect()
        opened = connection.sock
        for path, method in (("/metrics", "GET"), ("/metrics", "HEAD"), ("/x", "GET"), ("/-/healthy", "GET")):
            connection.request(method, path)
            connection.getresponse().read()
            assert connection.sock is opened


def test_requests_sent_at_once_are_answered_in_turn(endpoint: Endpoint) -> None:
    asked = b"GET /-/healthy HTTP/1.1", b"GET /nowhere HTTP/1.1", b"GET /-/ready HTTP/1.1\r\nConnection: close"
    lines = [
        line
        for line in _raw(endpoint, b"".join(each + b"\r\n\r\n" for each in asked)).splitlines()
        if line.startswith(b"HTTP/1.1")
    ]
    assert lines == [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 200 OK"]


def test_before_the_first_cycle_it_lives_but_is_not_ready(
    serve: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_CYCLE_WAIT", 0.01)
    made = serve()
    assert _ask(made, "/-/healthy")[0] == 200
    assert _ask(made, "/-/ready")[::2] == (503, b"not ready: no cycle has completed lately\n")
    assert _ask(made, "/")[0] == 200
    assert _ask(made, "/pods")[2] == b"[]"
    body = _ask(made, "/metrics")[2]
    assert b"kubeskoop_exporter_build_info" in body
    assert b"kubeskoop_fake" not in body
    made.publish()
    assert _ask(made, "/-/ready")[::2] == (200, b"ready\nslab: unsupported: may not be read\n")
    assert b"kubeskoop_fake" in _ask(made, "/metrics")[2]


def test_stale_numbers_are_not_served_and_neither_are_stale_outcomes(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = _ask(endpoint, "/metrics")[2]
    finished = endpoint.schedule._finished_at
    with monkeypatch.context() as patch:
        patch.setattr(schedule_module.time, "monotonic", lambda: finished + 3600)
        assert _ask(endpoint, "/-/ready")[0] == 503
        stale = _ask(endpoint, "/metrics", Accept_Encoding="gzip")[2]
    shown = gzip.decompress(stale)
    for name in (b"kubeskoop_fake_rx", b"kubeskoop_exporter_probe_status", b"kubeskoop_exporter_series"):
        assert (name in fresh, name in shown) == (True, False)
    assert b"kubeskoop_exporter_last_cycle_timestamp_seconds" in shown
    endpoint.publish()
    assert b"kubeskoop_exporter_probe_status" in _ask(endpoint, "/metrics")[2]


GARBAGE = {
    "nothing": (b"", b""),
    "an empty line": (b"\r\n\r\n", b""),
    "random bytes": (bytes(range(256)) * 4 + b"\r\n\r\n", b"400"),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500 + b"\n", b"400"),
    "no version": (b"GET /metrics\r\n\r\n", b""),  # HTTP/0.9: a bare body
    "a bad version": (b"GET /metrics HTTP/x.y\r\n\r\n", b"400"),
    "a future version": (b"GET /metrics HTTP/2.0\r\n\r\n", b"505"),
    "too many words": (b"GET /metrics extra HTTP/1.1\r\n\r\n", b"400"),
    "a line without end": (b"GET /" + b"a" * 70_000, b"414"),
    "a long line": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    "a long header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    "a broken target": (b"GET http://[x/ HTTP/1.1\r\n\r\n", b"400"),
    "a target that is no text": (b"GET /\xff\xfe HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
    "a header that is no text": (b"GET /metrics HTTP/1.0\r\nAccept: \xff\xfe\r\n\r\n", b"200"),
    "half a request": (b"GET /metrics HTTP/1.1\r\nAccept: te", b"200"),
}


@pytest.mark.parametrize(("request_", "code"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_quietly_and_the_next_request_is_served(
    endpoint: Endpoint, request_: bytes, code: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        status = _raw(endpoint, request_).partition(b"\r\n")[0]
    except ConnectionResetError:  # it hung up while we were still sending
        status = code
    assert code in status
    assert _ask(endpoint, "/-/healthy")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_connections_are_bounded_those_beyond_are_turned_away_and_it_recovers(endpoint: Endpoint) -> None:
    request = b"GET /-/healthy HTTP/1.1\r\n\r\n"
    answered = refused = 0
    with ExitStack() as open_ones:
        clients = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS))
            for _ in range(200)
        ]
        for client in clients:
            try:
                client.sendall(request)
                reply = client.recv(100)
            except ConnectionError:
                reply = b""
            answered += reply.startswith(b"HTTP/1.1 200")
            refused += reply == b""
        assert (answered, refused) == (module._MOST_CONNECTIONS, 200 - module._MOST_CONNECTIONS)
    for thread in _connection_threads():
        thread.join(SECONDS)
    assert _ask(endpoint, "/-/healthy")[0] == 200
    with ExitStack() as open_ones:  # the room of every connection was given back
        for _ in range(module._MOST_CONNECTIONS):
            client = open_ones.enter_context(socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS))
            client.sendall(request)
            assert client.recv(100).startswith(b"HTTP/1.1 200")


def _connection_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


def test_a_connection_for_which_there_is_no_thread_gives_its_room_back(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2 * module._MOST_CONNECTIONS):
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                _ask(endpoint, "/-/healthy")
    assert _ask(endpoint, "/-/healthy")[0] == 200


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
    assert _ask(endpoint, "/-/healthy")[0] == 200


def test_a_slow_reader_delays_nobody_and_is_let_go(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Handler, "timeout", 0.2)
    endpoint.publish(snapshot_of(50_000))
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(10) == b"HTTP/1.1 2"
        assert _ask(endpoint, "/metrics")[0] == 200
        for thread in _connection_threads():
            thread.join(SECONDS)
        assert _connection_threads() == []


def test_a_client_that_says_nothing_is_let_go(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Handler, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=SECONDS) as client:
        assert client.recv(10) == b""


def test_it_listens_on_ipv6_and_ipv4_when_asked_for_all_of_ipv6(serve: Callable[..., Endpoint]) -> None:
    made = serve("::")
    for host in ("::1", "127.0.0.1"):
        with closing(http.client.HTTPConnection(host, made.port, timeout=SECONDS)) as connection:
            connection.request("GET", "/-/healthy")
            assert connection.getresponse().status == 200


def test_a_port_in_use_is_refused_with_what_to_do(endpoint: Endpoint) -> None:
    schedule = endpoint.schedule
    with pytest.raises(StartError) as raised:
        module.Server("127.0.0.1", endpoint.port, schedule, None, "node-a")  # type: ignore[arg-type] # not reached
    assert str(raised.value) == (
        f"cannot listen on 127.0.0.1:{endpoint.port}: Address already in use; "
        "is another exporter running? choose one with --listen"
    )


@pytest.mark.parametrize(
    "host", ["no.such.host.invalid", "192.0.2.1", "a..b", "a" * 70 + ".b", "fe80::1%nodev", "x\0y"]
)
def test_an_address_that_cannot_be_had_is_one_line(endpoint: Endpoint, host: str) -> None:
    with pytest.raises(StartError) as raised:
        module.Server(host, 0, endpoint.schedule, None, "node-a")  # type: ignore[arg-type] # not reached
    assert str(raised.value).startswith(f"cannot listen on {host}:0: ")
    assert "\n" not in str(raised.value)


def test_names_that_are_no_text_or_markup_are_harmless_on_the_page(endpoint: Endpoint) -> None:
    odd = Pod("<i>", b'\xff<b>&"$x'.decode("utf-8", "surrogateescape"), 7)
    made = snapshot_of()
    endpoint.publish(Snapshot(made.tables, made.outcomes, (HOST, odd), 1.0, 0.0))
    status, _, body = _ask(endpoint, "/")
    assert status == 200
    assert (b"<i>" in body, b"<b>" in body, b"&lt;i&gt;" in body) == (False, False, True)
    assert "&lt;b&gt;&amp;&quot;$x" in body.decode()
    assert json.loads(_ask(endpoint, "/pods")[2])[1]["netns"] == 7


def test_a_cycle_that_could_not_list_namespaces_has_a_page_too(endpoint: Endpoint) -> None:
    endpoint.publish(Snapshot((), snapshot_of().outcomes, (), 1.0, 0.0))
    status, _, body = _ask(endpoint, "/")
    assert (status, b"-1 pods" in body) == (200, False)
