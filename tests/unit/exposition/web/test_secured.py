"""The endpoint with TLS, client certificates, passwords and a limit, asked over real sockets."""

from __future__ import annotations

import base64
import http.client
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import bcrypt
import pytest
import yaml

from exporter.errors import UsageError
from exporter.exposition.web.live import Web
from exporter.model.health import HTTP_REFUSED, WEB_CONFIG_VALID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.unit.exposition.conftest import Endpoint
    from tests.unit.exposition.web.authority import Authority

SECONDS = 20.0
ALICE = "Basic " + base64.b64encode(b"alice:secret").decode()
USERS = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
REQUIRED = "RequireAndVerifyClientCert"


class Secured:
    """A server under a web configuration.

    Args:
        endpoint: that serves.
        path: of the file.
    """

    def __init__(self, endpoint: Endpoint, path: Path) -> None:
        self.endpoint = endpoint
        self.path = path

    def ask(self, client: ssl.SSLContext | None, path: str = "/metrics", **headers: str) -> tuple[int, Any, bytes]:
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.endpoint.port, timeout=SECONDS)
            if client is None
            else http.client.HTTPSConnection("127.0.0.1", self.endpoint.port, timeout=SECONDS, context=client)
        )
        with closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def talk(self, client: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.endpoint.port), timeout=SECONDS)
        return client.wrap_socket(plain, server_hostname="127.0.0.1")

    def refused(self, reason: str, times: int) -> bool:
        """Whether as many are counted, at once or soon: a client may know of its refusal first."""
        deadline = time.monotonic() + SECONDS
        while (found := self.endpoint.server.samples()[HTTP_REFUSED][reason,]) < times and time.monotonic() < deadline:
            time.sleep(0.01)
        return found == times


@pytest.fixture
def secured(serve: Callable[..., Endpoint], tmp_path: Path, server_pair: tuple[Path, Path]) -> Callable[..., Secured]:
    """Start one: `secured(tls={...}, basic_auth_users={...})`; it has a certificate unless `tls` is None."""

    def start(tls: dict[str, Any] | None, *, debug: bool = False, **more: Any) -> Secured:  # noqa: ANN401 - of YAML
        pair = {"cert_file": str(server_pair[0]), "key_file": str(server_pair[1])}
        content = more if tls is None else {"tls_server_config": {**pair, **tls}, **more}
        path = tmp_path / "web.yml"
        path.write_text(yaml.safe_dump(content))
        made = serve("127.0.0.1", Web(str(path)), debug=debug)
        made.publish()
        return Secured(made, path)

    return start


def test_it_speaks_tls_of_both_versions(secured: Callable[..., Secured], authority: Authority) -> None:
    made = secured({})
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = authority.client()
        client.minimum_version = client.maximum_version = version
        assert made.ask(client)[0] == 200


def test_who_speaks_plainly_to_it_is_told_so(secured: Callable[..., Secured]) -> None:
    made = secured({})
    assert made.ask(None)[::2] == (400, b"this port speaks TLS; ask https://\n")
    assert made.refused("handshake", 1)


def test_versions_outside_the_range_are_refused(secured: Callable[..., Secured], authority: Authority) -> None:
    made = secured({"max_version": "TLS12"})
    client = authority.client()
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        made.ask(client)
    assert made.ask(authority.client())[0] == 200


@pytest.mark.parametrize(
    ("server", "cipher"),
    [(True, "ECDHE-ECDSA-AES256-GCM-SHA384"), (False, "ECDHE-ECDSA-CHACHA20-POLY1305")],
)
def test_ciphers_are_those_named_in_the_order_of_who_decides(
    secured: Callable[..., Secured], authority: Authority, cipher: str, *, server: bool
) -> None:
    suites = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]
    made = secured({"max_version": "TLS12", "cipher_suites": suites, "prefer_server_cipher_suites": server})
    client = authority.client()
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384")
    with made.talk(client) as talk:
        assert talk.cipher()[0] == cipher  # type: ignore[index] # the handshake is over
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        made.ask(client)


