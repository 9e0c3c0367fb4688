from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.push.fake_grafana import FakeGrafana

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with FakeGrafana() as fake:
        yield fake
