"""The endpoint over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.errors import StartError
from exporter.exposition import http as module
from exporter.exposition import pages
from exporter.exposition.text import Format
from exporter.exposition.web.live import Web
from exporter.model.pod import Pod
from exporter.model.snapshot import Snapshot
from exporter.runtime import schedule as schedule_module
from tests.conftest import HOST
from tests.unit.exposition.asking import SECONDS, ask, raw
from tests.unit.exposition.conftest import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.exposition.conftest import Endpoint

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def test_metrics_are_text_unless_asked_for_otherwise(endpoint: Endpoint) -> None:
    status, headers, body = ask(endpoint, "/metrics")
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
    _, headers, body = ask(endpoint, "/metrics", Accept=accept)
    assert headers["Content-Type"] == wire.value
    assert body.endswith(b"# EOF\n") is (wire is Format.OPENMETRICS)


def test_openmetrics_can_be_parsed_to_its_end(endpoint: Endpoint) -> None:
    body = ask(endpoint, "/metrics", Accept=PROMETHEUS)[2].decode()
    samples = {sample.name for family in parse_openmetrics(body) for sample in family.samples}
    assert {"kubeskoop_fake_rx", "kubeskoop_fake_lost_total", "kubeskoop_exporter_cycles_total"} < samples


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("deflate, gzip;q=1.0, *;q=0.5", "gzip"), ("gzip;q=0", None), ("identity", None), ("", None)],
)
def test_compression_is_the_scraper_s_choice(endpoint: Endpoint, accepted: str, encoding: str | None) -> None:
    plain = ask(endpoint, "/metrics")[2]
    _, headers, body = ask(endpoint, "/metrics", Accept_Encoding=accepted)
    assert headers["Content-Encoding"] == encoding
    assert (gzip.decompress(body) if encoding else body) == plain


def test_all_scrapes_of_one_cycle_get_the_same_bytes_and_the_next_cycle_s_are_new(endpoint: Endpoint) -> None:
    first = [ask(endpoint, "/metrics")[2] for _ in range(3)]
    assert len(set(first)) == 1
    endpoint.publish(snapshot_of(2))
    assert b"web-1" not in first[0]
    assert b"web-1" in ask(endpoint, "/metrics")[2]


@pytest.mark.parametrize("path", ["/metrics", "/", "/pods", "/-/healthy", "/-/ready", "/nowhere"])
def test_head_answers_like_get_without_a_body(endpoint: Endpoint, path: str) -> None:
    status, headers, body = ask(endpoint, path, "HEAD")
    got_status, got_headers, got_body = ask(endpoint, path)
    assert (status, headers["Content-Type"], headers["Content-Length"], body) == (
        got_status,
        got_headers["Content-Type"],
        str(len(got_body)),
        b"",
    )


def test_an_unknown_path_is_told_which_there_are(endpoint: Endpoint) -> None:
    status, _, body = ask(endpoint, "/metric")
    assert (status, body) == (404, b"no such page; there are /metrics, /events, /pods, /-/healthy, /-/ready and /\n")


@pytest.mark.parametrize("path", ["/metrics?format=x", "/metrics#top", "http://elsewhere/metrics"])
def test_query_fragment_and_host_do_not_matter(endpoint: Endpoint, path: str) -> None:
    assert ask(endpoint, path)[0] == 200


def test_pods_are_json(endpoint: Endpoint) -> None:
    assert json.loads(ask(endpoint, "/pods")[2])[1] == {"namespace": "shop", "name": "web-0", "netns": 4026532001}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(endpoint: Endpoint, method: str) -> None:
    status, headers, body = ask(endpoint, "/metrics", method)
    assert (status, headers["Allow"], body) == (405, "GET, HEAD", b"only GET and HEAD\n")


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
        for line in raw(endpoint, b"".join(each + b"\r\n\r\n" for each in asked)).splitlines()
        if line.startswith(b"HTTP/1.1")
    ]
    assert lines == [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 200 OK"]


def test_before_the_first_cycle_it_lives_but_is_not_ready(
    serve: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_FIRST_CYCLE_WAIT", 0.01)
    made = serve()
    assert ask(made, "/-/healthy")[0] == 200
    assert ask(made, "/-/ready")[::2] == (503, b"not ready: no cycle has completed lately\n")
    assert ask(made, "/")[0] == 200
    assert ask(made, "/pods")[2] == b"[]"
    body = ask(made, "/metrics")[2]
    assert b"kubeskoop_exporter_build_info" in body
    assert b"kubeskoop_fake" not in body
    made.publish()
    assert ask(made, "/-/ready")[::2] == (200, b"ready\nslab: unsupported: may not be read\n")
    assert b"kubeskoop_fake" in ask(made, "/metrics")[2]


def test_stale_numbers_are_not_served_and_neither_are_stale_outcomes(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = ask(endpoint, "/metrics")[2]
    finished = endpoint.schedule._finished_at
    with monkeypatch.context() as patch:
        patch.setattr(schedule_module.time, "monotonic", lambda: finished + 3600)
        assert ask(endpoint, "/-/ready")[0] == 503
        stale = ask(endpoint, "/metrics", Accept_Encoding="gzip")[2]
    shown = gzip.decompress(stale)
    for name in (b"kubeskoop_fake_rx", b"kubeskoop_exporter_probe_status", b"kubeskoop_exporter_series"):
        assert (name in fresh, name in shown) == (True, False)
    assert b"kubeskoop_exporter_last_cycle_timestamp_seconds" in shown
    endpoint.publish()
    assert b"kubeskoop_exporter_probe_status" in ask(endpoint, "/metrics")[2]


def test_pages_tell_browsers_to_load_and_frame_nothing(endpoint: Endpoint) -> None:
    for path in ("/", "/metrics", "/nowhere"):
        headers = ask(endpoint, path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "deny")
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")


def test_it_listens_on_ipv6_and_ipv4_when_asked_for_all_of_ipv6(serve: Callable[..., Endpoint]) -> None:
    made = serve("::")
    for host in ("::1", "127.0.0.1"):
        with closing(http.client.HTTPConnection(host, made.port, timeout=SECONDS)) as connection:
            connection.request("GET", "/-/healthy")
            assert connection.getresponse().status == 200


def test_a_port_in_use_is_refused_with_what_to_do(endpoint: Endpoint) -> None:
    with pytest.raises(StartError) as raised:
        module.Server("127.0.0.1", endpoint.port, None, Web())  # type: ignore[arg-type] # not reached
    assert str(raised.value) == (
        f"cannot listen on 127.0.0.1:{endpoint.port}: Address already in use; "
        "is another exporter running? choose one with --listen"
    )


@pytest.mark.parametrize(
    "host", ["no.such.host.invalid", "192.0.2.1", "a..b", "a" * 70 + ".b", "fe80::1%nodev", "x\0y"]
)
def test_an_address_that_cannot_be_had_is_one_line(host: str) -> None:
    with pytest.raises(StartError) as raised:
        module.Server(host, 0, None, Web())  # type: ignore[arg-type] # not reached
    assert str(raised.value).startswith(f"cannot listen on {host}:0: ")
    assert "\n" not in str(raised.value)


def test_names_that_are_no_text_or_markup_are_harmless_on_the_page(endpoint: Endpoint) -> None:
    odd = Pod("<i>", b'\xff<b>&"$x'.decode("utf-8", "surrogateescape"), 7)
    made = snapshot_of()
    endpoint.publish(Snapshot(made.tables, made.outcomes, (HOST, odd), 1.0, 0.0))
    status, _, body = ask(endpoint, "/")
    assert status == 200
    assert (b"<i>" in body, b"<b>" in body, b"&lt;i&gt;" in body) == (False, False, True)
    assert "&lt;b&gt;&amp;&quot;$x" in body.decode()
    assert json.loads(ask(endpoint, "/pods")[2])[1]["netns"] == 7


def test_a_cycle_that_could_not_list_namespaces_has_a_page_too(endpoint: Endpoint) -> None:
    endpoint.publish(Snapshot((), snapshot_of().outcomes, (), 1.0, 0.0))
    status, _, body = ask(endpoint, "/")
    assert (status, b"-1 pods" in body) == (200, False)
