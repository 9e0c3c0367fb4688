from __future__ import annotations

import yaml

from alerts.output import NOTICE, WIDTH, dump


def test_order_is_kept_and_nothing_is_written_as_an_alias() -> None:
    shared = {"b": 1, "a": 2}
    text = dump({"z": [shared, shared], "y": "true"}, "First line.", "").decode()
    assert text == NOTICE + "# First line.\n#\nz:\n- b: 1\n  a: 2\n- b: 1\n  a: 2\ny: 'true'\n"


def test_long_and_multi_line_strings_survive() -> None:
    document = {"long": "sum by (node) (rate(x[5m])) / " * 9 + "1", "lines": "first\nsecond\n"}
    text = dump(document).decode()
    assert yaml.safe_load(text) == document
    assert max(map(len, text.splitlines())) <= WIDTH + 20  # a word may stick out
    assert "lines: |\n" in text


def test_a_text_that_is_a_number_to_other_parsers_is_quoted() -> None:
    body = dump({"hash": "29253837e074", "octal": "0o17", "word": "29253837e07f"}).decode().removeprefix(NOTICE)
    assert body == "hash: '29253837e074'\noctal: '0o17'\nword: 29253837e07f\n"
