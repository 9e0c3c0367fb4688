"""/proc/<pid>: who a process is, its cgroups, what it has read and written, and what its descriptors refer to.

Read for every process of the node in every cycle, hence one read per file and no path objects.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from exporter.errors import CollectError, GoneError, SourceError, UnsupportedError

_MOST = 1 << 13  # these files are shorter
_STARTED = 19  # of the fields after the name: starttime, field 22 of proc_pid_stat(5)


class Birth(NamedTuple):
    """What tells two processes with the same number apart, and where one came from."""

    parent: int
    started: int  # clock ticks after boot


class IoFile(NamedTuple):
    """Content of one process's io file.

    Equal inodes mean the same process. Different ones do not mean another: the kernel may have dropped and
    rebuilt its entry for the file.
    """

    inode: int
    content: bytes


def read_birth(proc: str, pid: int) -> Birth:
    """Parent and start time. Raises GoneError when the process has ended."""
    path = f"{proc}/{pid}/stat"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.read(descriptor, _MOST)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(error, proc, pid, path, "") from error
    return parse_birth(content, path)


def parse_birth(content: bytes, path: str) -> Birth:
    """Parent and start time; the name of the program may contain spaces and parentheses."""
    fields = content[content.rfind(b")") + 1 :].split()
    try:
        return Birth(int(fields[1]), int(fields[_STARTED]))
    except (ValueError, IndexError) as error:
        raise SourceError(path, "the fields of proc_pid_stat(5)", content) from error


def read_io(proc: str, pid: int, seen: bytes = b"") -> IoFile | None:
    """The io file, or None when its content is still what was `seen`, as with most processes most of the time.

    Raises GoneError when the process has ended, UnsupportedError when the file may not be read or does not exist.
    """
    path = f"{proc}/{pid}/io"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.read(descriptor, _MOST)
            return None if content == seen else IoFile(os.fstat(descriptor).st_ino, content)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(error, proc, pid, path, "the kernel was built without CONFIG_TASK_IO_ACCOUNTING") from error


def parse_io(content: bytes, path: str) -> dict[str, int]:
    """Counters by the kernel's names; calls and bytes of the process and of the children it has waited for."""
    words = content.split()
    try:
        return {name[:-1].decode(): int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    except ValueError as error:
        raise SourceError(path, "lines like `syscr: 23`", content) from error


def read_cgroup(proc: str, pid: int) -> bytes:
    """The cgroup file, for `exporter.identity.cgroups`. Raises GoneError when the process has ended."""
    path = f"{proc}/{pid}/cgroup"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, _MOST)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(error, proc, pid, path, "the kernel was built without CONFIG_CGROUPS") from error


def read_descriptors(proc: str, pid: int) -> list[str]:
    """What each open descriptor refers to, for example `socket:[8231]`. Errors as `read_io`."""
    path = f"{proc}/{pid}/fd"
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return [target for name in os.listdir(directory) if (target := _target(name, directory))]
        finally:
            os.close(directory)
    except OSError as error:
        raise _failure(error, proc, pid, path, "") from error


def _target(name: str, directory: int) -> str:
    """Target of a link; empty when the descriptor was closed meanwhile."""
    try:
        return os.readlink(name, dir_fd=directory)
    except FileNotFoundError:
        return ""


def _failure(error: OSError, proc: str, pid: int, path: str, why_absent: str) -> CollectError:
    if isinstance(error, PermissionError):
        return UnsupportedError(f"{path} may not be read; run as root or with CAP_SYS_PTRACE")
    if isinstance(error, ProcessLookupError) or (error.errno == errno.ENOENT and not os.path.isdir(f"{proc}/{pid}")):
        return GoneError(path)
    if error.errno == errno.ENOENT:
        return UnsupportedError(f"{path} does not exist; {why_absent}" if why_absent else f"{path} does not exist")
    return SourceError(path, "a readable file", error.strerror)
