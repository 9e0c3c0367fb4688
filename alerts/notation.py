"""promtool's notation of series, one value per minute: read, so that a case can be disturbed, and written again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exporter.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TERM = re.compile(r"(?P<first>_|-?[\d.]+)(?P<step>[+-][\d.]+)?(?:x(?P<times>\d+))?")
GAP = "_"
STALE = "stale"


def read(values: str) -> list[float | None]:
    """Values by minute, None where there is no sample. Raises DeclarationError naming a term that is none."""
    return [value for term in values.split() for value in _expanded(term)]


def write(values: Sequence[float | None]) -> str:
    """The notation, with what repeats written once."""
    runs: list[tuple[str, int]] = []
    for value in values:
        text = GAP if value is None else f"{value:.12g}"
        if runs and runs[-1][0] == text:
            runs[-1] = (text, runs[-1][1] + 1)
        else:
            runs.append((text, 1))
    return " ".join(_run(text, length) for text, length in runs)


def _run(text: str, length: int) -> str:
    if length == 1:
        return text
    # `_xN` is N gaps, `VxN` is one value and N more.
    return f"{text}x{length if text == GAP else length - 1}"


def _expanded(term: str) -> Iterator[float | None]:
    found = _TERM.fullmatch(term)
    if found is None:
        raise DeclarationError(f"values {term!r}: not promtool's notation")
    times = int(found["times"] or 0)
    if found["first"] == GAP:
        yield from [None] * (times or 1)
        return
    for number in range(times + 1):
        yield float(found["first"]) + number * float(found["step"] or 0)
