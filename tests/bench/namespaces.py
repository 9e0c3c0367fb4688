"""Many network namespaces, each held by a process that listens and, in the busy case, talks over connections."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x41
_TALK_SECONDS = 0.3


@contextlib.contextmanager
def many(count: int, *, connections: int) -> Iterator[list[int]]:
    """`count` namespaces, each with a listener and so many connections that carry traffic. Yields the processes."""
    pids: list[int] = []
    try:
        for _ in range(count):
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                _hold(writer, connections)
            pids.append(pid)
            os.close(writer)
            os.read(reader, 1)
            os.close(reader)
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _hold(ready: int, connections: int) -> None:
    """Runs in the child and never returns."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        os._exit(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = b"lo".ljust(16, b"\0") + _IFF_UP_RUNNING.to_bytes(2, "little") + bytes(22)
        libc.ioctl(control.fileno(), _SIOCSIFFLAGS, request)
    listener = socket.create_server(("127.0.0.1", 80))
    pairs = [  # each connection on loopback has both its ends here
        (socket.create_connection(("127.0.0.1", 80)), listener.accept()[0]) for _ in range(connections // 2)
    ]
    os.write(ready, b".")
    os.close(ready)
    while not pairs:
        signal.pause()  # a thousand that woke up for nothing would be a load of their own
    while True:
        for client, server in pairs:
            client.send(b"ping")
            server.recv(16)
        time.sleep(_TALK_SECONDS)
