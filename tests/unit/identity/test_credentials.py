"""Whether there is a cluster to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import UsageError
from exporter.identity.credentials import Credentials, find

if TYPE_CHECKING:
    from pathlib import Path

SERVER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """Folder of a service account."""
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_text("c")
    return tmp_path


def test_a_service_account_is_taken_where_there_is_one(account: Path) -> None:
    assert find("auto", "", SERVER, account) == Credentials("", account, SERVER)
    assert find("kubernetes", "", SERVER, account) == Credentials("", account, SERVER)


def test_outside_of_a_cluster_auto_is_standalone(tmp_path: Path, account: Path) -> None:
    assert find("auto", "", SERVER, tmp_path / "none") is None
    assert find("auto", "", {}, account) is None
    assert find("standalone", "", SERVER, account) is None


def test_a_kubeconfig_comes_before_the_service_account(account: Path) -> None:
    file = account / "kubeconfig"
    file.write_text("{}")
    assert find("auto", str(file), SERVER, account) == Credentials(str(file), account, SERVER)


@pytest.mark.parametrize(
    ("choice", "kubeconfig", "words"),
    [
        ("kubernetes", "", "{0}/none/token: No such file or directory; give the pod a service account and its token"),
        ("auto", "{0}/none", "{0}/none: No such file or directory"),
        ("kubernetes", "{0}/empty", "{0}/empty is empty"),
        ("kubernetes", "{0}", "{0}: Is a directory"),
        ("standalone", "{0}/x", "kubeconfig {0}/x is of no use with `identity: standalone`"),
    ],
)
def test_what_is_wanted_and_cannot_be_used_is_said(tmp_path: Path, choice: str, kubeconfig: str, words: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(UsageError) as raised:
        find(choice, kubeconfig.format(tmp_path), SERVER, tmp_path / "none")
    assert words.format(tmp_path) in str(raised.value)


def test_a_service_account_without_an_address_is_said(account: Path) -> None:
    with pytest.raises(UsageError, match=r"^identity: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT not set"):
        find("kubernetes", "", {}, account)