def _groups(made: Secured) -> Callable[[str], bool]:
    """Whether a client that offers nothing but a group gets a connection."""
    address = f"127.0.0.1:{made.endpoint.port}"

    def accepted(group: str) -> bool:
        words = ["openssl", "s_client", "-connect", address, "-groups", group]
        done = subprocess.run(words, input="", capture_output=True, text=True, check=False, timeout=60)
        return "New, TLSv1.3" in done.stdout

    return accepted


def test_the_curve_is_the_one_named(secured: Callable[..., Secured]) -> None:
    accepted = _groups(secured({"curve_preferences": ["CurveP521"]}))
    assert accepted("P-521")
    assert not accepted("P-384")


def test_a_curve_that_openssl_cannot_be_held_to_is_refused(secured: Callable[..., Secured]) -> None:
    """X25519 is one before OpenSSL 3.2, and as good as the others since."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve("X25519")
    except ssl.SSLError:
        with pytest.raises(UsageError, match=r"web.yml: tls_server_config.curve_preferences: OpenSSL .* X25519 alone"):
            secured({"curve_preferences": ["X25519"]})
    else:
        accepted = _groups(secured({"curve_preferences": ["X25519"]}))
        assert accepted("X25519")
        assert not accepted("P-384")


def test_a_required_certificate_must_be_there_of_our_authority_and_in_its_time(
    secured: Callable[..., Secured], authority: Authority, tmp_path: Path
) -> None:
    made = secured({"client_ca_file": str(authority.certificate), "client_auth_type": REQUIRED})
    assert made.ask(authority.client(authority.sign("friend", "")))[0] == 200
    stranger = type(authority)(tmp_path, "strangers").sign("stranger")
    for pair in (None, stranger, authority.sign("old", days=-1)):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            made.ask(authority.client(pair))
    assert made.refused("handshake", 3)


def test_a_certificate_if_given_may_be_missing_but_not_wrong(
    secured: Callable[..., Secured], authority: Authority, tmp_path: Path
) -> None:
    made = secured({"client_ca": authority.certificate.read_text(), "client_auth_type": "VerifyClientCertIfGiven"})
    assert made.ask(authority.client())[0] == 200
    assert made.ask(authority.client(authority.sign("guest")))[0] == 200
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        made.ask(authority.client(type(authority)(tmp_path, "others").sign("other")))


@pytest.mark.parametrize(
    ("sans", "welcome"),
    [
        ("DNS:prometheus.example", True),
        ("IP:10.1.2.3", True),
        ("IP:2001:db8::1", True),
        ("email:ops@example.org", True),
        ("URI:spiffe://cluster/prometheus", True),
        ("DNS:other.example,DNS:prometheus.example", True),
        ("DNS:sub.prometheus.example", False),
        ("DNS:10.1.2.3", True),
        ("IP:10.1.2.4", False),
        ("", False),
    ],
)
def test_only_certificates_with_an_allowed_name_are_welcome(
    secured: Callable[..., Secured], authority: Authority, sans: str, *, welcome: bool
) -> None:
    allowed = ["prometheus.example", "10.1.2.3", "2001:db8::1", "ops@example.org", "spiffe://cluster/prometheus"]
    made = secured(
        {"client_ca_file": str(authority.certificate), "client_auth_type": REQUIRED, "client_allowed_sans": allowed}
    )
    client = authority.client(authority.sign("named", sans))
    if welcome:
        assert made.ask(client)[0] == 200
        return
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        made.ask(client)
    assert made.refused("certificate", 1)


def test_a_new_certificate_is_shown_to_the_next_connection(
    secured: Callable[..., Secured], authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.sign("first")
    shutil.copy(certificate, tmp_path / "c"), shutil.copy(key, tmp_path / "k")
    made = secured({"cert_file": str(tmp_path / "c"), "key_file": str(tmp_path / "k")})

    def shown() -> str:
        with made.talk(authority.client()) as talk:
            return str(talk.getpeercert()["subject"])  # type: ignore[index] # the handshake is over

    assert "first" in shown()
    certificate, key = authority.sign("second")
    shutil.copy(certificate, tmp_path / "c"), shutil.copy(key, tmp_path / "k")
    assert "second" in shown()


@pytest.mark.parametrize("path", ["/metrics", "/", "/pods", "/events", "/nowhere"])
def test_pages_need_name_and_password(secured: Callable[..., Secured], path: str) -> None:
    made = secured(None, basic_auth_users=USERS)
    status, headers, body = made.ask(None, path)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="net-exporter", charset="UTF-8"')
    assert body == b"name and password are needed\n"
    assert made.ask(None, path, Authorization=ALICE + "x")[0] == 401
    assert made.ask(None, path, Authorization=ALICE)[0] in (200, 404)
    assert made.refused("password", 2)


def test_probes_of_an_orchestrator_need_no_password_and_learn_one_word(secured: Callable[..., Secured]) -> None:
    made = secured(None, basic_auth_users=USERS, rate_limit={"interval": "1h", "burst": 1})
    for _ in range(3):
        assert made.ask(None, "/-/healthy")[::2] == (200, b"ok\n")
        assert made.ask(None, "/-/ready")[::2] == (200, b"ready\n")
    assert made.ask(None, "/-/ready", Authorization=ALICE)[2] == b"ready\nslab: unsupported: may not be read\n"


def test_a_password_cannot_be_guessed_where_none_is_needed(secured: Callable[..., Secured]) -> None:
    made = secured(None, basic_auth_users=USERS, rate_limit={"interval": "1h", "burst": 2})
    wrong = "Basic " + base64.b64encode(b"alice:guess").decode()
    assert [made.ask(None, "/-/ready", Authorization=wrong)[0] for _ in range(3)] == [401, 401, 429]
    assert made.refused("password", 2)


def test_a_new_password_holds_from_the_next_request_of_an_open_connection_on(secured: Callable[..., Secured]) -> None:
    made = secured(None, basic_auth_users=USERS)
    with closing(http.client.HTTPConnection("127.0.0.1", made.endpoint.port, timeout=SECONDS)) as connection:
        statuses = []
        for users in (USERS, {"alice": bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()}, USERS):
            made.path.write_text(yaml.safe_dump({"basic_auth_users": users}))
            connection.request("GET", "/metrics", headers={"Authorization": ALICE})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    assert statuses == [200, 401, 200]


def test_too_many_requests_are_told_when_to_come_again(secured: Callable[..., Secured]) -> None:
    made = secured(None, rate_limit={"interval": "1h", "burst": 2})
    assert [made.ask(None)[0] for _ in range(4)] == [200, 200, 429, 429]
    assert made.ask(None)[1]["Retry-After"] == "3600"
    assert made.refused("rate", 3)


def test_headers_are_those_of_the_file(secured: Callable[..., Secured]) -> None:
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=60", "X-XSS-Protection": "0"}
    made = secured(None, http_server_config={"headers": headers}, basic_auth_users=USERS)
    for asked in ({}, {"Authorization": ALICE}):
        given = made.ask(None, **asked)[1]
        assert {name: given.get_all(name) for name in headers} == {name: [value] for name, value in headers.items()}
        assert given["X-Content-Type-Options"] == "nosniff"


def test_a_wrong_change_is_a_metric(secured: Callable[..., Secured]) -> None:
    made = secured(None, basic_auth_users=USERS)
    assert made.endpoint.server.samples()[WEB_CONFIG_VALID] == {(): True}
    made.path.write_text("{")
    assert made.ask(None, Authorization=ALICE)[0] == 200
    assert made.endpoint.server.samples()[WEB_CONFIG_VALID] == {(): False}


def test_a_handshake_that_does_not_come_holds_up_nobody(secured: Callable[..., Secured], authority: Authority) -> None:
    made = secured({})
    with socket.create_connection(("127.0.0.1", made.endpoint.port), timeout=SECONDS) as silent:
        with socket.create_connection(("127.0.0.1", made.endpoint.port), timeout=SECONDS) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            assert made.ask(authority.client())[0] == 200
            assert silent.fileno() >= 0
        with socket.create_connection(("127.0.0.1", made.endpoint.port), timeout=SECONDS) as rubbish:
            rubbish.sendall(b"\x16" + bytes(300))
            with suppress(ConnectionResetError):
                while rubbish.recv(1000):
                    pass
    assert made.ask(authority.client())[0] == 200


def test_a_large_answer_arrives_whole_over_tls(secured: Callable[..., Secured], authority: Authority) -> None:
    from tests.unit.exposition.conftest import snapshot_of  # noqa: PLC0415 - made for this test only

    made = secured({})
    made.endpoint.publish(snapshot_of(20_000))
    _, headers, body = made.ask(authority.client())
    assert (int(headers["Content-Length"]), body.count(b"kubeskoop_fake_rx{")) == (len(body), 20_001)


def test_curl_comes_in_with_certificate_and_password(
    secured: Callable[..., Secured], authority: Authority, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs the package curl")
    tls = {"client_ca_file": str(authority.certificate), "client_auth_type": REQUIRED}
    made = secured(tls, basic_auth_users=USERS)
    certificate, key = authority.sign("curl")
    output = tmp_path / "out"
    words = ["curl", "-sS", "--cacert", str(authority.certificate), "--cert", str(certificate), "--key", str(key)]
    url = f"https://localhost:{made.endpoint.port}/-/ready"
    words += ["--ipv4", "-u", "alice:secret", "-o", str(output), "-w", "%{http_code}", url]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr, output.read_text()) == ("200", "", "ready\nslab: unsupported: may not be read\n")


DEBUG = ("/debug/stacks", "/debug/timings", "/debug/gc", "/debug/memory?seconds=1")


def test_pages_of_debugmode_are_not_there_without_it(secured: Callable[..., Secured]) -> None:
    made = secured(None)
    assert {made.ask(None, path)[0] for path in DEBUG} == {404}


def test_pages_of_debugmode_tell_about_the_exporter(secured: Callable[..., Secured]) -> None:
    made = secured(None, debug=True)
    stacks, timings, collections, memory = (made.ask(None, path) for path in DEBUG)
    assert {stacks[0], timings[0], collections[0], memory[0]} == {200}
    assert b"http-connection:\n" in stacks[2]
    assert b", in _stacks\n" in stacks[2]
    assert yaml.safe_load(timings[2])["probes"]["slab"] == {"status": "unsupported", "seconds": 0.0}
    assert set(yaml.safe_load(collections[2])) == {"counts", "thresholds", "generations"}
    assert memory[2].endswith(b" bytes elsewhere\n")
    for wrong in ("0", "11", "x", ""):
        assert made.ask(None, f"/debug/memory?seconds={wrong or '%20'}")[0] == 400


@pytest.mark.parametrize("trust", ["nobody", "password", "certificate"])
def test_pages_of_debugmode_are_for_this_machine_or_who_said_who_they_are(
    secured: Callable[..., Secured], authority: Authority, monkeypatch: pytest.MonkeyPatch, trust: str
) -> None:
    monkeypatch.setattr("exporter.exposition.http.peer", lambda _: ("192.0.2.7", False))
    certified = {"client_ca_file": str(authority.certificate), "client_auth_type": REQUIRED}
    client = authority.client(authority.sign("looker")) if trust == "certificate" else None
    users, asked = ({"basic_auth_users": USERS}, {"Authorization": ALICE}) if trust == "password" else ({}, {})
    made = secured(certified if client else None, debug=True, **users)
    status, _, body = made.ask(client, "/debug/gc", **asked)
    if trust == "nobody":
        assert (status, body.startswith(b"ask from this machine, or set basic_auth_users")) == (403, True)
    else:
        assert status == 200
