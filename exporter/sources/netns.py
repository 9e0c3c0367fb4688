"""Visiting network namespaces: the only module that enters one.

A visit opens the namespace, checks that it is still the one meant (a process id may have been reused), works
and lets go. Nothing here outlives the visit: an open file of `/proc/<pid>/net`, a netlink socket or a
descriptor of the namespace would keep a deleted pod's namespace, and the veth that leads to it, alive.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.errors import GoneError, SourceError, UnsupportedError
from exporter.sources import netlink, procfs

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.model.pod import NetnsRef, Pod
    from exporter.model.probe import Reader

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
_MOST_DOORS = 4  # processes tried, as the first may have ended since they were listed while others live on


def link_text(link: str) -> str:
    """What a /proc/<pid>/ns/net link says. Raises OSError when the process ended or may not be looked at."""
    text = os.readlink(link)
    if not text:  # so Linux 5.10 refuses to tell
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), link)
    return text


def inode_of(link: str) -> int:
    """Inode of the namespace behind a /proc/<pid>/ns/net link.

    Read from the link's text, so that it also works on a captured tree. Raises OSError as `link_text`, SourceError.
    """
    text = link_text(link)
    try:
        return int(text.removeprefix("net:[").removesuffix("]"))
    except ValueError as error:
        raise SourceError(link, "a link like net:[4026531840]", text) from error


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _set_namespace(descriptor: int) -> None:
    if _libc().setns(descriptor, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@dataclass(slots=True)
class Memory:
    """What a namespace showed in one cycle, for the next cycle to build on. Not changed once its cycle is over.

    Args:
        results: what readers found, kept only for those that ask for it.
        parsed: by file and parser, the content and what the parser made of it.
    """

    results: dict[Reader[Any], Any] = field(default_factory=dict)
    parsed: dict[tuple[str, Callable[..., Any]], tuple[bytes, Any]] = field(default_factory=dict)


class OpenNetns:
    """A namespace during a visit; see `exporter.model.probe.Netns` for the contract.

    Args:
        pod: its owner.
        root: where its files are.
        net: open directory of its `net` files.
        why_no_socket: why it could not be entered; empty when it was.
        before: what it showed in the previous cycle.
    """

    def __init__(self, pod: Pod, root: Path, net: int, why_no_socket: str, before: Memory) -> None:
        self.pod = pod
        self.root = root
        self._net = net
        self._why_no_socket = why_no_socket
        self._before = before
        self._asked: set[Reader[Any]] = set()
        self.memory = Memory()
        self._sockets: dict[int, socket.socket] = {}
        self._contents: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """Content of the namespace's /proc/net/<name>, read once however many readers want it."""
        content = self._contents.get(name)
        if content is None:
            content = self._contents[name] = procfs.read_at(self._net, name, f"{self.root}/net/{name}")
        return content

    def sysctl(self, name: str) -> bytes:
        """Content of the namespace's /proc/sys/net/<name>; these follow the reading thread, not a path."""
        if self._why_no_socket:
            raise UnsupportedError(self._why_no_socket)
        return procfs.read_at(None, f"/proc/sys/net/{name}", f"/proc/sys/net/{name}")

    def netlink(self, protocol: int, request: bytes) -> bytes:
        """All answers to one netlink request made inside the namespace."""
        if self._why_no_socket:
            raise UnsupportedError(self._why_no_socket)
        if protocol not in self._sockets:
            self._sockets[protocol] = netlink.open_socket(protocol)
        return netlink.exchange(self._sockets[protocol], request)

    def parsed(self, name: str, parse: Callable[[bytes, str], T]) -> T:
        """What `parse` makes of a file, or made of the same content in the previous cycle."""
        content = self.read(name)
        known = self._before.parsed.get((name, parse))
        if known is None or known[0] != content:
            known = content, parse(content, f"{self.root}/net/{name}")
        self.memory.parsed[name, parse] = known
        result: T = known[1]
        return result

    def last(self, reader: Reader[T]) -> T | None:
        """What `reader` found here in the previous cycle."""
        self._asked.add(reader)
        return self._before.results.get(reader)

    def remember(self, reader: Reader[T], result: T) -> None:
        """Keep a result for the next cycle if the reader is one that asks."""
        if reader in self._asked:
            self.memory.results[reader] = result

    def close(self) -> None:
        """Let go of everything that lives in the namespace."""
        for sock in self._sockets.values():
            sock.close()


