"""Changes of the web configuration while it is in force: taken over at once when right, refused and told when wrong."""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from exporter.errors import UsageError
from exporter.exposition.web.live import Web

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.exposition.web.authority import Authority

HASHES = (
    "$2b$04$IEFsicuxKAi0HUMDjkjtg./Odcj7Y8Ro7pUMSk7O6pIp9pMAwGvsK",
    "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG",
)
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key"

GOOD = (
    TLS + ", client_ca_file: ca.crt, client_auth_type: RequireAndVerifyClientCert}"
    f"\nbasic_auth_users: {{a: {HASHES[0]}}}"
)


@pytest.fixture
def folder(tmp_path: Path, server_pair: tuple[Path, Path], authority: Authority) -> Path:
    """A certificate, a key and an authority, beside which the file is to be."""
    for source, name in zip((*server_pair, authority.certificate), ("server.crt", "server.key", "ca.crt"), strict=True):
        shutil.copy(source, tmp_path / name)
    return tmp_path


def _web(folder: Path, text: str) -> Web:
    (folder / "web.yml").write_text(text)
    return Web(str(folder / "web.yml"))


def test_without_a_file_everybody_comes_in_by_plain_http() -> None:
    rules = Web().rules()
    assert (rules.context, bool(rules.passwords), rules.bucket.take()) == (None, False, True)


def test_what_is_written_holds_from_the_next_look_on(folder: Path) -> None:
    web = _web(folder, f"basic_auth_users: {{a: {HASHES[0]}}}")
    for count in range(200):
        users = {f"user{count}": HASHES[count % 2]}
        (folder / "web.yml").write_text(f"basic_auth_users: {users}")
        assert (web.rules().file.users, web.valid) == (users, True)


def test_a_symbolic_link_that_is_set_anew_is_a_change(folder: Path) -> None:
    """As Kubernetes changes the files of a ConfigMap or a Secret."""
    for name, text in (
        ("one", "rate_limit: {interval: 1s, burst: 1}"),
        ("two", "rate_limit: {interval: 1s, burst: 2}"),
    ):
        (folder / name).mkdir()
        (folder / name / "web.yml").write_text(text)
        os.utime(folder / name / "web.yml", (1, 1))
    (folder / "data").symlink_to("one")
    (folder / "web.yml").symlink_to("data/web.yml")
    web = Web(str(folder / "web.yml"))
    assert web.rules().file.burst == 1
    (folder / "new").symlink_to("two")
    (folder / "new").rename(folder / "data")
    assert web.rules().file.burst == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense: 1", "unknown key 'nonsense'"),
        ("{", "line 1: "),
        ("", "basic_auth_users is gone; start anew if that is meant"),
        (TLS + "}", "basic_auth_users is gone; start anew if that is meant"),
        (f"basic_auth_users: {{a: {HASHES[0]}}}", "tls_server_config is gone; start anew if that is meant"),
        (
            TLS + f"}}\nbasic_auth_users: {{a: {HASHES[0]}}}",
            "tls_server_config.client_auth_type no longer requires certificates; start anew if that is meant",
        ),
        (GOOD.replace("server.crt", "none.crt"), "none.crt: No such file or directory"),
    ],
)
def test_a_file_that_is_wrong_or_opens_what_was_closed_changes_nothing_and_is_told_once(
    folder: Path, caplog: pytest.LogCaptureFixture, text: str, said: str
) -> None:
    web = _web(folder, GOOD)
    before = web.rules()
    (folder / "web.yml").write_text(text)
    assert [web.rules() is before for _ in range(3)] == [True] * 3
    assert web.valid is False
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.message.startswith(f"web configuration: {folder}/web.yml")
    assert said in record.message
    assert record.message.endswith("; the former one stays in force")
    (folder / "web.yml").write_text(GOOD)
    assert web.rules() is not before
    assert web.valid is True


def test_a_certificate_without_its_key_is_waited_for(folder: Path, authority: Authority) -> None:
    web = _web(folder, TLS + "}")
    before = web.rules().context
    certificate, key = authority.sign("renewed")
    shutil.copy(certificate, folder / "server.crt")
    assert (web.rules().context is before, web.valid) == (True, False)
    shutil.copy(key, folder / "server.key")
    assert (web.rules().context is before, web.valid) == (False, True)


def test_a_file_that_has_gone_leaves_the_rules_as_they_are(folder: Path) -> None:
    web = _web(folder, f"basic_auth_users: {{a: {HASHES[0]}}}")
    before = web.rules()
    (folder / "web.yml").unlink()
    assert (web.rules() is before, web.valid) == (True, False)


def _broken(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return f"{folder}/{name}"


def test_what_makes_no_certificate_is_named_at_the_start(folder: Path, authority: Authority) -> None:
    shutil.copy(authority.sign("other")[1], folder / "other.key")
    _broken(folder, "rubbish", bytes(range(256)))
    _broken(folder, "half", (folder / "server.crt").read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n")
    _broken(folder, "locked", (folder / "server.key").read_bytes().replace(b"PRIVATE", b"ENCRYPTED PRIVATE"))
    os.mkfifo(folder / "pipe")
    _broken(folder, "large", b"x" * (1 << 20) + b"x")
    required = "client_auth_type: RequireAndVerifyClientCert, client_ca_file:"
    section = f"{folder}/web.yml: tls_server_config"
    for pair, said in {
        "cert_file: rubbish, key_file: server.key": f".cert_file {folder}/rubbish holds no certificate in PEM form",
        "cert_file: server.crt, key_file: rubbish": f".key_file {folder}/rubbish holds no private key in PEM form",
        "cert_file: server.crt, key_file: locked": (
            f".key_file {folder}/locked is encrypted, and nobody is there to give its password; decrypt it"
        ),
        "cert_file: server.crt, key_file: other.key": (
            f".cert_file {folder}/server.crt and key_file: the key does not belong to the certificate"
        ),
        "cert_file: half, key_file: server.key": (
            f".cert_file {folder}/half and key_file: cannot be used (no valid PEM)"
        ),
        "cert_file: pipe, key_file: server.key": f".cert_file: {folder}/pipe: no regular file",
        "cert_file: ., key_file: server.key": f".cert_file: {folder}/.: Is a directory",
        "cert_file: large, key_file: server.key": f".cert_file: {folder}/large: larger than 1048576 bytes",
        "cert: words, key_file: server.key": ".cert holds no certificate in PEM form",
        f"cert_file: server.crt, key_file: server.key, {required} rubbish": (
            f".client_ca_file {folder}/rubbish holds no certificate in PEM form"
        ),
        f"cert_file: server.crt, key_file: server.key, {required} half": (
            f".client_ca_file {folder}/half holds a certificate that cannot be read"
        ),
    }.items():
        with pytest.raises(UsageError) as raised:
            _web(folder, f"tls_server_config: {{{pair}}}")
        assert str(raised.value) == section + said


def test_a_file_that_is_not_there_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        Web(f"{tmp_path}/none.yml")
    assert str(raised.value) == f"{tmp_path}/none.yml: No such file or directory"
