from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter import config
from exporter.settings.faults import FaultsError
from tests.unit.config.declared import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., config.Config]:
    """Write a file and load it."""

    def write(content: str | bytes, **more: Any) -> config.Config:  # noqa: ANN401 - as config.load takes it
        path = tmp_path / "config.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return config.load(REGISTRY, str(path), **more)

    return write


@pytest.fixture
def refusal(load: Callable[..., config.Config], tmp_path: Path) -> Callable[..., str]:
    """What is said about a file, a line for each fault, without its path."""

    def said(content: str | bytes) -> str:
        with pytest.raises(FaultsError) as raised:
            load(content)
        text = str(raised.value)
        assert text.startswith(f"{tmp_path}/config.yaml:")
        assert len(raised.value.lines) == text.count("\n") + 1
        return text.replace(f"{tmp_path}/config.yaml:", "").strip()

    return said
