from __future__ import annotations

import pytest

from dashboards import catalogue
from exporter import registry
from exporter.errors import DeclarationError
from exporter.registry import Registry


def test_a_board_that_names_a_probe_that_does_not_exist_is_refused() -> None:
    without = tuple(spec for spec in registry.load().probes if spec.name != "udp")
    with pytest.raises(DeclarationError, match=r"board udp names unknown probes \['udp'\]"):
        catalogue.boards(Registry(without, registry.load().own))


def test_every_probe_has_a_board_that_claims_it_once() -> None:
    claimed = [probe for board in catalogue.boards(registry.load()) for probe in board.probes]
    assert sorted(claimed) == sorted({spec.name for spec in registry.load().probes})
