"""Two network namespaces joined by a veth pair, and what can be carried between them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CLONE_NEWNET: Final = 0x40000000
_PORT: Final = 5201
_ADDRESSES: Final = ("10.78.0.1", "10.78.0.2")
_CHUNK: Final = 1 << 20


class Carried(NamedTuple):
    """What one measurement gave.

    Args:
        rate: units of work each second.
        per_cpu: units of work for each second of processor time of both ends, the kernel's work for them included.
    """

    rate: float
    per_cpu: float


@contextlib.contextmanager
def joined() -> Iterator[tuple[str, str]]:
    """Names of two namespaces that reach each other."""
    names = (f"bench{os.getpid()}a", f"bench{os.getpid()}b")
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "eth0", "netns", names[1])
        for name, address in zip(names, _ADDRESSES, strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def stream(names: tuple[str, str], seconds: float) -> Carried:
    """One TCP connection that sends as fast as it can; the work is bits."""

    def send(sock: socket.socket, until: float) -> int:
        block = bytes(_CHUNK)
        while time.monotonic() < until:
            sock.sendall(block)
        return 0

    def receive(sock: socket.socket) -> int:
        block, taken = bytearray(_CHUNK), 0
        while got := sock.recv_into(block):
            taken += got
        return taken * 8

    return _between(names, seconds, send, receive)


def requests(names: tuple[str, str], seconds: float) -> Carried:
    """One TCP connection on which a byte goes there and back, over and over; the work is round trips."""

    def ask(sock: socket.socket, until: float) -> int:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answered = 0
        while time.monotonic() < until:
            sock.send(b"?")
            sock.recv(1)
            answered += 1
        return answered

    def answer(sock: socket.socket) -> int:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while sock.recv(1):
            sock.send(b"!")
        return 0

    return _between(names, seconds, ask, answer)


def _between(
    names: tuple[str, str],
    seconds: float,
    client: Callable[[socket.socket, float], int],
    server: Callable[[socket.socket], int],
) -> Carried:
    def serve(ready: int) -> int:
        with socket.create_server((_ADDRESSES[1], _PORT)) as listener:
            os.write(ready, b".")
            with listener.accept()[0] as sock:
                return server(sock)

    def call(_: int) -> int:
        with socket.create_connection((_ADDRESSES[1], _PORT)) as sock:
            return client(sock, time.monotonic() + seconds)

    serving = _Child(names[1], 1, serve)
    serving.wait_until_ready()
    calling = _Child(names[0], 0, call)
    done, cpu = zip(calling.result(), serving.result(), strict=True)
    return Carried(sum(done) / seconds, sum(done) / sum(cpu))


class _Child:
    """A process in a namespace, on a CPU of its own as far as there are any.

    Args:
        netns: name of the namespace.
        place: which of the CPUs.
        work: gets a descriptor on which to tell that it is ready, and returns how much was done.
    """

    def __init__(self, netns: str, place: int, work: Callable[[int], int]) -> None:
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                self._enter(netns, place)
                os.write(writer, b"%d\n" % work(writer))
            finally:
                os._exit(0)
        os.close(writer)

    @staticmethod
    def _enter(netns: str, place: int) -> None:
        with open(f"/run/netns/{netns}", "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), netns)
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[place % len(cpus)]})

    def wait_until_ready(self) -> None:
        """Until it has told that it is."""
        os.read(self._reader, 1)

    def result(self) -> tuple[int, float]:
        """Work done, and processor time spent; waits for the end."""
        with open(self._reader, "rb") as file:
            done = int(file.read() or -1)
        _, _, usage = os.wait4(self._pid, 0)
        if done < 0:
            raise ChildProcessError("a process of the benchmark failed")
        return done, usage.ru_utime + usage.ru_stime
