"""Certificates, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.exposition.web.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def server_pair(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("server")
