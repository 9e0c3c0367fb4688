from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError
from exporter.sources import sockstat

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Env


@pytest.fixture
def env(env_of: Callable[..., Env]) -> Env:
    return env_of("6.18-x86_64-two-pods")


def test_ipv4_sockets_of_a_namespace(env: Env) -> None:
    assert sockstat.parse((env.proc / "101/net/sockstat").read_bytes(), "sockstat") == {
        "sockets used": 10,
        "TCP inuse": 4,
        "TCP orphan": 0,
        "TCP tw": 2,
        "TCP alloc": 13,
        "TCP mem": 279,
        "UDP inuse": 1,
        "UDP mem": 0,
        "UDPLITE inuse": 0,
        "RAW inuse": 0,
        "FRAG inuse": 1,
        "FRAG memory": 1032,
    }


def test_ipv6_sockets_have_the_keys_of_ipv4(env: Env) -> None:
    assert sockstat.parse((env.proc / "101/net/sockstat6").read_bytes(), "sockstat6") == {
        "TCP inuse": 4,
        "UDP inuse": 1,
        "UDPLITE inuse": 0,
        "RAW inuse": 0,
        "FRAG inuse": 0,
        "FRAG memory": 0,
    }


def test_other_numbers_in_a_known_form_are_read_anew() -> None:
    assert sockstat.parse(b"TCP: inuse 1 tw 2\n", "sockstat") == {"TCP inuse": 1, "TCP tw": 2}
    assert sockstat.parse(b"TCP: inuse 12345678901 tw 0\n", "sockstat") == {"TCP inuse": 12345678901, "TCP tw": 0}


def test_columns_and_lines_may_come_and_go() -> None:
    assert sockstat.parse(b"TCP: new 7 inuse 1\nSMC: inuse 3\n", "sockstat") == {
        "TCP new": 7,
        "TCP inuse": 1,
        "SMC inuse": 3,
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"TCP: inuse 1 tw 2", "line 1: expected a line end", id="cut short"),
        pytest.param(b"TCP: inuse 1 tw\n", "line 1: expected a protocol, then", id="a name without number"),
        pytest.param(b"TCP: inuse 1\n\n", "line 2: expected a protocol, then", id="an empty line"),
        pytest.param(b"TCP: inuse one\n", "line 1: expected whole numbers", id="a word for a number"),
    ],
)
def test_garbage_is_refused_with_its_place(content: bytes, complaint: str) -> None:
    with pytest.raises(SourceError, match=f"sockstat {complaint}"):
        sockstat.parse(content, "sockstat")


def test_a_number_missing_from_a_known_form_is_refused() -> None:
    sockstat.parse(b"TCP: inuse 1 tw 2\n", "sockstat")
    with pytest.raises(SourceError, match="sockstat line 1"):
        sockstat.parse(b"TCP: inuse  tw 2\n", "sockstat")
