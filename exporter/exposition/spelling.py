"""How numbers and label values are written in the exposition, byte for byte as the official client writes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from exporter.model.snapshot import Number

if TYPE_CHECKING:
    from collections.abc import Iterable

_EXPONENT_FROM = 1_000_000  # the official client changes to an exponent here
_EXACT_BELOW = 1 << 53  # integers from here on may not be float64 values
_EXPONENTS = tuple(b"e+%02d" % power for power in range(-1, 17))  # by number of digits


def number(value: Number) -> bytes:
    """Shortest text that reads back as the same float64, in the manner of Go."""
    if value.__class__ is int and 0 <= value < _EXACT_BELOW:
        if value < _EXPONENT_FROM:
            return b"%d.0" % value
        digits = str(value)
        rest = digits[1:].rstrip("0")
        return (f"{digits[0]}.{rest}" if rest else digits[0]).encode() + _EXPONENTS[len(digits)]
    try:
        value = float(value)
    except OverflowError:  # a source printed more digits than any counter has
        return b"+Inf" if value > 0 else b"-Inf"
    if not math.isfinite(value):
        return b"NaN" if math.isnan(value) else b"+Inf" if value > 0 else b"-Inf"
    text = repr(value)
    point = text.find(".")
    if value < _EXPONENT_FROM or point < 0 or "e" in text:
        return text.encode()
    mantissa = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{point - 1:02d}".encode()


class _Texts(dict[Number, bytes]):
    """Numbers already written; others are written when asked for and not kept, as large ones seldom come twice."""

    __missing__ = staticmethod(number)  # spares a call for each


# Most counters of most pods are small or zero. Equal numbers have equal texts, so 5 and 5.0 share an entry.
_text = _Texts((value, b"%d.0" % value) for value in range(10_000)).__getitem__


def column(values: Iterable[Number]) -> tuple[bytes, ...]:
    """All numbers of one family; the hot loop of rendering."""
    return tuple(map(_text, values))


def label(value: str) -> bytes:
    """A label value, escaped; bytes that are no UTF-8 become the replacement character."""
    clean = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return clean.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"').encode()


def help_text(value: str) -> bytes:
    """A HELP text of the Prometheus format, escaped; in OpenMetrics it is escaped like a label value."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").encode()
