from __future__ import annotations

import re

import pytest

from alerts import notation
from exporter.errors import DeclarationError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0+60x3", [0, 60, 120, 180]),
        ("400-10x2", [400, 390, 380]),
        ("7x2 9", [7, 7, 7, 9]),
        ("_x2 1.5 _ 2x1", [None, None, 1.5, None, 2, 2]),
        ("-3", [-3]),
    ],
)
def test_notation_is_read_and_written(text: str, values: list[float | None]) -> None:
    assert notation.read(text) == values
    assert notation.read(notation.write(values)) == values


def test_repeats_are_written_once() -> None:
    assert notation.write([None, None, 7, 7, 7, 9, None]) == "_x2 7x2 9 _"


@pytest.mark.parametrize("term", ["x", "1+x3", "1x", "stale", "0+1y3"])
def test_other_words_are_refused_by_name(term: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(repr(term))):
        notation.read(f"0 {term}")