NOTHING = Memory()


class Visitor:
    """Takes the calling thread from namespace to namespace and back home at the end.

    Must be used by one thread, which is the one that moves.
    """

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self._here = f"/proc/self/task/{threading.get_native_id()}"
        self._home = os.open(f"{self._here}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._home_inode = self._inside = os.fstat(self._home).st_ino
        self._live = self._shows_this_kernel()
        # A descriptor of this directory follows its thread: it shows whichever namespace the thread is in.
        self._own_net = os.open(f"{self._here}/net", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextmanager
    def visit(self, ref: NetnsRef, *, host: bool = False, before: Memory = NOTHING) -> Iterator[OpenNetns]:
        """Be in the namespace for the length of a with-block. `before` is what it showed in the previous cycle.

        The host's files are read by path, so that another machine's tree can be looked at; every other
        namespace is entered, and read by path only where entering is refused. Raises GoneError, and
        UnsupportedError where neither way is open.
        """
        refusal = self._enter(ref)
        by_path = host or refusal != ""
        if refusal and not host and not ref.pids:  # only named: there is no process whose files show it
            raise UnsupportedError(refusal)
        root = self._proc / str(1 if host else ref.pids[0] if ref.pids else "self")
        net = self._open_directory(root, host=host) if by_path else self._own_net
        view = OpenNetns(ref.pod, root, net, refusal, before)
        try:
            yield view
            if by_path and not host:
                self._check_still(root, ref)
        finally:
            view.close()
            if by_path:
                os.close(net)

    def _enter(self, ref: NetnsRef) -> str:
        """Move the thread; empty when it is inside, else why it cannot be. Raises GoneError."""
        if not self._live:
            return f"{self._proc} is not the procfs of the running kernel, so no socket can be opened there"
        if ref.pod.netns == self._inside:
            return ""
        pids = ref.pids[:_MOST_DOORS] if ref.pids or ref.path else (1,)
        doors = [ref.path] if ref.path else []
        for path in (*doors, *(f"{self._proc}/{pid}/ns/net" for pid in pids)):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except PermissionError:
                return f"{path} may not be opened; run as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN"
            except OSError:
                continue
            try:
                if os.fstat(descriptor).st_ino != ref.pod.netns:
                    continue
                _set_namespace(descriptor)
            except OSError as error:
                return f"{path} may not be entered ({error.strerror}); run as root or with CAP_SYS_ADMIN"
            finally:
                os.close(descriptor)
            self._inside = ref.pod.netns
            return ""
        raise GoneError(path)

    def _shows_this_kernel(self) -> bool:
        """A captured tree may carry the same inode numbers as this machine; only a live procfs has a `self`."""
        try:
            return os.stat(f"{self._proc}/self/ns/net").st_ino == self._home_inode
        except OSError:
            return False

    def _open_directory(self, root: Path, *, host: bool) -> int:
        path = f"{root}/net"
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if host:
                raise SourceError(path, "the host's network files (is --proc right?)", error.strerror) from error
            raise GoneError(path) from error

    @staticmethod
    def _check_still(root: Path, ref: NetnsRef) -> None:
        """Between the scan and the reading the process may have ended and its number been given away."""
        try:
            same = inode_of(f"{root}/ns/net") == ref.pod.netns
        except OSError:
            same = False
        if not same:
            raise GoneError(str(root))

    def go_home(self) -> None:
        """Return the thread to the namespace it started in."""
        if self._inside != self._home_inode:
            _set_namespace(self._home)
            self._inside = self._home_inode

    def close(self) -> None:
        """Go home and give the descriptors back."""
        self.go_home()
        os.close(self._own_net)
        os.close(self._home)
