from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.model import Group, Series
from alerts.rules import exporter, udp
from exporter.errors import DeclarationError

RIGHT = udp.RECEIVE_BUFFER


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "UdpErrors"}, "name must be CamelCase"),
        ({"name": "Net_udp"}, "name must be CamelCase"),
        ({"name": "Net" + "Verylong" * 5}, "within 40"),
        ({"summary": "{owner} loses datagrams."}, "summary must be one static sentence"),
        ({"summary": "no capital."}, "summary must be one static sentence"),
        ({"hold": 0}, "must hold for at least 1 minute"),
        ({"cases": RIGHT.cases[:1]}, "needs at least one firing and one silent case"),
        ({"cases": RIGHT.cases[1:]}, "needs at least one firing and one silent case"),
        ({"description": "Lost on {device}: {value}."}, "description names device, which the result does not have"),
    ],
)
def test_a_contradiction_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        replace(RIGHT, **change)


def test_an_alert_without_pod_has_no_owner() -> None:
    with pytest.raises(DeclarationError, match="the result has no pod"):
        replace(exporter.STALLED, description="{owner} stands still.")


def test_a_group_has_at_most_20_rules() -> None:
    with pytest.raises(DeclarationError, match="group crowd"):
        Group("crowd", (RIGHT,) * 21)


def test_guards_are_part_of_the_condition() -> None:
    assert set(RIGHT.condition.metrics) == {udp.udp.RCVBUF_ERRORS, udp.udp.IN_DATAGRAMS}


def test_a_series_is_about_the_default_pod_unless_it_says_otherwise() -> None:
    assert Series(udp.udp.NO_PORTS, "0x5").labels == {}
