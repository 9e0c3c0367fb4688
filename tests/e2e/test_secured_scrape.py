"""A real Prometheus that scrapes a real exporter over TLS, with a client certificate and a password."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
import yaml

from tests.conftest import TREES
from tests.e2e.conftest import WAIT_SECONDS, free_port, started
from tests.unit.cli.daemon import daemon
from tests.unit.cli.program import run
from tests.unit.exposition.web.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TREE = TREES / "6.18-x86_64-two-pods"
OVER_TREE = ("--proc", str(TREE / "proc"), "--sys", str(TREE / "sys"))


class Prometheus:
    """One that scrapes three times the same address: as it should, without password, and without certificate."""

    def __init__(self, address: str) -> None:
        self._address = address

    def query(self, expression: str) -> dict[str, float]:
        """Value by job."""
        url = f"{self._address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return {each["metric"]["job"]: float(each["value"][1]) for each in found}

    def until(self, expression: str, wanted: dict[str, float]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        found: dict[str, float] = {}
        while time.monotonic() < deadline:
            try:
                found = self.query(expression)
            except OSError:  # it is starting
                found = {}
            if found == wanted:
                return
            time.sleep(0.2)
        pytest.fail(f"{expression} stayed {found}")


def _job(name: str, target: str, tls: dict[str, str], password: str) -> dict[str, Any]:
    return {
        "job_name": name,
        "scheme": "https",
        "scrape_interval": "200ms",
        "scrape_timeout": "200ms",
        "tls_config": tls,
        "basic_auth": {"username": "prometheus", "password": password},
        "static_configs": [{"targets": [target]}],
    }


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    if shutil.which("prometheus") is None:
        pytest.skip("needs the package prometheus")
    return Authority(tmp_path)


@pytest.fixture
def web_file(tmp_path: Path, authority: Authority) -> Iterator[Path]:
    authority.sign("server")
    path = tmp_path / "web.yml"
    _write(path, b"secret")
    return path


def _write(path: Path, password: bytes) -> None:
    tls = {
        "cert_file": "server.crt",
        "key_file": "server.key",
        "client_ca_file": "ca.crt",
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_allowed_sans": ["prometheus.example"],
    }
    users = {"prometheus": bcrypt.hashpw(password, bcrypt.gensalt(5)).decode()}
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump({"tls_server_config": tls, "basic_auth_users": users}))
    new.rename(path)


def test_prometheus_scrapes_with_certificate_and_password_and_not_without(
    tmp_path: Path, authority: Authority, web_file: Path
) -> None:
    certificate, key = authority.sign("prometheus", "DNS:prometheus.example")
    believed = {"ca_file": str(authority.certificate)}
    shown = {**believed, "cert_file": str(certificate), "key_file": str(key)}
    with daemon(*OVER_TREE, "--web.config.file", str(web_file)) as exporter:
        target = exporter.wait_until_serving().address.removeprefix("https://")
        jobs = [
            _job("right", target, shown, "secret"),
            _job("later", target, shown, "changed"),
            _job("bare", target, believed, "secret"),
        ]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
        port = free_port()
        command = [
            "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        ]  # fmt: skip
        with started(command, tmp_path / "prometheus.log"):
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            prometheus.until("up", {"right": 1, "later": 0, "bare": 0})
            prometheus.until("kubeskoop_exporter_web_config_valid", {"right": 1})
            _write(web_file, b"changed")
            prometheus.until("up", {"right": 0, "later": 1, "bare": 0})
            web_file.write_text("basic_auth_users: {}")
            prometheus.until("kubeskoop_exporter_web_config_valid", {"later": 0})
            code, log = exporter.end(signal.SIGTERM)
    assert code == 0
    assert f"web configuration: {web_file}: basic_auth_users is gone" in log
    assert "Traceback" not in log


def test_a_wrong_web_configuration_ends_the_start_with_its_place(web_file: Path) -> None:
    web_file.write_text("tls_server_config:\n  cert_file: none.crt\n  key_file: none.key\n")
    code, _, said = run("run", "--listen", "127.0.0.1:0", "--web.config.file", str(web_file))
    where = f"net-exporter: {web_file}: tls_server_config.cert_file: {web_file.parent}/none.crt"
    assert (code, said) == (2, f"{where}: No such file or directory\n")


def test_a_hang_up_changes_nothing(authority: Authority, web_file: Path) -> None:
    """A daemon without events has no files to open anew, and must not end."""
    with daemon(*OVER_TREE, "--web.config.file", str(web_file)) as exporter:
        exporter.wait_until_serving()
        os.kill(exporter.process.pid, signal.SIGHUP)
        client = authority.client(authority.sign("prometheus", "DNS:prometheus.example"))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{exporter.address}/metrics", context=client, timeout=60)
        with urllib.request.urlopen(f"{exporter.address}/-/ready", context=client, timeout=60) as answer:
            assert answer.read() == b"ready\n"
        assert exporter.end(signal.SIGTERM)[0] == 0
