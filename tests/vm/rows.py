"""The rows of the matrix: which kernels, who tells their types, and which tests that is for."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.vm import kernels

KERNEL: Final = "kernel"
HEADERS: Final = "headers"
NOTHING: Final = "nothing"

# What the compatibility mode is for, and what counts by the same hooks.
_BY_HEADERS: Final = (
    "packetloss", "tcpreset", "tcpretrans", "softirq", "socketlatency", "kernellatency", "netiftxlat", "virtcmdlatency",
)  # fmt: skip
TESTS: Final = {
    KERNEL: ("tests/netns", "tests/bpf", "tests/unit/sources/test_conntrack.py"),
    HEADERS: tuple(f"tests/bpf/test_{name}.py" for name in _BY_HEADERS),
    NOTHING: (
        *(f"tests/netns/test_{name}.py" for name in ("ipvs", "neigh", "qdisc", "sock_diag", "tcp")),
        "tests/unit/sources/test_conntrack.py",
    ),
}


class Row(NamedTuple):
    """One guest of the matrix.

    Args:
        kernel: a series.
        types: who tells them: the kernel, its headers, or nothing.
    """

    kernel: str
    types: str

    @property
    def with_headers(self) -> bool:
        """Whether its headers are there: where the kernel tells its types too, a test compares the two."""
        return self.types == HEADERS or (self.types == KERNEL and Row(self.kernel, HEADERS) in ROWS)


ROWS: Final = (
    *(Row(kernel, KERNEL) for kernel in kernels.MATRIX),
    # Headers of later ones do not compile with the bcc of Debian 12; but then these always tell their types.
    *(Row(kernel, HEADERS) for kernel in ("5.10", "6.1")),
    Row("5.10", NOTHING),
)


def chosen(wanted: list[str] | None, types: str | None) -> tuple[Row, ...]:
    """Rows of the wanted kernels, all for None, and with types told so; any kernel may be asked for by its series."""
    rows = ROWS if wanted is None else tuple(row for kernel in wanted for row in _of(kernel))
    if types is None:
        return rows
    return tuple(dict.fromkeys(Row(row.kernel, types) for row in rows))


def _of(kernel: str) -> tuple[Row, ...]:
    return tuple(row for row in ROWS if row.kernel == kernel) or (Row(kernel, KERNEL),)
