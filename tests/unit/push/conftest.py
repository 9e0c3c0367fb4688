from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from alibabacloud_credentials.utils import auth_util

from tests.unit.push.fake_arms import KEY, SECRET, FakeArms
from tests.unit.push.fake_grafana import FakeGrafana

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with FakeGrafana() as fake:
        yield fake


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxies, and no credentials of the machine; the SDK reads the environment once, when it is imported."""
    for name in [each for each in os.environ if each.lower().endswith("_proxy") or each.startswith("ALIBABA_CLOUD")]:
        monkeypatch.delenv(name)
    for name in ("access_key_id", "access_key_secret", "security_token", "credentials_uri"):
        monkeypatch.setattr(auth_util, f"environment_{name}", None)
    monkeypatch.setattr(auth_util, "enable_oidc_credential", False)
    monkeypatch.setattr(auth_util, "environment_credentials_file", str(tmp_path / "none"))
    monkeypatch.setattr(auth_util, "environment_cli_profile_disabled", "true")
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "true")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY)
    monkeypatch.setattr(auth_util, "environment_access_key_id", KEY)
    monkeypatch.setattr(auth_util, "environment_access_key_secret", SECRET)


@pytest.fixture
def arms(credentials: None) -> Iterator[FakeArms]:  # noqa: ARG001 -- sets the environment
    with FakeArms() as fake:
        yield fake
