"""How long something took, as programs keep it: the user side of bpf/include/times.h."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.bpf.histogram import Hist
from exporter.bpf.layout import LayoutMismatchError, bind

if TYPE_CHECKING:
    from exporter.bpf.btf import Btf


class Slow(NamedTuple):
    """As struct slow: how many exceeded a threshold.

    Args:
        slow: the lower one; those above the higher one are included.
        very_slow: the higher one.
    """

    slow: int
    very_slow: int


class Times(NamedTuple):
    """As struct times.

    Args:
        all: how long it took each time.
        slow: how often it took long.
    """

    all: Hist
    slow: Slow


class TimesLayout:
    """Decoder of struct times.

    Args:
        btf: of the object. Raises LayoutMismatchError.
    """

    def __init__(self, btf: Btf) -> None:
        self._hist, self._slow = bind(btf, "hist", Hist), bind(btf, "slow", Slow)
        self.size = btf.struct("times").size
        if self.size != self._hist.size + self._slow.size:
            raise LayoutMismatchError(f"{btf.path} struct times", "a struct hist and a struct slow")

    def unpack(self, raw: bytes, offset: int = 0) -> Times:
        """One struct."""
        return Times(self._hist.unpack(raw, offset), self._slow.unpack(raw, offset + self._hist.size))

    def total(self, raw: bytes) -> Times:
        """The sum of structs end to end, one for each CPU."""
        end = self._hist.size
        each = [raw[at : at + self.size] for at in range(0, len(raw), self.size)]
        hist, slow = b"".join(one[:end] for one in each), b"".join(one[end:] for one in each)
        return Times(self._hist.total(hist), self._slow.total(slow))
