"""Stacks of the kernel for people: return addresses as `tcp_v4_rcv+0x1B2`, `ip_vs_out+0x12[ip_vs]`.

The table of symbols is opened before privileges are dropped, read when the first stack comes, and read again for what
it did not know, as modules come and go. That costs 70 ms and is not done all the time: meanwhile the last one serves.
"""

from __future__ import annotations

import logging
import time
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from exporter.bpf.kallsyms import KALLSYMS
from exporter.bpf.symbols import KallsymsTable, Symbol
from exporter.errors import CollectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

log = logging.getLogger(__name__)

_MOST_NAMES: Final = 8192  # places that were ever on a stack; then all are forgotten
_FRESH_SECONDS: Final = 60.0  # a module's code may have given way to another's
_RETRY_SECONDS: Final = 5.0  # until an unknown address is asked for again
_SHARE: Final = 10  # reading takes at most one tenth of the thread's time


class Table(Protocol):
    """What names addresses."""

    def at(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        """The place at each address; unknown ones are left out. Raises UnsupportedError when they are all hidden."""

    def known(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        """As `at`, by what was read last, at no cost; empty before anything was."""

    def close(self) -> None:
        """Give back what was opened."""


class _Name(NamedTuple):
    """What an address is called, empty where nobody knows, and until when that holds."""

    name: str
    until: float


_NEVER: Final = _Name("", -inf)


class Stacks:
    """Names of addresses, kept. Used by one thread.

    Args:
        open_table: gives the table; called at once. What it raises, and what the table does, is logged once and makes
            every address a number.
        clock: seconds.
    """

    def __init__(
        self,
        open_table: Callable[[], Table] = lambda: KallsymsTable(KALLSYMS),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._names: dict[int, _Name] = {}
        self._next = 0.0  # when the table may be asked again
        self._table: Table | None = None
        try:
            self._table = open_table()
        except CollectError as error:
            self._give_up(error)

    def _give_up(self, error: CollectError) -> None:
        log.warning("stacks of events are numbers: %s", error)
        self.close()

    def named(self, stacks: Iterable[Sequence[int]]) -> dict[int, str]:
        """A name for each address on any of the stacks."""
        now = self._clock()
        addresses = {address for stack in stacks for address in stack}
        unknown = {address for address in addresses if self._names.get(address, _NEVER).until <= now}
        places: dict[int, Symbol] = {}
        if unknown and self._table is not None:
            places = self._ask(self._table, unknown, now) if now >= self._next else self._table.known(unknown)
        return {
            address: _text(places[address])
            if address in places
            else self._names.get(address, _NEVER).name or hex(address)
            for address in addresses
        }

    def _ask(self, table: Table, addresses: set[int], now: float) -> dict[int, Symbol]:
        """Have the table read again where it must be, and keep what it says."""
        try:
            found = table.at(addresses)
        except CollectError as error:
            self._give_up(error)
            return {}
        done = self._clock()
        self._next = done + _SHARE * (done - now)
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
        for address in addresses:
            place = found.get(address)
            if place is None:
                self._names[address] = _Name("", now + _RETRY_SECONDS)
            else:
                self._names[address] = _Name(_text(place), now + _FRESH_SECONDS if place.module else inf)
        return found

    def close(self) -> None:
        """Close the table; safe to repeat."""
        if self._table is not None:
            self._table.close()
            self._table = None


def _text(place: Symbol) -> str:
    module = f"[{place.module}]" if place.module else ""
    return f"{place.function}+0x{place.offset:X}{module}"
