"""`pytest tests/golden --refresh-golden` writes the expected expositions anew, after an intended change."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that turns comparing into writing."""
    parser.addoption("--refresh-golden", action="store_true", help="write the expected expositions of tests/golden")


@pytest.fixture
def refresh(request: pytest.FixtureRequest) -> bool:
    """Whether to write rather than to compare; without the folder named, the option does not exist."""
    return bool(request.config.getoption("--refresh-golden", default=False))
