from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.utils import floatToGoString

from exporter.exposition import spelling

EDGES = (
    *(0, 1, 9, 10, 9_999, 10_000, 10_001, 19_999, 20_000, 20_001, 99_999, 100_000, 999_999, 1_000_000, 1_000_001),
    *(10**power + offset for power in range(6, 20) for offset in (-1, 0, 1)),
    *(2**power + offset for power in (31, 32, 53, 54, 63, 64) for offset in (-1, 0, 1)),
    *(-1, -10_000_000, -(2**63)),
    *(0.5, 1e-7, 0.1 + 0.2, 999_999.5, 1_000_000.5, 123_456_789.25, 1e15, 1e16, 1.5e16, 1e21, 1e308, 5e-324, -1.5e9),
    *(math.inf, -math.inf, math.nan, True, False),
)


@pytest.mark.parametrize("value", EDGES)
def test_a_number_is_written_as_the_official_client_writes_it(value: float) -> None:
    assert spelling.number(value) == floatToGoString(value).encode()


@given(st.integers(min_value=-(2**70), max_value=2**70))
def test_any_integer_is_written_as_the_official_client_writes_it(value: int) -> None:
    assert spelling.number(value) == floatToGoString(value).encode()


@given(st.floats())
def test_any_float_is_written_as_the_official_client_writes_it(value: float) -> None:
    assert spelling.number(value) == floatToGoString(value).encode()


@given(st.lists(st.one_of(st.integers(min_value=-10, max_value=2**65), st.floats(), st.booleans())))
def test_a_column_is_its_numbers_one_by_one_but_that_zero_has_no_sign(values: list[float]) -> None:
    unsigned = [0.0 if value == 0 else value for value in values]
    assert list(spelling.column(values)) == [floatToGoString(value).encode() for value in unsigned]


@pytest.mark.parametrize(("value", "written"), [(10**400, b"+Inf"), (-(10**400), b"-Inf")])
def test_an_integer_that_no_float_can_hold_is_infinite_rather_than_an_error(value: int, written: bytes) -> None:
    assert spelling.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("eth0", b"eth0"),
        ('a"b', b'a\\"b'),
        ("a\\b", b"a\\\\b"),
        ("a\nb", b"a\\nb"),
        ("\\n", b"\\\\n"),
        ("Zürich 网络", "Zürich 网络".encode()),
        (b"\xff\xfeeth".decode("utf-8", "surrogateescape"), "��eth".encode()),
        (b"\xe2\x82".decode("utf-8", "surrogateescape"), "\ufffd".encode()),
        ("", b""),
    ],
)
def test_a_label_value_is_escaped_and_always_utf_8(value: str, written: bytes) -> None:
    assert spelling.label(value) == written
