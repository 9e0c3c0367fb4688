"""What a kernel scan is: one eBPF program that finds some numbers of all network namespaces in one run.

A `Part` names a program and the readers in whose stead it answers. Those who wrote the reader and the program declare
it beside the reader's source, and add it to `exporter.runtime.kernel_scan.PARTS`:

    PART = Part("sockets", SocketWalk, (Answer(sock_diag.read, _sockets, _difference),))

Probes and readers know nothing of it. The runtime does the rest: it runs the programs that have a wanted reader to
answer for, believes an answer in a namespace only after it lay between two readings of the source there, and goes back
to the reader where there is no row, or no answer, or no belief. A part that fails or disagrees ends alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Reader

T = TypeVar("T")
R = TypeVar("R")
Row = TypeVar("Row", covariant=True)  # noqa: PLC0105 -- reads better in the protocol than with its suffix


class Scan(Protocol[Row]):
    """A loaded program with what its latest run found."""

    @property
    def over_capacity(self) -> int:
        """Namespaces that the latest run had no place for; they have no row."""

    def scan(self) -> None:
        """Look at all namespaces. Raises CollectError where that fails; the part is over then."""

    def row(self, inode: int) -> Row | None:
        """What the latest run found in a namespace; None for one that is new, gone, or without a place."""

    def close(self) -> None:
        """Unload it; safe to repeat."""


def compare(before: object, answer: object, after: object) -> str:
    """How an answer differs from a source that said the same before and after the scan; empty when it does not.

    For answers that are equal to what the reader returns, or not at all.
    """
    return "" if before != after or answer == before else f"the source has {before}, the scan {answer}"


@dataclass(frozen=True, slots=True)
class Answer(Generic[R, T]):
    """How one reader's result is made of a row.

    Args:
        reader: the way to the same result without the scan.
        take: makes what the reader would return, or raises what it would raise; None leaves a namespace to the reader.
        difference: given the reader's result before the scan, the answer, and the reader's result after it: what shows
            the answer to be wrong, for people; empty when nothing does. A number that was not the same before and
            after is no proof, unless it only grows and lies outside the two.
    """

    reader: Reader[T]
    take: Callable[[R], T | None]
    difference: Callable[[T, T, T], str] = compare


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """A program of the kernel scan and what it answers.

    Args:
        name: for people, and the value of the label `part` of the self-metrics.
        open: loads the program. Raises UnsupportedError where this machine cannot run it.
        answers: one per reader.
    """

    name: str
    open: Callable[[], Scan[R]]
    answers: tuple[Answer[R, Any], ...]
