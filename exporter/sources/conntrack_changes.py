"""Changes of the host's connection tracking table, one by one, counted and limited in the kernel.

A program in the kernel is the filter of the netlink socket: it counts each change exactly and lets so many through.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import objects
from exporter.bpf.entries import counters
from exporter.bpf.loader import BpfObject
from exporter.errors import SourceError, UnsupportedError
from exporter.sources import conntrack_message, netlink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.sources.conntrack_message import Change

_NETLINK_NETFILTER: Final = 12
_GROUPS: Final = (1, 2, 3, 4, 6)  # new, updated, destroyed, expected, no longer expected
_SOL_NETLINK, _ADD_MEMBERSHIP, _NO_ENOBUFS = 270, 1, 5  # linux/netlink.h
_SO_ATTACH_BPF, _SO_RCVBUFFORCE, _SO_MEMINFO = 50, 33, 55  # asm-generic/socket.h
_DROPS: Final = 8  # in what SO_MEMINFO gives, see linux/sock_diag.h
_ROOM: Final = 4 << 20
_MESSAGE_BYTES: Final = 1 << 15


class Counted(NamedTuple):
    """What has happened so far.

    Args:
        changes: how many of each, by `enum change` in lower case.
        suppressed: of these, above the rate.
        lost: the same, for lack of room in the socket, or as they could not be read.
    """

    changes: Mapping[str, int]
    suppressed: int
    lost: int


class Changes:
    """A socket that is told of them, opened in the calling thread's network namespace.

    Args:
        rate: most of each CPU, per second.

    Raises:
        UnsupportedError: this machine has no such thing; the text says what would change that.
        SourceError: the program is not what it should be.
    """

    def __init__(self, rate: int) -> None:
        self._bpf = BpfObject(objects.find("conntrack"))
        self._socket: socket.socket | None = None
        self._unreadable = 0
        try:
            self._bpf.set_variable("events_per_second", rate)
            self._bpf.leave_out("events")
            self._bpf.load()
            self._socket = netlink.open_socket(_NETLINK_NETFILTER)
            _subscribe(self._socket, self._bpf.program_fd("on_change"))
        except BaseException:
            self.close()
            raise

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise SourceError("ctnetlink", "an open socket")
        return self._socket

    def fileno(self) -> int:
        """A descriptor that is readable when there are changes."""
        return self._open().fileno()

    def take(self, most: int) -> list[Change]:
        """Those that are there, at most so many; what cannot be read is counted as lost. Raises SourceError."""
        sock = self._open()
        raw: list[bytes] = []
        try:
            while len(raw) < most:
                raw.append(sock.recv(_MESSAGE_BYTES))
        except BlockingIOError:
            pass
        except OSError as error:
            raise SourceError("ctnetlink", "changes", error.strerror) from error
        found = [change for each in raw if (change := _read(each)) is not None]
        self._unreadable += len(raw) - len(found)
        return found

    def counted(self) -> Counted:
        """The books so far. Raises SourceError."""
        changes = counters(self._bpf.map("changes"), self._bpf.btf, "change")
        faults = counters(self._bpf.map("faults"), self._bpf.btf, "fault")
        raw = self._open().getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS + 1))
        (lost,) = struct.unpack_from("=I", raw, 4 * _DROPS)
        return Counted(changes, faults["fault_suppressed"], lost + self._unreadable)

    def close(self) -> None:
        """Give both back; safe to repeat."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._bpf.close()


def _read(message: bytes) -> Change | None:
    try:
        return conntrack_message.parse(message)
    except SourceError:
        return None


def _subscribe(sock: socket.socket, program: int) -> None:
    try:
        sock.setblocking(False)  # noqa: FBT003 -- the standard library's
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, program)
        sock.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)  # what finds no room is counted all the same
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        sock.bind((0, 0))  # the kernel tells nothing to who has no address
        for group in _GROUPS:
            sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError as error:
        number = error.errno or errno.EIO
        raise UnsupportedError(
            f"ctnetlink tells no changes ({os.strerror(number)}); needs CAP_NET_ADMIN and module nf_conntrack_netlink"
        ) from error
