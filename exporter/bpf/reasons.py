"""Names of the kernel's numbered reasons, from the running kernel: the numbers differ from kernel to kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.bpf.kernel_btf import KernelBtf
from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Reasons:
    """Number to name; a number without a name is `reason_<number>`.

    Args:
        values: the kernel's enum, name to number.
        prefixes: what names may begin with and is left out, the longest that fits.

    Attributes:
        told: whether this kernel tells reasons at all.
    """

    def __init__(self, values: dict[str, int], prefixes: tuple[str, ...]) -> None:
        by_length = sorted(prefixes, key=len, reverse=True)
        self.told = bool(values)
        self._names = {number: _without(name, by_length) for name, number in values.items()}

    def learn(self, numbers: Iterable[int]) -> None:
        """Look up numbers that may be new; an enum is known from the beginning."""

    def __getitem__(self, number: int) -> str:
        """Name of a reason."""
        return self._names.get(number) or f"reason_{number}"

    def close(self) -> None:
        """Give back what is open; an enum is read and done with."""


def _without(name: str, prefixes: list[str]) -> str:
    return next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), name)


def read(enum: str, prefixes: tuple[str, ...], path: Path) -> Reasons:
    """Reasons of the running kernel, whose BTF is at `path`; without names when it has no such enum.

    Raises UnsupportedError when there is no BTF.
    """
    try:
        values = KernelBtf(path).enum(enum)
    except SourceError:
        values = {}
    return Reasons(values, prefixes)
