from __future__ import annotations

import socket

import pytest

from exporter.errors import UsageError
from exporter.sinks.loki import address
from exporter.sinks.loki.address import Address

PUSH = "/loki/api/v1/push"


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("loki-service", "http", "loki-service", 3100, PUSH),
        ("loki.monitoring.svc.cluster.local.", "http", "loki.monitoring.svc.cluster.local.", 3100, PUSH),
        ("192.0.2.7", "http", "192.0.2.7", 3100, PUSH),
        ("192.0.2.7:31000", "http", "192.0.2.7", 31000, PUSH),
        ("2001:db8::7", "http", "2001:db8::7", 3100, PUSH),
        ("[2001:db8::7]:31000", "http", "2001:db8::7", 31000, PUSH),
        ("loki:3100/", "http", "loki", 3100, PUSH),
        ("http://loki", "http", "loki", 80, PUSH),
        ("https://logs.example.com", "https", "logs.example.com", 443, PUSH),
        ("https://logs.example.com:8443/tenant-a/", "https", "logs.example.com", 8443, "/tenant-a" + PUSH),
        ("http://loki:3100" + PUSH, "http", "loki", 3100, PUSH),
    ],
)
def test_an_address_may_be_a_host_a_host_with_port_or_a_url(
    text: str, scheme: str, host: str, port: int, path: str
) -> None:
    assert address.parse(text) == Address(scheme == "https", (host,), port, path)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://loki",
        "http://",
        "http://loki:0",
        "http://loki:65536",
        "loki:port",
        "loki:3100:3100",
        "lo ki",
        "-loki",
        "10.1",
        "256.0.0.1",
        "http://[::1",
        "http://loki?tenant=a",
        "http://loki#a",
        "a" * 64,
        ".".join(["a" * 63] * 4),
        "http://löki",
    ],
)
def test_an_invalid_address_is_refused_with_examples_of_valid_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"^addr .* is no address.*: write a host, HOST:PORT or a URL, for"):
        address.parse(text)


@pytest.mark.parametrize("text", ["http://me:swordfish@loki", "me:swordfish@loki:3100", "http://me:swordfish@[::1"])
def test_a_password_in_the_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        address.parse(text)
    assert "swordfish" not in str(caught.value)


def test_another_push_interface_is_refused_rather_than_extended() -> None:
    with pytest.raises(UsageError, match=r"names another push interface: end it with /loki/api/v1/push or the port$"):
        address.parse("http://loki:3100/api/prom/push")


def test_without_an_address_the_usual_services_are_looked_for_in_order() -> None:
    assert address.parse("") == Address(tls=False, hosts=("grafana-loki", "loki-service"), port=3100, path=PUSH)
    assert address.parse("", "monitoring").hosts == ("grafana-loki.monitoring", "loki-service.monitoring")


def test_a_namespace_that_is_no_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^namespace must be the name of a Kubernetes namespace, is 'a b'$"):
        address.parse("", "a b")


@pytest.mark.parametrize(
    ("known", "found"),
    [({"grafana-loki", "loki-service"}, "grafana-loki"), ({"loki-service"}, "loki-service")],
)
def test_the_first_service_that_resolves_is_taken(monkeypatch: pytest.MonkeyPatch, known: set[str], found: str) -> None:
    def resolve(host: str, port: int, **_kinds: int) -> list[object]:
        assert port == address.PORT
        if host in known:
            return [object()]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert address.parse("").host() == found


def test_when_none_resolves_all_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_args: object, **_kinds: int) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(
        OSError, match=r"^grafana-loki and loki-service cannot be resolved \(Name or service not known\): correct"
    ):
        address.parse("").host()


def test_an_address_is_told_as_a_url() -> None:
    assert str(address.parse("2001:db8::7")) == "http://[2001:db8::7]:3100/loki/api/v1/push"
    assert str(address.parse("")) == "http://grafana-loki or loki-service:3100/loki/api/v1/push"
