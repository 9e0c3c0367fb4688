"""A service account over TLS, as in every pod."""

from __future__ import annotations

import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter.errors import ApiError, ApiFault
from exporter.identity.credentials import Credentials
from exporter.identity.pod_api import PodApi, Timeouts
from tests.api_server import TOKEN, ApiServer, Truth, pod

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = Timeouts(connect=5.0, answer=5.0, quiet=5.0)


def _certificate(folder: Path, name: str, days: int) -> Path:
    """Key and self-signed certificate of the loopback address, in one file; negative days have passed."""
    key, request, made = (folder / f"{name}.{kind}" for kind in ("key", "request", "pem"))
    named = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(request), *named]
    sign = ["x509", "-req", "-in", str(request), "-signkey", str(key), "-copy_extensions", "copy", "-days", str(days)]
    for words in (new, [*sign, "-out", str(made)]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    (folder / f"{name}.crt").write_bytes(made.read_bytes())
    made.write_bytes(key.read_bytes() + made.read_bytes())
    return made


@pytest.fixture
def truth() -> Truth:
    made = Truth()
    made.put(pod("web-0", "u0"))
    return made


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """Folder of a service account, without an authority."""
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path


def _ask(folder: Path, server: ApiServer) -> list[str]:
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.server_port)}
    with closing(PodApi(Credentials("", folder, environment), "node-a", QUICK)) as api:
        return [each["metadata"]["name"] for each in api.list(newest=False).pods]


@pytest.fixture
def serve(truth: Truth) -> Iterator[list[ApiServer]]:
    """Servers to stop at the end."""
    made: list[ApiServer] = []
    yield made
    for each in made:
        each.stop()
    assert truth.faults == []


def test_a_service_account_s_token_and_authority_are_used(account: Path, truth: Truth, serve: list[ApiServer]) -> None:
    serve.append(server := ApiServer(truth, _certificate(account, "ca", 2)))
    assert _ask(account, server) == ["web-0"]
    assert [each.token for each in truth.requests] == [TOKEN]


@pytest.mark.parametrize(("days", "words"), [(2, "self-signed"), (-1, "expired")])
def test_a_certificate_that_is_not_to_be_trusted_is_said(
    account: Path, truth: Truth, serve: list[ApiServer], days: int, words: str
) -> None:
    serve.append(server := ApiServer(truth, _certificate(account, "served", days)))
    _certificate(account, "other", 2)
    trusted = "served" if words == "expired" else "other"
    (account / "ca.crt").write_bytes((account / f"{trusted}.crt").read_bytes())
    with pytest.raises(ApiError) as raised:
        _ask(account, server)
    assert raised.value.fault is ApiFault.CERTIFICATE
    assert str(raised.value).startswith(f"{server.url}: ")
    assert words in str(raised.value)
    assert truth.requests == []
