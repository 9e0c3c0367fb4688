"""A named network namespace to make sockets and run programs in."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.identity.standalone import NAMESPACE
from exporter.model.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_NETNS = Path("/run/netns")
_ENTERING = {"ip": "-n", "tc": "-n", "ss": "-N"}
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def run(*words: str) -> str:
    """Run a program and give back what it printed; it must succeed."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def _enter(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


@dataclass
class Namespace:
    """A named network namespace.

    Args:
        name: file name under /run/netns.
        number: tells apart the networks of namespaces joined in one test.
    """

    name: str
    number: int
    sockets: ExitStack = field(default_factory=ExitStack)

    @property
    def pod(self) -> Pod:
        """Owner under which the exporter shows it."""
        return Pod(NAMESPACE, self.name, (RUN_NETNS / self.name).stat().st_ino)

    def run(self, *words: str) -> str:
        """Run a program inside; those that can go there themselves are a process less."""
        if option := _ENTERING.get(words[0]):
            return run(words[0], option, self.name, *words[1:])
        return run("ip", "netns", "exec", self.name, *words)

    def join(self, other: Namespace, device: str = "eth0") -> None:
        """Add a veth pair between two namespaces, whose ends have the same name."""
        # Made inside, as older kernels refuse a name that is taken where the command runs.
        self.run("ip", "link", "add", device, "type", "veth", "peer", device, "netns", other.name)

    def json(self, *words: str) -> list[dict[str, Any]]:
        """Run a program inside that prints a JSON list."""
        found: list[dict[str, Any]] = json.loads(self.run(*words))
        return found

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside with the calling thread, so that sockets are made there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _enter(RUN_NETNS / self.name)
        try:
            yield
        finally:
            assert _LIBC.setns(home, _CLONE_NEWNET) == 0
            os.close(home)

    def open(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A socket inside; closed when the test ends."""
        with self.entered():
            return self.sockets.enter_context(closing(socket.socket(family, kind)))

    def listen(self, port: int, limit: int, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket that listens on all addresses of one family."""
        listener = self.open(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("", port))
        listener.listen(limit)
        return listener

    def connect(self, address: str, port: int) -> socket.socket:
        """A TCP connection from inside, complete on this side."""
        made = self.open(socket.AF_INET6 if ":" in address else socket.AF_INET)
        made.settimeout(10)
        made.connect((address, port))
        return made

    def start_connecting(self, address: str, port: int, source: str = "") -> socket.socket:
        """A TCP connection that is only begun."""
        made = self.open()
        made.settimeout(0)
        if source:
            made.bind((source, 0))
        made.connect_ex((address, port))
        return made

    def ss(self) -> Counter[str]:
        """TCP sockets by state as `ss` counts them, listeners excluded."""
        lines = self.run("ss", "-Htan").splitlines()
        return Counter(line.split()[0] for line in lines if not line.startswith("LISTEN"))


@dataclass
class Pair:
    """Two namespaces joined by a veth pair called eth0 on both sides."""

    left: Namespace
    right: Namespace
    left4: str
    right4: str
    left6: str
    right6: str
