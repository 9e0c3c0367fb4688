"""Which connections there are: bounded in all and for each address, and the slowest gives its place to the next."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 64  # each has a thread; scrapers need one or two
MOST_EACH: Final = 32  # of one address, so that no client alone fills the room
PATIENCE: Final = 10.0  # seconds for an answer before its connection may be ended for another


@dataclass(eq=False, slots=True)
class Connection:
    """One client.

    Args:
        socket: to it; another object once it is encrypted.
        peer: whom it counts for, see `peer`.
        local: whether it comes from this machine.
        spare_from: when it may be ended for another; a time of the monotonic clock.
    """

    socket: socket.socket
    peer: str
    local: bool
    spare_from: float = 0.0

    def await_client(self) -> None:
        """It is the client's turn, so this connection may be spared from now on."""
        self.spare_from = time.monotonic()

    def answer(self) -> None:
        """It is the server's turn, and then the client's to take the answer."""
        self.spare_from = time.monotonic() + PATIENCE

    def end(self) -> None:
        """Wake its thread, which finds nothing more to read."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # an encrypted one would forget its encryption


class Connections:
    """Those that are open; safe from all threads."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._changed = threading.Condition()
        self.turned_away = 0  # refused, or ended for others

    def enter(self, connection: Connection) -> bool:
        """Take it in, for which another may have to go; False if none can."""
        connection.await_client()
        with self._changed:
            same = [each for each in self._open if each.peer == connection.peer]
            if len(same) >= MOST_EACH:
                fits = self._spare(same)
            elif len(self._open) >= MOST:
                fits = self._spare(self._open)
            else:
                fits = True
            if fits:
                self._open.add(connection)
            else:
                self.turned_away += 1
            return fits

    def _spare(self, among: Iterable[Connection]) -> bool:
        """End the one that has kept us waiting longest."""
        slowest = min(among, key=lambda each: each.spare_from)
        if slowest.spare_from > time.monotonic():
            return False
        self.turned_away += 1
        self._open.discard(slowest)
        slowest.end()
        return True

    def leave(self, connection: Connection) -> None:
        """It is over."""
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def finish(self, seconds: float) -> None:
        """End those that wait for their clients, give the others so long to take their answers, then end them too."""
        with self._changed:
            now = time.monotonic()
            for each in self._open:
                if each.spare_from <= now:
                    each.end()
            self._changed.wait_for(lambda: not self._open, seconds)
            for each in self._open:
                each.end()


def peer(host: str) -> tuple[str, bool]:
    """Whom a client's address counts for, and whether it is this machine.

    A network of IPv6 counts as one, as whoever has an address there has all of them.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False)), address.is_loopback
        address = address.ipv4_mapped
    return str(address), address.is_loopback
