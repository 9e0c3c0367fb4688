"""What is no configuration at all."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from exporter import config
from exporter.errors import UsageError
from exporter.model.metric import Naming
from tests.unit.config.declared import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- listen\n", "must be a mapping of settings, is a list"),
        ("listen", "must be a mapping of settings, is a str"),
        ("7", "must be a mapping of settings, is a int"),
        ("a: b\n  c: d\n", "2:4: mapping values are not allowed here"),
        ("listen: [\n", "2:1: expected the node content, but found '<stream end>'"),
        ("listen: '\n", "2:1: found unexpected end of stream"),
        ("\tlisten: x\n", "1:1: found character '\\t' that cannot start any token"),
        ("listen: *x\n", "1:9: found undefined alias 'x'"),
        ("listen: !!python/object:os.system x\n", None),
        ("a: 1\n---\nb: 2\n", "2:1: but found another document"),
        (b"\xff\xfe\x00listen", "not a text file (invalid start byte at byte 0)"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "special characters are not allowed"),
        (b"listen: \x00x", "special characters are not allowed"),
        ("node: 2024-13-41\n", "month must be in 1..12"),
        ("metrics: {interval: 0b_}\n", None),
        ("listen: a:1\nlisten: b:2\n", "2:1: key 'listen' is there twice, first in line 1"),
        ("metrics:\n  interval: 5\nmetrics:\n  naming: both\n", "3:1: key 'metrics' is there twice, first in line 1"),
        ("metrics:\n  interval: 5\n  interval: 6\n", "3:3: key 'interval' is there twice, first in line 2"),
        ("? [a, b]\n: 1\n", "1:3: a key must be a word"),
        ("? {a: b}\n: 1\n", "1:3: a key must be a word"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("x" * (2 << 20), "larger than 1048576 bytes; is it the configuration?"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(
    refusal: Callable[..., str], content: str | bytes, said: str | None
) -> None:
    assert said in (None, refusal(content))


def test_anchors_and_merge_keys_may_be_used(load: Callable[..., config.Config]) -> None:
    found = load("metrics:\n  <<: [&base {interval: 7, naming: both}, *base]\n  naming: kubeskoop\n  maxSeries: 5\n")
    assert (found.interval, found.max_series, found.namings) == (7.0, 5, (Naming.KUBESKOOP,))


BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([of] * 9)}]"
    for name, of in zip("abcdefghi", ["x", *(f"*{each}" for each in "abcdefgh")], strict=True)
)
MERGE_BOMB = "b0: &b0 {" + ", ".join(f"k{number}: 1" for number in range(9)) + "}\n" + "\n".join(
    f"b{level}: &b{level} {{<<: [{', '.join([f'*b{level - 1}'] * 9)}]}}" for level in range(1, 10)
)  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            BOMB,
            "1:1: unknown key 'a'",
        ),
        (
            BOMB.replace("\ni:", "\nlisten:"),
            "1:1: unknown key 'a'",
        ),
        (f"metrics: {{maxSeries: [&z [{', '.join('x' * 9)}], *z, *z]}}", None),
        (MERGE_BOMB, "5:5: more than 10000 merged keys"),
    ],
    ids=["lists", "lists as a value", "small", "merges"],
)
def test_aliases_cannot_make_a_small_file_large(refusal: Callable[..., str], content: str, said: str | None) -> None:
    tracemalloc.start()
    text = refusal(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (said or "") in text
    assert (len(text) < 1000, peak < 64 << 20) == (True, True)


def test_a_value_made_of_aliases_is_shown_shortened(refusal: Callable[..., str]) -> None:
    nested = "[x, x, x, x, x, x, x, x, x]"
    for name in "abcdefg":
        nested = f"[&{name} {nested}, {', '.join([f'*{name}'] * 8)}]"
    assert len(refusal(f"node: {nested}")) < 500


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "none.yaml", "No such file or directory")):
        with pytest.raises(UsageError) as raised:
            config.load(REGISTRY, str(path))
        assert str(raised.value) == f"{path}: {why}"
    with pytest.raises(UsageError):
        config.load(REGISTRY, "")
    with pytest.raises(UsageError, match=r"^/dev/zero: larger than"):
        config.load(REGISTRY, "/dev/zero")
