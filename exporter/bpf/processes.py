"""What programs find of every process in one run: the user side of bpf/process_io.bpf.c and bpf/process_files.bpf.c."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from exporter.bpf import kernel_btf, objects
from exporter.bpf.layout import bind
from exporter.bpf.loader import BpfObject
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.bpf.layout import Layout

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO in linux/proc_ns.h


class ProcessIo(NamedTuple):
    """As struct process_io, in the order of C.

    Args:
        pid: of the process.
        parent: process that waits for it.
        started: nanoseconds after boot.
        torn: 1 where its threads kept ending while it was read, so that the counters mean nothing.
        rchar: as in /proc/<pid>/io, like all that follow.
        wchar: bytes.
        syscr: calls.
        syscw: calls.
        read_bytes: bytes.
        write_bytes: bytes.
        cancelled_write_bytes: bytes.
    """

    pid: int
    parent: int
    started: int
    torn: int
    rchar: int
    wchar: int
    syscr: int
    syscw: int
    read_bytes: int
    write_bytes: int
    cancelled_write_bytes: int


class ProcessFiles(NamedTuple):
    """As struct process_files; processes without any open file have none.

    Args:
        pid: of the process.
        opened: how many descriptors it has open.
        sockets: how many of them are sockets.
    """

    pid: int
    opened: int
    sockets: int


_WORD: Final = 4  # bytes of a process's number
_BITS: Final = 8 * _WORD

Row = TypeVar("Row", bound=tuple[object, ...])

# Object, which is named as its struct is, and program in it.
_OBJECTS: Final[dict[type, tuple[str, str]]] = {
    ProcessIo: ("process_io", "processes"),
    ProcessFiles: ("process_files", "files"),
}


class ProcessScan(Generic[Row]):
    """A loaded program that goes through all processes whenever it is asked.

    Attributes:
        layout: decodes what it finds.

    Args:
        kind: what it finds.
        proc: root of the running kernel's procfs, seen from the initial pid namespace; the numbers are of that.
        sys: root of its sysfs.

    Raises:
        UnsupportedError: this machine cannot run it; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(self, kind: type[Row], proc: Path, sys: Path) -> None:
        kernel_btf.require(sys)
        _require_initial_pid_namespace(proc)
        name, program = _OBJECTS[kind]
        self._bpf = BpfObject(objects.find(name))
        try:
            self._bpf.load()
            self.layout: Layout[Row] = bind(self._bpf.btf, name, kind)
            members = self._bpf.btf.struct(name).members
            self._pid = next(member.bit_offset // _BITS for member in members if member.name == "pid")
            self._link = self._bpf.attach(program)
        except BaseException:
            self._bpf.close()
            raise

    def read(self) -> dict[int, bytes]:
        """The struct of each process, by its number. Most are what they were, hence not decoded. Raises SourceError."""
        raw, size = self._link.read(), self.layout.size
        pids = memoryview(raw).cast("I")[self._pid :: size // _WORD]
        return dict(zip(pids, [raw[at : at + size] for at in range(0, len(raw), size)], strict=True))

    def close(self) -> None:
        """Unload it; safe to repeat."""
        self._bpf.close()


def _require_initial_pid_namespace(proc: Path) -> None:
    path = proc / "self" / "ns" / "pid"
    try:
        inode = os.stat(path).st_ino
    except OSError as error:
        raise UnsupportedError(f"{path} does not exist, so {proc} is not of the running kernel") from error
    if inode != _INITIAL_PID_NAMESPACE:
        raise UnsupportedError(f"{path} is not the initial pid namespace; run the container with hostPID")
